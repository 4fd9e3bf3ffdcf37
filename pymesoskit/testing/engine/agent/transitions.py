"""The lives of an agent's process and of its executors, as tables.

``TABLE[state][cause]`` is the next state. What has to be done on each step is written where it is done. An agent's
phase changes only by ``Core.step``, for which a missing cause is a mistake of ours. An executor's state changes only by
``Executor.enter``: what is missing there may well happen (a second SHUTDOWN, a late SUBSCRIBE) and changes nothing.
Source: docs/reference/agent-executor.md 2.1, 5.1 and 5.5.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Phase(Enum):
    """What one life of an agent is doing."""

    RECOVERING = "recovering"
    DISCONNECTED = "disconnected"
    RUNNING = "running"
    TERMINATING = "terminating"
    ENDED = "ended"


PHASE_MEANINGS: Mapping[Phase, str] = {
    Phase.RECOVERING: "reads its checkpoints and waits for executors to subscribe again; most calls are answered 503",
    Phase.DISCONNECTED: "looks for the leading master, or has not been registered by it yet",
    Phase.RUNNING: "registered",
    Phase.TERMINATING: "shuts its executors down, and ends when the last one has ended",
    Phase.ENDED: "killed, or ended by itself; nothing that still arrives has an effect",
}


class PhaseCause(Enum):
    """What happens to an agent's process."""

    RECOVER = "recovered"
    REGISTER = "registered"
    DETECT = "looks for the master"
    SHUT_DOWN = "shut down"
    END = "end"


PHASE: Mapping[Phase, Mapping[PhaseCause, Phase]] = {
    Phase.RECOVERING: {
        PhaseCause.RECOVER: Phase.DISCONNECTED,
        PhaseCause.SHUT_DOWN: Phase.TERMINATING,  # told to, or started with --recover=cleanup
        PhaseCause.END: Phase.ENDED,
    },
    Phase.DISCONNECTED: {
        PhaseCause.DETECT: Phase.DISCONNECTED,
        PhaseCause.REGISTER: Phase.RUNNING,
        PhaseCause.SHUT_DOWN: Phase.TERMINATING,
        PhaseCause.END: Phase.ENDED,
    },
    Phase.RUNNING: {
        PhaseCause.DETECT: Phase.DISCONNECTED,  # another master leads, or this one does not know the agent any more
        PhaseCause.SHUT_DOWN: Phase.TERMINATING,
        PhaseCause.END: Phase.ENDED,
    },
    Phase.TERMINATING: {PhaseCause.END: Phase.ENDED},
    Phase.ENDED: {},
}


class ExecutorState(Enum):
    """What an executor is to its agent."""

    REGISTERING = "REGISTERING"
    RUNNING = "RUNNING"
    TERMINATING = "TERMINATING"
    TERMINATED = "TERMINATED"


EXECUTOR_MEANINGS: Mapping[ExecutorState, str] = {
    ExecutorState.REGISTERING: "launched, or recovered by an agent that has come back; has not subscribed (again) yet",
    ExecutorState.RUNNING: "subscribed",
    ExecutorState.TERMINATING: "told to shut down, or being killed; its container has not ended yet",
    ExecutorState.TERMINATED: "its container has ended; stays until all updates of its tasks are acknowledged",
}


class ExecutorCause(Enum):
    """What happens to an executor."""

    SUBSCRIBE = "subscribe"
    SHUT_DOWN = "shut down or killed"
    END = "container ended"


EXECUTOR: Mapping[ExecutorState, Mapping[ExecutorCause, ExecutorState]] = {
    ExecutorState.REGISTERING: {
        ExecutorCause.SUBSCRIBE: ExecutorState.RUNNING,
        ExecutorCause.SHUT_DOWN: ExecutorState.TERMINATING,
        ExecutorCause.END: ExecutorState.TERMINATED,
    },
    ExecutorState.RUNNING: {
        ExecutorCause.SUBSCRIBE: ExecutorState.RUNNING,  # over a new connection
        ExecutorCause.SHUT_DOWN: ExecutorState.TERMINATING,
        ExecutorCause.END: ExecutorState.TERMINATED,
    },
    ExecutorState.TERMINATING: {ExecutorCause.END: ExecutorState.TERMINATED},
    ExecutorState.TERMINATED: {},
}
