"""A whole Mesos cluster in this process (docs/cluster.md). What tests need most is here by name, loaded when needed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymesoskit.testing.cluster.cluster import AgentSpec, Cluster, ClusterError, SimulatedCluster
    from pymesoskit.testing.engine.flags.flags import AgentFlags, FlagError, MasterFlags
    from pymesoskit.testing.engine.http.server import ListenError
    from pymesoskit.testing.engine.machine.simulated import Outcome
    from pymesoskit.testing.runtime.clock import VirtualClock

_HOME_OF = {
    "AgentFlags": "pymesoskit.testing.engine.flags.flags",
    "AgentSpec": "pymesoskit.testing.cluster.cluster",
    "Cluster": "pymesoskit.testing.cluster.cluster",
    "ClusterError": "pymesoskit.testing.cluster.cluster",
    "FlagError": "pymesoskit.testing.engine.flags.flags",
    "ListenError": "pymesoskit.testing.engine.http.server",
    "MasterFlags": "pymesoskit.testing.engine.flags.flags",
    "Outcome": "pymesoskit.testing.engine.machine.simulated",
    "SimulatedCluster": "pymesoskit.testing.cluster.cluster",
    "VirtualClock": "pymesoskit.testing.runtime.clock",
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
