"""The calls of the executor API, one constructor each. Rules: docs/reference/agent-executor.md 6.

The executor's and the framework's id, which each call needs, are put in by whoever sends it: ``partial`` makes a call
that lacks them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.transport.surroundings import current_time, new_uuid
from pymesoskit.wire.v1 import executor, mesos

if TYPE_CHECKING:
    from collections.abc import Iterable

Call = executor.Call


def subscribe(
    unacknowledged_tasks: Iterable[mesos.TaskInfo] = (), unacknowledged_updates: Iterable[Call.Update] = ()
) -> Call:
    """SUBSCRIBE, with what the agent has not acknowledged so far."""
    return Call(
        type=Call.SUBSCRIBE,
        subscribe=Call.Subscribe(
            unacknowledged_tasks=unacknowledged_tasks, unacknowledged_updates=unacknowledged_updates
        ),
    )


def update(status: mesos.TaskStatus) -> Call:
    """UPDATE with a complete status: it needs ``uuid`` and ``source`` (``complete_status`` fills them in)."""
    return Call(type=Call.UPDATE, update=Call.Update(status=status))


def message(data: bytes) -> Call:
    """MESSAGE bytes to the scheduler; best effort."""
    return Call(type=Call.MESSAGE, message=Call.Message(data=data))


def heartbeat() -> Call:
    """HEARTBEAT: keeps the connection for calls alive."""
    return Call(type=Call.HEARTBEAT)


def task_status(
    task_id: str | mesos.TaskID | mesos.TaskInfo,
    state: mesos.TaskState,
    text: str | None = None,
    data: bytes | None = None,
) -> mesos.TaskStatus:
    """A status for ``send_update``: of which task, in which state, with which message."""
    if isinstance(task_id, mesos.TaskInfo):
        task_id = task_id.task_id
    identifier = mesos.TaskID(value=task_id) if isinstance(task_id, str) else task_id
    return mesos.TaskStatus(task_id=identifier, state=state, message=text, data=data)


def complete_status(status: mesos.TaskStatus, executor_id: str, now: float | None = None) -> mesos.TaskStatus:
    """A copy with all that an update must have (6.1): a new ``uuid``, ``timestamp`` (seconds since the epoch),
    ``source``, ``executor_id``.

    What is set already stays, but the source, which can only be the executor.
    """
    complete = mesos.TaskStatus()
    complete.CopyFrom(status)
    if not complete.uuid:
        complete.uuid = new_uuid().bytes
    if not complete.HasField("timestamp"):
        complete.timestamp = current_time() if now is None else now
    complete.source = mesos.TaskStatus.SOURCE_EXECUTOR
    if not complete.HasField("executor_id"):
        complete.executor_id.value = executor_id
    return complete
