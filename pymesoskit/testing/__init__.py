"""A whole Mesos cluster in this process, for tests.

``Cluster`` runs in real time, ``SimulatedCluster`` in virtual time. All names that tests need are importable from here
and are loaded when they are first used. Allocation policies are in ``pymesoskit.testing.allocator``; all other modules
below this package are internal. Guide: docs/cluster.md.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymesoskit.testing.cluster.cluster import BaseCluster, Cluster, SimulatedCluster
    from pymesoskit.testing.cluster.errors import ClusterError
    from pymesoskit.testing.cluster.faults import Fault, Faults
    from pymesoskit.testing.cluster.handles import ClusterAgent, ClusterMaster
    from pymesoskit.testing.cluster.inprocess import InProcessTransport
    from pymesoskit.testing.cluster.specs import Agents, AgentSpec
    from pymesoskit.testing.cluster.views import FrameworkView, TaskView
    from pymesoskit.testing.engine.agent.oversubscription import FixedEstimator, QosController, ResourceEstimator
    from pymesoskit.testing.engine.authorization.api import Action, Approver, Authorizer, Claims, Object, Subject
    from pymesoskit.testing.engine.flags.flags import AgentFlags, FlagError, MasterFlags
    from pymesoskit.testing.engine.http.server import ListenError
    from pymesoskit.testing.engine.machine.launcher import Exit, Usage
    from pymesoskit.testing.engine.machine.pace import INSTANT, MESOS, Pace
    from pymesoskit.testing.engine.machine.simulated import Outcome, Outcomes
    from pymesoskit.testing.runtime.actor import ActorEnded, Deadlock, Livelock
    from pymesoskit.testing.runtime.clock import VirtualClock
    from pymesoskit.testing.runtime.history import HistoryEvent

_HOMES = {
    "pymesoskit.testing.cluster.cluster": ("BaseCluster", "Cluster", "SimulatedCluster"),
    "pymesoskit.testing.cluster.errors": ("ClusterError",),
    "pymesoskit.testing.cluster.faults": ("Fault", "Faults"),
    "pymesoskit.testing.cluster.handles": ("ClusterAgent", "ClusterMaster"),
    "pymesoskit.testing.cluster.inprocess": ("InProcessTransport",),
    "pymesoskit.testing.cluster.specs": ("AgentSpec", "Agents"),
    "pymesoskit.testing.cluster.views": ("FrameworkView", "TaskView"),
    "pymesoskit.testing.engine.agent.oversubscription": ("FixedEstimator", "QosController", "ResourceEstimator"),
    "pymesoskit.testing.engine.authorization.api": ("Action", "Approver", "Authorizer", "Claims", "Object", "Subject"),
    "pymesoskit.testing.engine.flags.flags": ("AgentFlags", "FlagError", "MasterFlags"),
    "pymesoskit.testing.engine.http.server": ("ListenError",),
    "pymesoskit.testing.engine.machine.launcher": ("Exit", "Usage"),
    "pymesoskit.testing.engine.machine.pace": ("INSTANT", "MESOS", "Pace"),
    "pymesoskit.testing.engine.machine.simulated": ("Outcome", "Outcomes"),
    "pymesoskit.testing.runtime.actor": ("ActorEnded", "Deadlock", "Livelock"),
    "pymesoskit.testing.runtime.clock": ("VirtualClock",),
    "pymesoskit.testing.runtime.history": ("HistoryEvent",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "INSTANT",
    "MESOS",
    "Action",
    "ActorEnded",
    "AgentFlags",
    "AgentSpec",
    "Agents",
    "Approver",
    "Authorizer",
    "BaseCluster",
    "Claims",
    "Cluster",
    "ClusterAgent",
    "ClusterError",
    "ClusterMaster",
    "Deadlock",
    "Exit",
    "Fault",
    "Faults",
    "FixedEstimator",
    "FlagError",
    "FrameworkView",
    "HistoryEvent",
    "InProcessTransport",
    "ListenError",
    "Livelock",
    "MasterFlags",
    "Object",
    "Outcome",
    "Outcomes",
    "Pace",
    "QosController",
    "ResourceEstimator",
    "SimulatedCluster",
    "Subject",
    "TaskView",
    "Usage",
    "VirtualClock",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
