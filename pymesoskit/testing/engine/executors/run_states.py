"""The life of one task in the hands of a built-in executor, as a table.

``task_run.py`` goes by it; docs/states.md draws it. Source: docs/reference/agent-executor.md 8, 9 and 11.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class RunState(Enum):
    """How far a task has come."""

    LAUNCHING = "launching"
    STARTED = "started"
    RUNNING = "running"
    DOOMED = "doomed"
    KILLING = "killing"
    ENDED = "ended"


class RunCause(Enum):
    """What happens to it."""

    START = "its process has started"
    ANNOUNCE = "TASK_RUNNING is reported"
    KILL = "it is killed"
    END = "its process has ended"
    FAIL = "it cannot be started"
    DESTROY = "its executor is destroyed"


class KillCause(Enum):
    """Why a task is killed, which decides how its end is reported."""

    ASKED = "somebody asked for it"
    UNHEALTHY = "its health check has failed too often"
    TOO_LATE = "its max_completion_time is over"


_END = {RunCause.END: RunState.ENDED, RunCause.DESTROY: RunState.ENDED}
_UNSTARTED_END = {RunCause.FAIL: RunState.ENDED, RunCause.DESTROY: RunState.ENDED}

#: State -> cause -> next state. A cause that a state does not have is ignored there.
RUN: Mapping[RunState, Mapping[RunCause, RunState]] = {
    RunState.LAUNCHING: {RunCause.START: RunState.STARTED, RunCause.KILL: RunState.DOOMED, **_UNSTARTED_END},
    RunState.STARTED: {RunCause.ANNOUNCE: RunState.RUNNING, RunCause.KILL: RunState.KILLING, **_END},
    RunState.RUNNING: {RunCause.KILL: RunState.KILLING, **_END},
    RunState.DOOMED: {RunCause.START: RunState.KILLING, RunCause.KILL: RunState.DOOMED, **_UNSTARTED_END},
    RunState.KILLING: {RunCause.ANNOUNCE: RunState.KILLING, RunCause.KILL: RunState.KILLING, **_END},
    RunState.ENDED: {},
}

MEANINGS: Mapping[RunState, str] = {
    RunState.LAUNCHING: "its process has been asked for",
    RunState.STARTED: "its process runs, but TASK_RUNNING waits for the rest of its group",
    RunState.RUNNING: "TASK_RUNNING has been reported; checks look at it",
    RunState.DOOMED: "killed before its process has started: it gets its SIGTERM as soon as that has",
    RunState.KILLING: "SIGTERM has been sent, SIGKILL follows after the grace period",
    RunState.ENDED: "its process has ended, or there never was one",
}
