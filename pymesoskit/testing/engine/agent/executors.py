"""The executors of an agent: launched, subscribed, shut down, ended, removed.

The table of their states is in ``state.py``. Source: docs/reference/agent-executor.md 5 and 6.2.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from attrs import define

from pymesoskit.testing.engine.agent.host import Container, Kind
from pymesoskit.testing.engine.agent.provisioning import Provisioning
from pymesoskit.testing.engine.agent.reports import Reports
from pymesoskit.testing.engine.agent.state import (
    CompletedExecutor,
    Connection,
    Ending,
    Executor,
    ExecutorInput,
    ExecutorState,
    Framework,
    Phase,
    Task,
)
from pymesoskit.testing.engine.containers import layout
from pymesoskit.testing.engine.containers.commands import SandboxError
from pymesoskit.testing.engine.machine.identity import uuid_text
from pymesoskit.testing.engine.network.messages import ExitedExecutor
from pymesoskit.testing.runtime.units import print_duration
from pymesoskit.wire.v1 import executor as executor_v1
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pymesoskit.testing.engine.agent.auth import ExecutorAuthenticator
    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.containers.sandboxes import Sandboxes
    from pymesoskit.testing.engine.machine.launcher import Exit

#: What is added to a command task's kill grace for its executor's own, in seconds.
COMMAND_EXTRA_GRACE = 2.0


@define(eq=False)
class BuiltinConnection:
    """The way to a built-in executor."""

    core: Core
    container: Container

    def send(self, event: executor_v1.Event) -> None:
        self.core.host.deliver(self.container, event)

    def end(self) -> None:
        """It needs no farewell."""

    def abort(self) -> None:
        """The machine tells it that the agent is gone."""


@define(eq=False)
class ContainerWatch:
    """Tells ``Executors`` what becomes of an executor's container, while the agent lives (``host.Callbacks``)."""

    executors: Executors
    framework: Framework
    executor: Executor

    def launched(self) -> None:
        self.executors.deliver(self.executors.launched, self.executor)

    def failed(self, why: str, how: Exit | None = None) -> None:
        self.executors.deliver(self.executors.launch_failed, self.framework, self.executor, why, how)

    def ended(self, how: Exit) -> None:
        self.executors.deliver(self.executors.ended, self.framework, self.executor, how)


class Executors:
    """See the module's text."""

    def __init__(
        self,
        core: Core,
        sandboxes: Sandboxes | None,
        authenticator: ExecutorAuthenticator,
        idle: Callable[[], None],
    ) -> None:
        self._core = core
        self._idle = idle  # called when the last framework is gone
        self._provisioning = Provisioning(core, sandboxes, authenticator)
        self._sandboxes = sandboxes
        self.reports = Reports(core, self._provisioning.release_volumes, self.settle)
        self.deliver = core.lifeline.deliver

    # Launching

    def create(
        self, framework: Framework, info: mesos.ExecutorInfo, kind: Kind, *, container_id: str | None = None
    ) -> Executor:
        """A record of a new executor, or of one that is recovered (with its container's id)."""
        core = self._core
        run = layout.RunLayout(
            agent_id=core.agent_id,
            framework_id=framework.id,
            executor_id=info.executor_id.value,
            container_id=container_id or uuid_text(core.rng),
        )
        work_dir = core.host.work_dir
        directory = "" if work_dir is None else str(work_dir / run.sandbox)
        executor = Executor(info=info, kind=kind, run=run, checkpoint=framework.info.checkpoint, directory=directory)
        framework.executors[executor.id] = executor
        return executor

    def add(
        self, framework: Framework, info: mesos.ExecutorInfo, kind: Kind, tasks: Sequence[mesos.TaskInfo]
    ) -> Executor:
        """A new executor with its sandbox, for those tasks. Raises ``SandboxError``, and there is none."""
        executor = self.create(framework, info, kind)
        try:
            self._provisioning.open_sandbox(framework, executor, tasks)
        except SandboxError:
            del framework.executors[executor.id]
            raise
        return executor

    def launch(self, framework: Framework, executor: Executor, tasks: Sequence[mesos.TaskInfo]) -> None:
        """Launches the executor's container; ``tasks`` are its first ones."""
        core = self._core
        try:
            spec, command = self._provisioning.provide(framework, executor, tasks)
        except SandboxError as error:
            core.host.machine.actor.post(core.lifeline.deliver, self.launch_failed, framework, executor, str(error))
            return
        callbacks = ContainerWatch(self, framework, executor)
        executor.container = core.host.launch(executor.kind, spec, command, callbacks)
        if executor.container.builtin is None:  # else it subscribes as soon as it is there
            timeout = core.flags.executor_registration_timeout
            executor.timer = core.lifeline.call_later(timeout, self._never_registered, executor)

    def launched(self, executor: Executor) -> None:
        """The executor's container runs."""
        assert executor.container is not None
        if executor.checkpoint:
            self._core.host.store.write(executor.run.pid("forked.pid"), str(executor.container.pid).encode())
        if executor.state is ExecutorState.TERMINATING:
            self._core.host.destroy(executor.container_id)

    def launch_failed(self, framework: Framework, executor: Executor, why: str, how: Exit | None = None) -> None:
        """The executor's container could not be launched: that says more than whatever ended it."""
        self._core.count("container_launch_errors")
        executor.ending = Ending(
            mesos.TASK_FAILED,
            mesos.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED,
            f"Failed to launch container: {why}",
        )
        executor.container = None
        self.ended(framework, executor, how)

    def _never_registered(self, executor: Executor) -> None:
        executor.timer = None
        if executor.state is ExecutorState.REGISTERING:
            after = print_duration(self._core.flags.executor_registration_timeout)
            self.kill(
                executor,
                Ending(
                    mesos.TASK_FAILED,
                    mesos.TaskStatus.REASON_EXECUTOR_REGISTRATION_TIMEOUT,
                    f"Executor did not register within {after}",
                ),
            )

    def never_reregistered(self, framework: Framework, executor: Executor) -> None:
        """The agent has recovered, but the executor has not come back in time."""
        after = print_duration(self._core.flags.executor_reregistration_timeout)
        self.kill(
            executor,
            Ending(
                self._core.lost_state(framework, mesos.TASK_GONE),
                mesos.TaskStatus.REASON_EXECUTOR_REREGISTRATION_TIMEOUT,
                f"Executor did not reregister within {after}",
            ),
        )

    # Subscribing

    def subscribe(
        self,
        framework: Framework,
        executor: Executor,
        connection: Connection,
        subscribe: executor_v1.Call.Subscribe,
    ) -> None:
        """The executor subscribes, or subscribes again, over that connection."""
        core = self._core
        refused = core.phase is Phase.TERMINATING or framework.terminating
        if refused or not executor.enter(ExecutorInput.SUBSCRIBE):
            connection.send(executor_v1.Event(type=executor_v1.Event.SHUTDOWN))
            connection.end()
            return
        executor.cancel_timer()
        if executor.connection is not None:
            executor.connection.end()
        executor.connection = connection
        if executor.checkpoint and executor.kind is not Kind.COMMAND:
            core.host.store.write(executor.run.pid("http.marker"), b"")
        known = {task.task_id.value for task in subscribe.unacknowledged_tasks}
        for task in list(executor.launched.values()):
            if task.state == mesos.TASK_STAGING and task.id not in known:
                self.reports.from_agent(
                    framework.id,
                    task.id,
                    core.lost_state(framework, mesos.TASK_DROPPED),
                    mesos.TaskStatus.REASON_AGENT_RESTARTED,
                    "Task launched during agent restart",
                    executor_id=executor.id,
                )
        if executor.ever_sent_task or executor.queued:
            connection.send(self._subscribed(framework, executor))
        else:
            self.shutdown(framework, executor)
        for update in subscribe.unacknowledged_updates:
            status = mesos.TaskStatus()
            status.CopyFrom(update.status)
            self.reports.from_executor(framework, status)
        self.deliver_queued(executor)

    def _subscribed(self, framework: Framework, executor: Executor) -> executor_v1.Event:
        event = executor_v1.Event(type=executor_v1.Event.SUBSCRIBED)
        if executor.kind is not Kind.CUSTOM:
            return event  # the built-in executors know all that from their launch
        event.subscribed.executor_info.CopyFrom(executor.info)
        event.subscribed.framework_info.CopyFrom(framework.info)
        event.subscribed.agent_info.CopyFrom(self._core.info)
        event.subscribed.container_id.value = executor.container_id
        return event

    def deliver_queued(self, executor: Executor) -> None:
        """Sends a running executor what is queued for it: single tasks first, then groups."""
        if executor.state is not ExecutorState.RUNNING or executor.connection is None or not executor.queued:
            return
        try:
            self._provisioning.add_volumes(executor, [task.info for task in executor.queued.values()])
        except SandboxError as error:
            self._update_failed(executor, str(error))
            return
        singles = [task for task in executor.queued.values() if not task.group]
        groups = dict.fromkeys(task.group for task in executor.queued.values() if task.group)
        for task in singles:
            self._to_launched(executor, task)
            event = executor_v1.Event(type=executor_v1.Event.LAUNCH)
            event.launch.task.CopyFrom(task.info)
            executor.connection.send(event)
        for group in groups:
            event = executor_v1.Event(type=executor_v1.Event.LAUNCH_GROUP)
            for task_id in group:
                task = executor.queued[task_id]
                self._to_launched(executor, task)
                event.launch_group.task_group.tasks.add().CopyFrom(task.info)
            executor.connection.send(event)

    def _update_failed(self, executor: Executor, why: str) -> None:
        """Its container cannot take what new tasks bring: it ends, and all of its tasks."""
        framework = self._core.frameworks[executor.run.framework_id]
        ending = Ending(
            self._core.lost_state(framework, mesos.TASK_GONE),
            mesos.TaskStatus.REASON_CONTAINER_UPDATE_FAILED,
            f"Failed to update resources for container: {why}",
        )
        self.kill(executor, ending)

    def _to_launched(self, executor: Executor, task: Task) -> None:
        del executor.queued[task.id]
        executor.launched[task.id] = task

    # Ending

    def shutdown(self, framework: Framework, executor: Executor) -> None:
        """Tells the executor to end, and destroys its container when it has not after the grace period.

        One that has not subscribed hears of it when it does.
        """
        if not executor.enter(ExecutorInput.SHUTDOWN):
            return
        if executor.connection is not None:
            executor.connection.send(executor_v1.Event(type=executor_v1.Event.SHUTDOWN))
        executor.cancel_timer()
        grace = self._provisioning.grace(executor)
        executor.timer = self._core.lifeline.call_later(grace, self._destroy, framework, executor)

    def kill(self, executor: Executor, ending: Ending) -> None:
        """Destroys the executor's container; its tasks end as ``ending`` says."""
        executor.ending = executor.ending or ending
        if executor.enter(ExecutorInput.SHUTDOWN):
            executor.cancel_timer()
            self._destroy(self._core.frameworks[executor.run.framework_id], executor)

    def _destroy(self, framework: Framework, executor: Executor) -> None:
        core = self._core
        if core.host.find(executor.container_id) is not None:
            core.host.destroy(executor.container_id)
        else:  # there is nothing to destroy: it ended while nobody looked
            core.host.machine.actor.post(core.lifeline.deliver, self.ended, framework, executor, None)

    def ended(self, framework: Framework, executor: Executor, how: Exit | None) -> None:
        """The executor's container has ended (None: nobody knows how)."""
        if not executor.enter(ExecutorInput.END):
            return
        core = self._core
        core.count("executors_terminated")
        executor.cancel_timer()
        executor.exit_status = None if how is None else how.status
        if executor.connection is not None:
            executor.connection.end()
            executor.connection = None
        if not executor.is_command:
            self.tell_exited(framework.id, executor.id, executor.exit_status)
        if not framework.terminating:
            self._end_tasks(framework, executor, None if how is None else how.exceeded)
        executor.container = None
        if core.master is not None or executor.exit_status != 0:
            core.note(f"executor {executor.id!r} of framework {framework.id} has ended")
        self.settle(framework, executor)

    def tell_exited(self, framework_id: str, executor_id: str, status: int | None = None) -> None:
        """Tells the master that an executor has ended (None: nobody knows how), or never came to be."""
        core = self._core
        core.send(ExitedExecutor(core.agent_id, framework_id, executor_id, -1 if status is None else status))

    def _end_tasks(self, framework: Framework, executor: Executor, exceeded: str | None) -> None:
        ending = executor.ending or Ending()
        if exceeded is not None and executor.ending is None:
            reason = mesos.TaskStatus.REASON_CONTAINER_LIMITATION
            ending = Ending(mesos.TASK_FAILED, reason, f"Executor terminated: {exceeded}")
        for task in list(executor.live()):
            self.reports.from_agent(
                framework.id,
                task.id,
                mesos.TASK_FAILED if ending.state is None else ending.state,
                mesos.TaskStatus.REASON_EXECUTOR_TERMINATED if ending.reason is None else ending.reason,
                ending.message or "Executor terminated",
                executor_id=executor.id,
                limited=ending.limited,
            )

    def settle(self, framework: Framework, executor: Executor) -> None:
        """Removes the executor if it has ended and nothing is left to be said, and the framework if it was its last."""
        if executor.state is not ExecutorState.TERMINATED:
            return
        if executor.busy and not framework.terminating and self._core.phase is not Phase.TERMINATING:
            return
        self.remove(framework, executor)
        if framework.idle:
            self.remove_framework(framework)

    def remove(self, framework: Framework, executor: Executor) -> None:
        """Moves the executor to the completed ones, and leaves its directories to garbage collection."""
        if executor.id not in framework.executors:
            return
        if executor.checkpoint:
            self._core.host.store.write(executor.run.sentinel, b"")
        self.archive(framework, executor)
        if self._sandboxes is not None:
            self._sandboxes.executor_removed(executor.run)

    def archive(self, framework: Framework, executor: Executor) -> None:
        """Moves the executor's record to the completed ones, with its tasks."""
        del framework.executors[executor.id]
        for task in [*executor.queued.values(), *executor.launched.values(), *executor.terminated.values()]:
            framework.by_task.pop(task.id, None)
            executor.complete(task)
        executor.queued.clear()
        executor.launched.clear()
        executor.terminated.clear()
        done = CompletedExecutor(
            encoded_info=executor.info.SerializeToString(),
            container_id=executor.container_id,
            directory=executor.directory,
            tasks=tuple(executor.completed or ()),
        )
        if len(framework.completed) == framework.completed.maxlen:
            self._forget_checkpoints(framework, framework.completed[0] if framework.completed else done)
        framework.completed.append(done)

    def _forget_checkpoints(self, framework: Framework, done: CompletedExecutor) -> None:
        """Removes the checkpoints of a completed executor; where there are sandboxes, garbage collection does that."""
        if not framework.info.checkpoint or self._collects_garbage:
            return
        core = self._core
        run = layout.RunLayout(core.agent_id, framework.id, done.info.executor_id.value, done.container_id)
        if core.host.store.read(run.latest) == done.container_id.encode():
            core.host.store.remove(layout.executor_meta(core.agent_id, framework.id, run.executor_id))
        else:
            core.host.store.remove(run.meta)

    @property
    def _collects_garbage(self) -> bool:
        return self._sandboxes is not None and not self._core.host.simulates

    def framework_of(self, info: mesos.FrameworkInfo) -> Framework:
        """The framework's record, made if there is none."""
        core = self._core
        framework = core.frameworks.get(info.id.value)
        if framework is None:
            limit = core.flags.max_completed_executors_per_framework
            framework = core.frameworks[info.id.value] = Framework(info, deque(maxlen=limit))
            self.checkpoint_framework(framework)
            for before in [known for known in core.completed_frameworks if known.id == framework.id]:
                framework.completed.extend(before.completed)
                core.completed_frameworks.remove(before)
        return framework

    def checkpoint_framework(self, framework: Framework) -> None:
        """Remembers the framework as it is now, if it wants to be remembered."""
        if framework.info.checkpoint:
            store, path = self._core.host.store, layout.framework_path(self._core.agent_id, framework.id)
            store.write(f"{path}/framework.info", framework.info.SerializeToString())
            store.write(f"{path}/framework.pid", b"")

    def remove_framework(self, framework: Framework) -> None:
        """Moves the framework, of which nothing runs any more, to the completed ones."""
        core = self._core
        if core.frameworks.pop(framework.id, None) is None:
            return
        self.reports.drop_framework(framework.id)
        completed = core.completed_frameworks
        if len(completed) == completed.maxlen and completed[0].info.checkpoint and not self._collects_garbage:
            core.host.store.remove(layout.framework_path(core.agent_id, completed[0].id))
        completed.append(framework)
        if self._sandboxes is not None:
            self._sandboxes.framework_removed(framework.id)
        if not core.frameworks:
            core.host.machine.actor.post(core.lifeline.deliver, self._idle)

    def shutdown_framework(self, framework: Framework) -> None:
        """The framework is gone: so are its executors, without a word to it."""
        if framework.terminating:
            return
        framework.terminating = True
        self.reports.drop_framework(framework.id)
        for executor in list(framework.executors.values()):
            if executor.state is ExecutorState.TERMINATED:
                self.remove(framework, executor)
            else:
                self.shutdown(framework, executor)
        if framework.idle:
            self.remove_framework(framework)
