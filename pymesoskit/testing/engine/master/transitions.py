"""The lives of masters, frameworks, agents, tasks and operations, as tables.

``TABLE[state][cause]`` is the next state; a cause that is missing is impossible in that state, and ``states.step`` says
so. Nothing else lives here: what has to be done on each step is written where it is done. Source:
docs/reference/scheduler-api.md 3, 4.6, 6 and 7, agent-executor.md 2, failover.md.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.states import TERMINAL_TASK_STATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymesoskit.wire.v1 import mesos


class MasterPhase(Enum):
    """What one life of a master is doing."""

    STANDBY = "standby"
    RECOVERING = "recovering"
    SERVING = "serving"
    ENDED = "ended"


MASTER_MEANINGS: Mapping[MasterPhase, str] = {
    MasterPhase.STANDBY: "another master leads, or none does yet",
    MasterPhase.RECOVERING: "leads, and reads the registry",
    MasterPhase.SERVING: "leads, and knows what is in the registry",
    MasterPhase.ENDED: "killed, or ended by itself; nothing that still arrives has an effect",
}


class MasterCause(Enum):
    """What happens to a master."""

    ELECT = "elected"
    RECOVER = "registry read"
    END = "end"  # killed, not elected any more, or unable to recover


MASTER: Mapping[MasterPhase, Mapping[MasterCause, MasterPhase]] = {
    MasterPhase.STANDBY: {
        MasterCause.ELECT: MasterPhase.RECOVERING,
        MasterCause.END: MasterPhase.ENDED,
    },
    MasterPhase.RECOVERING: {
        MasterCause.RECOVER: MasterPhase.SERVING,
        MasterCause.END: MasterPhase.ENDED,
    },
    MasterPhase.SERVING: {MasterCause.END: MasterPhase.ENDED},
    MasterPhase.ENDED: {},
}


class FrameworkState(Enum):
    """What a framework is to the master."""

    RECOVERED = "recovered"
    ACTIVE = "active"
    DISCONNECTED = "disconnected"
    COMPLETED = "completed"


FRAMEWORK_MEANINGS: Mapping[FrameworkState, str] = {
    FrameworkState.RECOVERED: "known from agents after a failover of the master; has not subscribed yet",
    FrameworkState.ACTIVE: "subscribed",
    FrameworkState.DISCONNECTED: "its stream has ended; it has `failover_timeout` to come back",
    FrameworkState.COMPLETED: "torn down, or did not come back; its id cannot subscribe again",
}


class FrameworkCause(Enum):
    """What happens to a framework."""

    SUBSCRIBE = "subscribe"
    DISCONNECT = "disconnect"
    REMOVE = "remove"


FRAMEWORK: Mapping[FrameworkState, Mapping[FrameworkCause, FrameworkState]] = {
    FrameworkState.RECOVERED: {
        FrameworkCause.SUBSCRIBE: FrameworkState.ACTIVE,
        FrameworkCause.REMOVE: FrameworkState.COMPLETED,
    },
    FrameworkState.ACTIVE: {
        FrameworkCause.SUBSCRIBE: FrameworkState.ACTIVE,  # fails over to a new stream
        FrameworkCause.DISCONNECT: FrameworkState.DISCONNECTED,
        FrameworkCause.REMOVE: FrameworkState.COMPLETED,
    },
    FrameworkState.DISCONNECTED: {
        FrameworkCause.SUBSCRIBE: FrameworkState.ACTIVE,
        FrameworkCause.REMOVE: FrameworkState.COMPLETED,
    },
    FrameworkState.COMPLETED: {},
}


class AgentState(Enum):
    """What an agent is to the master."""

    UNKNOWN = "unknown"
    RECOVERED = "recovered"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    UNREACHABLE = "unreachable"
    GONE = "gone"
    REMOVED = "removed"


AGENT_MEANINGS: Mapping[AgentState, str] = {
    AgentState.UNKNOWN: "never heard of",
    AgentState.RECOVERED: "in the registry of a master that has just started; has not come back yet",
    AgentState.CONNECTED: "registered, and there",
    AgentState.DISCONNECTED: "its link broke; pings go on",
    AgentState.UNREACHABLE: "does not answer; may come back",
    AgentState.GONE: "an operator says that it never comes back",
    AgentState.REMOVED: "unregistered, replaced at its address, or its machine is down",
}


class AgentCause(Enum):
    """What happens to an agent."""

    REGISTER = "register"
    REREGISTER = "reregister"
    LINK_BROKEN = "link broken"
    UNREACHABLE = "unreachable"  # pings unanswered, or not back in agent_reregister_timeout
    GONE = "gone"
    REMOVE = "remove"


AGENT: Mapping[AgentState, Mapping[AgentCause, AgentState]] = {
    AgentState.UNKNOWN: {
        AgentCause.REGISTER: AgentState.CONNECTED,
        AgentCause.REREGISTER: AgentState.CONNECTED,
    },
    AgentState.RECOVERED: {
        AgentCause.REREGISTER: AgentState.CONNECTED,
        AgentCause.UNREACHABLE: AgentState.UNREACHABLE,
        AgentCause.GONE: AgentState.GONE,
    },
    AgentState.CONNECTED: {
        AgentCause.REGISTER: AgentState.CONNECTED,  # it did not hear the first answer
        AgentCause.REREGISTER: AgentState.CONNECTED,
        AgentCause.LINK_BROKEN: AgentState.DISCONNECTED,
        AgentCause.UNREACHABLE: AgentState.UNREACHABLE,
        AgentCause.GONE: AgentState.GONE,
        AgentCause.REMOVE: AgentState.REMOVED,
    },
    AgentState.DISCONNECTED: {
        AgentCause.REREGISTER: AgentState.CONNECTED,
        AgentCause.UNREACHABLE: AgentState.UNREACHABLE,
        AgentCause.GONE: AgentState.GONE,
        AgentCause.REMOVE: AgentState.REMOVED,
    },
    AgentState.UNREACHABLE: {
        AgentCause.REREGISTER: AgentState.CONNECTED,
        AgentCause.GONE: AgentState.GONE,
    },
    AgentState.GONE: {},
    AgentState.REMOVED: {AgentCause.REREGISTER: AgentState.CONNECTED},
}


def task_state_after(current: mesos.TaskState, reported: mesos.TaskState) -> mesos.TaskState:
    """The state of a task in state ``current`` after a status that reports ``reported``: terminal states stay."""
    return current if current in TERMINAL_TASK_STATES else reported
