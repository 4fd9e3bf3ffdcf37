"""A whole Mesos cluster in this process (docs/cluster.md). What tests need most is here by name, loaded when needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymesoskit.testing.agent.simulated import Outcome
    from pymesoskit.testing.clock import VirtualClock
    from pymesoskit.testing.cluster import AgentSpec, Cluster, ClusterError, SimulatedCluster
    from pymesoskit.testing.flags import AgentFlags, FlagError, MasterFlags
    from pymesoskit.testing.server import ListenError

_HOME_OF = {
    "AgentFlags": "pymesoskit.testing.flags",
    "AgentSpec": "pymesoskit.testing.cluster",
    "Cluster": "pymesoskit.testing.cluster",
    "ClusterError": "pymesoskit.testing.cluster",
    "FlagError": "pymesoskit.testing.flags",
    "ListenError": "pymesoskit.testing.server",
    "MasterFlags": "pymesoskit.testing.flags",
    "Outcome": "pymesoskit.testing.agent.simulated",
    "SimulatedCluster": "pymesoskit.testing.cluster",
    "VirtualClock": "pymesoskit.testing.clock",
}

__all__ = [
    "AgentFlags",
    "AgentSpec",
    "Cluster",
    "ClusterError",
    "FlagError",
    "ListenError",
    "MasterFlags",
    "Outcome",
    "SimulatedCluster",
    "VirtualClock",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
