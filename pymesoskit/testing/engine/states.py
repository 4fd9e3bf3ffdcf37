"""What master and agent share about states: how tables of transitions are followed, and which states are final.

Source: docs/reference/scheduler-api.md 7, agent-executor.md 3.2 and 13.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A task in one of these states never changes again, and its resources are free.
TERMINAL_TASK_STATES: frozenset[mesos.TaskState] = frozenset(
    {
        mesos.TASK_FINISHED,
        mesos.TASK_FAILED,
        mesos.TASK_KILLED,
        mesos.TASK_LOST,
        mesos.TASK_ERROR,
        mesos.TASK_DROPPED,
        mesos.TASK_GONE,
        mesos.TASK_GONE_BY_OPERATOR,
    }
)

#: To the master, a task in one of these states holds no resources: it has ended, or its agent is unreachable.
RELEASED_TASK_STATES: frozenset[mesos.TaskState] = TERMINAL_TASK_STATES | {mesos.TASK_UNREACHABLE}

#: An operation in one of these states never changes again.
TERMINAL_OPERATION_STATES: frozenset[mesos.OperationState] = frozenset(
    {
        mesos.OPERATION_FINISHED,
        mesos.OPERATION_FAILED,
        mesos.OPERATION_ERROR,
        mesos.OPERATION_DROPPED,
        mesos.OPERATION_GONE_BY_OPERATOR,
    }
)


class ImpossibleTransition(Exception):
    """A mistake in the engine: this cannot happen to something in that state."""


State = TypeVar("State", bound=Enum)
Cause = TypeVar("Cause", bound=Enum)


def step(table: Mapping[State, Mapping[Cause, State]], state: State, cause: Cause) -> State:
    """Returns the next state. Raises ``ImpossibleTransition`` if the table has none."""
    following = table[state].get(cause)
    if following is None:
        raise ImpossibleTransition(f"{type(state).__name__} {state.value}: {cause.value} cannot happen")
    return following
