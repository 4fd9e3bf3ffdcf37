"""Which states of tasks and operations are final: the one table for master, agent and executors.

Source: docs/reference/scheduler-api.md 7, agent-executor.md 3.2 and 13.
"""

from __future__ import annotations

from pymesoskit.wire.v1 import mesos

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
