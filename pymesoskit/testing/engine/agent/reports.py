"""Task status updates on their way through the agent, and their acknowledgements on the way back.

Updates come from executors and from the agent itself; all of them go through ``core.status_updates`` (``updates.py``),
which sends them until they are acknowledged. Their checkpoints are written here. Source:
docs/reference/agent-executor.md 2.5, 3.1 and 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.agent import provisioning
from pymesoskit.testing.engine.agent.transitions import Phase
from pymesoskit.testing.engine.containers.containers import path_of
from pymesoskit.testing.engine.machine.identity import is_uuid, uuid_bytes
from pymesoskit.testing.engine.network.messages import StatusUpdate, StatusUpdateAcknowledgement
from pymesoskit.testing.engine.states import TERMINAL_TASK_STATES
from pymesoskit.wire.v1 import executor as executor_v1
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.testing.engine.agent.core import Core, StreamKey
    from pymesoskit.testing.engine.agent.state import Executor, Framework, Task
    from pymesoskit.testing.engine.containers.layout import RunLayout

#: What a record of ``task.updates`` begins with.
UPDATE, ACKNOWLEDGEMENT = b"U", b"A"


# When they are sent


def resume(core: Core) -> None:
    """Sends all that is unacknowledged: the agent has registered."""
    if core.ever_registered:
        core.made_in_recovery.clear()
    core.ever_registered = True
    core.status_updates.resume()


def framework_updated(core: Core, *, after_reregistration: bool) -> None:
    """Sends all that is unacknowledged again, as on each framework's info from the master.

    After the agent has come back, this leaves out what the agent itself reported while it recovered: a real agent is
    registered before the containers of such executors have ended, and therefore sends those updates only once.
    """
    core.status_updates.resume(core.made_in_recovery if after_reregistration else ())


def forward(core: Core, key: StreamKey, status: mesos.TaskStatus) -> None:
    """Sends the update at the head of a stream to the master, with the newest state of its task."""
    if core.phase is not Phase.RUNNING:
        return
    framework = core.frameworks.get(key[0])
    task = None if framework is None else framework.task(key[1])
    latest = status.state
    if task is not None:
        task.tell(status)
        latest = task.state
    core.send(StatusUpdate(framework_id=key[0], status=status, latest_state=latest))


# Updates


def from_executor(core: Core, framework: Framework | None, status: mesos.TaskStatus) -> None:
    """Takes in an update that an executor has sent."""
    if not is_uuid(status.uuid):
        core.count("invalid_status_updates")
        return
    if not status.HasField("agent_id"):
        status.agent_id.CopyFrom(core.info.id)
    elif status.agent_id.value != core.agent_id:
        core.count("invalid_status_updates")
        return
    status.source = mesos.TaskStatus.SOURCE_EXECUTOR
    if not status.HasField("timestamp"):
        status.timestamp = core.lifeline.time()
    _take(core, framework, status)


def from_agent(
    core: Core,
    framework_id: str,
    task_id: str,
    state: mesos.TaskState,
    reason: mesos.TaskStatus.Reason,
    message: str,
    *,
    executor_id: str = "",
    limited: Iterable[mesos.Resource] = (),
) -> None:
    """Makes an update about a task of a known framework.

    ``executor_id`` is the executor whose end or state the update is about, ``limited`` the resources of which it used
    too much.
    """
    status = _status(core, task_id, state, reason, message)
    if limited:
        status.limitation.resources.extend(limited)
    if executor_id:
        status.executor_id.value = executor_id
    if not core.ever_registered:
        core.made_in_recovery.add(status.uuid)
    _take(core, core.frameworks.get(framework_id), status)


def unknown_task(core: Core, framework_id: str, task_id: str, state: mesos.TaskState) -> None:
    """Reports a task that the master has and the agent does not, whether or not its framework is known here."""
    reason = mesos.TaskStatus.REASON_RECONCILIATION
    status = _status(core, task_id, state, reason, "Reconciliation: task unknown to the agent")
    _enter(core, (framework_id, task_id), status, None)


def _status(
    core: Core, task_id: str, state: mesos.TaskState, reason: mesos.TaskStatus.Reason, message: str
) -> mesos.TaskStatus:
    status = mesos.TaskStatus(
        state=state,
        source=mesos.TaskStatus.SOURCE_AGENT,
        reason=reason,
        message=message,
        timestamp=core.lifeline.time(),
        uuid=uuid_bytes(core.rng),
    )
    status.task_id.value = task_id
    status.agent_id.CopyFrom(core.info.id)
    return status


def _take(core: Core, framework: Framework | None, status: mesos.TaskStatus) -> None:
    if framework is None or framework.terminating:
        core.count("invalid_status_updates")
        return
    if core.drain is not None:
        _rewrite_while_draining(core.drain, framework, status)
    task_id = status.task_id.value
    owner = framework.by_task.get(task_id)
    core.count("valid_status_updates")
    key = (framework.id, task_id)
    if owner is None:
        _enter(core, key, status, None)
        return
    by_executor = status.source == mesos.TaskStatus.SOURCE_EXECUTOR
    if task_id in owner.launched:
        if by_executor:  # the agent's own updates are about containers that have ended, or never got the task
            _add_container_status(core, owner, status)
        task = owner.launched[task_id]
        _record(core, owner, task, status)
        if by_executor and task.terminal:
            provisioning.release_volumes(core, owner, task.info)
        _enter(core, key, status, owner)
    elif task_id in owner.queued and status.state in TERMINAL_TASK_STATES:
        _record(core, owner, owner.queued[task_id], status)
        _enter(core, key, status, owner)
    # else the task has ended (or not begun) as far as the agent knows: nothing changes that
    if by_executor:
        _acknowledge_to(owner, status)


def _record(core: Core, executor: Executor, task: Task, status: mesos.TaskStatus) -> None:
    task.record(status)
    executor.heard |= status.source == mesos.TaskStatus.SOURCE_EXECUTOR
    if task.terminal:
        executor.queued.pop(task.id, None)
        executor.launched.pop(task.id, None)
        executor.terminated[task.id] = task
        core.count(f"tasks_{mesos.TaskState.Name(status.state).removeprefix('TASK_').lower()}")


def _enter(core: Core, key: StreamKey, status: mesos.TaskStatus, executor: Executor | None) -> None:
    """Enters the update into its task's stream, unless it is there already (or was, and is acknowledged)."""
    if core.status_updates.knows(key, status.uuid):
        return
    if executor is not None and executor.checkpoint:
        _log(core, executor.run, key[1], UPDATE + status.SerializeToString())
    core.status_updates.add(key, status.uuid, status, terminal=status.state in TERMINAL_TASK_STATES)


def _log(core: Core, run: RunLayout, task_id: str, record: bytes) -> None:
    core.host.store.append(run.task(task_id, "task.updates"), record)


def _rewrite_while_draining(drain: mesos.DrainConfig, framework: Framework, status: mesos.TaskStatus) -> None:
    if status.state in {mesos.TASK_KILLING, mesos.TASK_KILLED}:
        status.reason = mesos.TaskStatus.REASON_AGENT_DRAINING
        if drain.mark_gone and framework.partition_aware:
            status.state = mesos.TASK_GONE_BY_OPERATOR


def _acknowledge_to(executor: Executor, status: mesos.TaskStatus) -> None:
    """Tells the executor that has the task that the agent has the update, even if another executor sent it."""
    if executor.connection is not None:
        event = executor_v1.Event(type=executor_v1.Event.ACKNOWLEDGED)
        event.acknowledged.task_id.CopyFrom(status.task_id)
        event.acknowledged.uuid = status.uuid
        executor.connection.send(event)


def _add_container_status(core: Core, executor: Executor, status: mesos.TaskStatus) -> None:
    """Adds what the agent knows of the container that the status names, or else of the executor's.

    Adds nothing if the named container is unknown or has ended.
    """
    known = bare_container_status(executor)
    if status.container_status.HasField("container_id"):
        path = path_of(status.container_status.container_id)
        if path != (executor.container_id,):
            nested = core.host.nested.find(path)
            if nested is None or nested.ended is not None:
                return
            known = mesos.ContainerStatus()
            if nested.pid:
                known.executor_pid = nested.pid
    status.container_status.MergeFrom(known)
    if not status.container_status.network_infos:
        status.container_status.network_infos.add().ip_addresses.add(
            ip_address=core.endpoint.ip, protocol=mesos.NetworkInfo.IPv4
        )


def bare_container_status(executor: Executor) -> mesos.ContainerStatus:
    """Returns what the containerizer knows of an executor's container."""
    known = mesos.ContainerStatus()
    known.container_id.value = executor.container_id
    executor.pid = (0 if executor.container is None else executor.container.pid) or executor.pid
    if executor.pid:
        known.executor_pid = executor.pid
    return known


# Acknowledgements


def acknowledge(core: Core, message: StatusUpdateAcknowledgement) -> None:
    """Takes in a framework's acknowledgement. After that of the last update the task is completed."""
    framework_id, task_id = key = (message.framework_id, message.task_id)
    if not core.status_updates.acknowledge(key, message.uuid):
        return
    framework = core.frameworks.get(framework_id)
    executor = None if framework is None else framework.by_task.get(task_id)
    if framework is None or executor is None:
        return
    if executor.checkpoint:
        _log(core, executor.run, task_id, ACKNOWLEDGEMENT + message.uuid)
    if task_id in executor.terminated and key not in core.status_updates:
        complete(framework, executor, executor.terminated[task_id])
        core.reported(executor)


def complete(framework: Framework, executor: Executor, task: Task) -> None:
    """Moves a task, all of whose updates are acknowledged, to the completed ones."""
    del executor.terminated[task.id]
    del framework.by_task[task.id]
    executor.complete(task)


def drop_framework(core: Core, framework_id: str) -> None:
    """Forgets all updates for that framework."""
    for key in core.status_updates.keys():  # noqa: SIM118 (not a dict: a copy, to drop from it meanwhile)
        if key[0] == framework_id:
            core.status_updates.drop(key)
