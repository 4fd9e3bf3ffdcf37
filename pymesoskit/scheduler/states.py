"""What a task's state means for its scheduler. States: docs/reference/agent-executor.md 3.2, scheduler-api.md 7."""

from __future__ import annotations

from pymesoskit.wire.v1 import mesos

#: After one of these nothing more happens to a task. TASK_LOST is here, although a task that a framework without
#: PARTITION_AWARE was told to be lost can come back; TASK_UNREACHABLE is not: its agent may return with it, or never.
TERMINAL_STATES = frozenset(
    {
        mesos.TASK_FINISHED,
        mesos.TASK_FAILED,
        mesos.TASK_KILLED,
        mesos.TASK_ERROR,
        mesos.TASK_LOST,
        mesos.TASK_DROPPED,
        mesos.TASK_GONE,
        mesos.TASK_GONE_BY_OPERATOR,
    }
)

#: The task certainly never ran under this launch: the master refused it, or it never reached its executor.
NEVER_RAN_STATES = frozenset({mesos.TASK_ERROR, mesos.TASK_DROPPED})


def is_terminal(status: mesos.TaskStatus) -> bool:
    """Whether the task is over."""
    return status.state in TERMINAL_STATES


def state_name(status: mesos.TaskStatus) -> str:
    """``TASK_RUNNING`` and so on."""
    return mesos.TaskState.Name(status.state)
