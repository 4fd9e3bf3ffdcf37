"""Task status updates on their way through the agent, and their acknowledgements on the way back.

Updates come from executors and from the agent itself; all go through the streams (``updates.py``). Checkpoints of
them are written here. Source: docs/reference/agent-executor.md 2.5, 3.1 and 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.agent.state import Executor, Framework, Phase, Task
from pymesoskit.testing.engine.agent.updates import UpdateStreams
from pymesoskit.testing.engine.containers.containers import path_of
from pymesoskit.testing.engine.machine.identity import is_uuid, uuid_bytes
from pymesoskit.testing.engine.network.messages import StatusUpdate, StatusUpdateAcknowledgement
from pymesoskit.testing.engine.states import TERMINAL_TASK_STATES
from pymesoskit.wire.v1 import executor as executor_v1
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.containers.layout import RunLayout

#: (framework id, task id)
StreamKey = tuple[str, str]

#: What a record of ``task.updates`` begins with.
UPDATE, ACKNOWLEDGEMENT = b"U", b"A"


class Reports:
    """Takes in updates and acknowledgements.

    ``ended`` is called when an executor has reported the end of a task, ``completed`` when a task's last update has
    been acknowledged.
    """

    def __init__(
        self,
        core: Core,
        ended: Callable[[Executor, mesos.TaskInfo], None],
        completed: Callable[[Framework, Executor], None],
    ) -> None:
        self._core = core
        self._ended = ended
        self._completed = completed
        self.streams: UpdateStreams[StreamKey, mesos.TaskStatus] = UpdateStreams(core.lifeline, self._forward)
        self._recovering = True  # until the agent's first registration
        self._made_in_recovery: set[bytes] = set()  # uuids

    # The master

    def connected(self) -> None:
        """The agent has registered: all that is unacknowledged is sent."""
        if self._recovering:
            self._recovering = False
        else:
            self._made_in_recovery.clear()
        self.streams.resume()

    def disconnected(self) -> None:
        """The agent has no master: nothing is sent until it has registered again."""
        self.streams.pause()

    def framework_updated(self, *, after_reregistration: bool) -> None:
        """The master has sent a framework's info: all that is unacknowledged is sent again.

        Except, after the agent has come back, what the agent itself reported while it recovered: a real agent is
        registered before the containers of such executors have ended, and therefore sends those updates only once.
        """
        self.streams.resume(self._made_in_recovery if after_reregistration else ())

    # Updates

    def from_executor(self, framework: Framework | None, status: mesos.TaskStatus) -> None:
        """An update that an executor has sent."""
        core = self._core
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
        self._take(framework, status)

    def from_agent(
        self,
        framework_id: str,
        task_id: str,
        state: mesos.TaskState,
        reason: mesos.TaskStatus.Reason,
        message: str,
        *,
        executor_id: str = "",
        limited: Iterable[mesos.Resource] = (),
    ) -> None:
        """An update that the agent itself makes of a task of a framework that it knows; ``executor_id`` is the
        executor whose end or state it tells of, ``limited`` the resources of which it used too much.
        """
        status = self._status(task_id, state, reason, message)
        if limited:
            status.limitation.resources.extend(limited)
        if executor_id:
            status.executor_id.value = executor_id
        if self._recovering:
            self._made_in_recovery.add(status.uuid)
        self._take(self._core.frameworks.get(framework_id), status)

    def unknown_task(self, framework_id: str, task_id: str, state: mesos.TaskState) -> None:
        """The master has a task that the agent does not: it is lost, whether its framework is known here or not."""
        reason = mesos.TaskStatus.REASON_RECONCILIATION
        status = self._status(task_id, state, reason, "Reconciliation: task unknown to the agent")
        self._enter((framework_id, task_id), status, None)

    def _status(
        self, task_id: str, state: mesos.TaskState, reason: mesos.TaskStatus.Reason, message: str
    ) -> mesos.TaskStatus:
        core = self._core
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

    def _take(self, framework: Framework | None, status: mesos.TaskStatus) -> None:
        core = self._core
        if framework is None or framework.terminating:
            core.count("invalid_status_updates")
            return
        if core.drain is not None:
            self._rewrite_while_draining(framework, status)
        task_id = status.task_id.value
        owner = framework.by_task.get(task_id)
        core.count("valid_status_updates")
        key = (framework.id, task_id)
        if owner is None:
            self._enter(key, status, None)
            return
        told_by_executor = status.source == mesos.TaskStatus.SOURCE_EXECUTOR
        if task_id in owner.launched:
            if told_by_executor:  # of an update that the agent makes the container has ended, or never got the task
                self._add_container_status(owner, status)
            task = owner.launched[task_id]
            self._record(owner, task, status)
            if told_by_executor and task.terminal:
                self._ended(owner, task.info)
            self._enter(key, status, owner)
        elif task_id in owner.queued and status.state in TERMINAL_TASK_STATES:
            self._record(owner, owner.queued[task_id], status)
            self._enter(key, status, owner)
        # else the task has ended (or not begun) as far as the agent knows: nothing changes that
        if told_by_executor:
            self._acknowledge_to(owner, status)

    def _record(self, executor: Executor, task: Task, status: mesos.TaskStatus) -> None:
        task.record(status)
        executor.heard |= status.source == mesos.TaskStatus.SOURCE_EXECUTOR
        if task.terminal:
            executor.queued.pop(task.id, None)
            executor.launched.pop(task.id, None)
            executor.terminated[task.id] = task
            self._core.count(f"tasks_{mesos.TaskState.Name(status.state).removeprefix('TASK_').lower()}")

    def _enter(self, key: StreamKey, status: mesos.TaskStatus, executor: Executor | None) -> None:
        """Takes it into its task's stream, unless it is there already (or was, and is acknowledged)."""
        if self.streams.knows(key, status.uuid):
            return
        if executor is not None and executor.checkpoint:
            self._log(executor.run, key[1], UPDATE + status.SerializeToString())
        self.streams.add(key, status.uuid, status, terminal=status.state in TERMINAL_TASK_STATES)

    def _log(self, run: RunLayout, task_id: str, record: bytes) -> None:
        self._core.host.store.append(run.task(task_id, "task.updates"), record)

    def _rewrite_while_draining(self, framework: Framework, status: mesos.TaskStatus) -> None:
        if status.state in {mesos.TASK_KILLING, mesos.TASK_KILLED}:
            status.reason = mesos.TaskStatus.REASON_AGENT_DRAINING
            assert self._core.drain is not None
            if self._core.drain.mark_gone and framework.partition_aware:
                status.state = mesos.TASK_GONE_BY_OPERATOR

    def _acknowledge_to(self, executor: Executor, status: mesos.TaskStatus) -> None:
        """Tells the executor that has the task, whichever sent the update."""
        if executor.connection is not None:
            event = executor_v1.Event(type=executor_v1.Event.ACKNOWLEDGED)
            event.acknowledged.task_id.CopyFrom(status.task_id)
            event.acknowledged.uuid = status.uuid
            executor.connection.send(event)

    def _add_container_status(self, executor: Executor, status: mesos.TaskStatus) -> None:
        """Adds what the agent knows of the container that the status names, else of the executor's; of one that has
        ended, or that nobody knows, that is nothing.
        """
        known = self.bare_container_status(executor)
        if status.container_status.HasField("container_id"):
            path = path_of(status.container_status.container_id)
            if path != (executor.container_id,):
                nested = self._core.host.nested.find(path)
                if nested is None or nested.ended is not None:
                    return
                known = mesos.ContainerStatus()
                if nested.pid:
                    known.executor_pid = nested.pid
        status.container_status.MergeFrom(known)
        if not status.container_status.network_infos:
            status.container_status.network_infos.add().ip_addresses.add(
                ip_address=self._core.endpoint.ip, protocol=mesos.NetworkInfo.IPv4
            )

    def bare_container_status(self, executor: Executor) -> mesos.ContainerStatus:
        """What the containerizer knows of an executor's container."""
        known = mesos.ContainerStatus()
        known.container_id.value = executor.container_id
        executor.pid = (0 if executor.container is None else executor.container.pid) or executor.pid
        if executor.pid:
            known.executor_pid = executor.pid
        return known

    def _forward(self, key: StreamKey, status: mesos.TaskStatus) -> None:
        core = self._core
        if core.phase is not Phase.RUNNING:
            return
        framework = core.frameworks.get(key[0])
        task = None if framework is None else framework.task(key[1])
        latest = status.state
        if task is not None:
            task.tell(status)
            latest = task.state
        core.send(StatusUpdate(framework_id=key[0], status=status, latest_state=latest))

    # Acknowledgements

    def acknowledge(self, message: StatusUpdateAcknowledgement) -> None:
        """The framework has got an update."""
        core = self._core
        framework_id, task_id = key = (message.framework_id, message.task_id)
        if not self.streams.acknowledge(key, message.uuid):
            return
        framework = core.frameworks.get(framework_id)
        executor = None if framework is None else framework.by_task.get(task_id)
        if framework is None or executor is None:
            return
        if executor.checkpoint:
            self._log(executor.run, task_id, ACKNOWLEDGEMENT + message.uuid)
        if task_id in executor.terminated and key not in self.streams:
            self.complete(framework, executor, executor.terminated[task_id])
            self._completed(framework, executor)

    def complete(self, framework: Framework, executor: Executor, task: Task) -> None:
        """All is said of the task: it is kept for the record only."""
        del executor.terminated[task.id]
        del framework.by_task[task.id]
        executor.complete(task)

    def drop_framework(self, framework_id: str) -> None:
        """Nothing is sent to that framework any more."""
        for key in self.streams.keys():  # noqa: SIM118 (not a dict: a copy, to drop from it meanwhile)
            if key[0] == framework_id:
                self.streams.drop(key)
