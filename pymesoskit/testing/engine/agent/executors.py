"""The executors of an agent: launched, shut down, killed, ended, removed.

How they subscribe and get their tasks is in ``subscriptions.py``, the table of their states in ``transitions.py``.
Source: docs/reference/agent-executor.md 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from pymesoskit.testing.engine.agent import frameworks, provisioning, reports
from pymesoskit.testing.engine.agent.state import Ending, Executor, Framework
from pymesoskit.testing.engine.agent.transitions import ExecutorCause, ExecutorState, Phase
from pymesoskit.testing.engine.containers import layout
from pymesoskit.testing.engine.containers.commands import SandboxError
from pymesoskit.testing.engine.machine.identity import uuid_text
from pymesoskit.testing.engine.network.messages import ExitedExecutor, ShutdownExecutor, ShutdownFramework
from pymesoskit.testing.runtime.units import print_duration
from pymesoskit.wire.v1 import executor as executor_v1
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymesoskit.testing.engine.agent.container import Kind
    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.machine.launcher import Exit


@define(eq=False)
class ContainerWatch:
    """Reports what becomes of an executor's container, while the agent lives (``container.Callbacks``)."""

    core: Core
    framework: Framework
    executor: Executor

    def launched(self) -> None:
        self.core.lifeline.deliver(launched, self.core, self.executor)

    def failed(self, why: str, how: Exit | None = None) -> None:
        self.core.lifeline.deliver(launch_failed, self.core, self.framework, self.executor, why, how)

    def ended(self, how: Exit) -> None:
        self.core.lifeline.deliver(ended, self.core, self.framework, self.executor, how)


# Launching


def create(
    core: Core, framework: Framework, info: mesos.ExecutorInfo, kind: Kind, *, container_id: str | None = None
) -> Executor:
    """Returns a record of a new executor, or of one that is recovered (with its container's id)."""
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
    core: Core, framework: Framework, info: mesos.ExecutorInfo, kind: Kind, tasks: Sequence[mesos.TaskInfo]
) -> Executor:
    """Returns a new executor with its sandbox, for those tasks. Raises ``SandboxError``, and adds none then."""
    executor = create(core, framework, info, kind)
    try:
        provisioning.open_sandbox(core, framework, executor, tasks)
    except SandboxError:
        del framework.executors[executor.id]
        raise
    return executor


def launch(core: Core, framework: Framework, executor: Executor, tasks: Sequence[mesos.TaskInfo]) -> None:
    """Launches the executor's container; ``tasks`` are its first ones."""
    try:
        spec, command = provisioning.provide(core, framework, executor, tasks)
    except SandboxError as error:
        core.post(launch_failed, core, framework, executor, str(error))
        return
    executor.container = core.host.launch(executor.kind, spec, command, ContainerWatch(core, framework, executor))
    if executor.container.builtin is None:  # a built-in one subscribes as soon as it is there
        timeout = core.flags.executor_registration_timeout
        executor.timer = core.lifeline.call_later(timeout, _never_registered, core, executor)


def launched(core: Core, executor: Executor) -> None:
    """The executor's container runs."""
    assert executor.container is not None
    if executor.checkpoint:
        core.host.store.write(executor.run.pid("forked.pid"), str(executor.container.pid).encode())
    if executor.state is ExecutorState.TERMINATING:
        core.host.destroy(executor.container_id)


def launch_failed(core: Core, framework: Framework, executor: Executor, why: str, how: Exit | None = None) -> None:
    """The executor's container could not be launched, which its tasks' statuses say rather than how it ended."""
    core.count("container_launch_errors")
    executor.ending = Ending(
        mesos.TASK_FAILED,
        mesos.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED,
        f"Failed to launch container: {why}",
    )
    executor.container = None
    ended(core, framework, executor, how)


def _never_registered(core: Core, executor: Executor) -> None:
    executor.timer = None
    if executor.state is ExecutorState.REGISTERING:
        after = print_duration(core.flags.executor_registration_timeout)
        ending = Ending(
            mesos.TASK_FAILED,
            mesos.TaskStatus.REASON_EXECUTOR_REGISTRATION_TIMEOUT,
            f"Executor did not register within {after}",
        )
        kill(core, executor, ending)


def never_reregistered(core: Core, framework: Framework, executor: Executor) -> None:
    """Kills an executor that has not subscribed to the recovered agent in time."""
    after = print_duration(core.flags.executor_reregistration_timeout)
    ending = Ending(
        core.lost_state(framework, mesos.TASK_GONE),
        mesos.TaskStatus.REASON_EXECUTOR_REREGISTRATION_TIMEOUT,
        f"Executor did not reregister within {after}",
    )
    kill(core, executor, ending)


# Shutting down


def shutdown(core: Core, framework: Framework, executor: Executor) -> None:
    """Tells the executor to shut down, and destroys its container if it has not ended after the grace period.

    An executor that has not subscribed is told when it does.
    """
    if not executor.enter(ExecutorCause.SHUT_DOWN):
        return
    if executor.connection is not None:
        executor.connection.send(executor_v1.Event(type=executor_v1.Event.SHUTDOWN))
    executor.cancel_timer()
    grace = provisioning.grace(core, executor)
    executor.timer = core.lifeline.call_later(grace, _destroy, core, framework, executor)


def shutdown_asked(core: Core, message: ShutdownExecutor) -> None:
    """A framework shuts one of its executors down."""
    found = core.executor_of(message.framework_id, message.executor_id)
    if found is not None and not found[0].terminating:
        shutdown(core, *found)


def kill(core: Core, executor: Executor, ending: Ending) -> None:
    """Destroys the executor's container; its tasks end as ``ending`` says."""
    executor.ending = executor.ending or ending
    if executor.enter(ExecutorCause.SHUT_DOWN):
        executor.cancel_timer()
        _destroy(core, core.frameworks[executor.run.framework_id], executor)


def _destroy(core: Core, framework: Framework, executor: Executor) -> None:
    if core.host.find(executor.container_id) is not None:
        core.host.destroy(executor.container_id)
    else:  # there is nothing to destroy: it ended while no agent was there
        core.post(ended, core, framework, executor, None)


def shutdown_framework(core: Core, framework: Framework) -> None:
    """Shuts all executors of a framework down that is gone; it is sent no more updates."""
    if framework.terminating:
        return
    framework.terminating = True
    reports.drop_framework(core, framework.id)
    for executor in list(framework.executors.values()):
        if executor.state is ExecutorState.TERMINATED:
            frameworks.remove_executor(core, framework, executor)
        else:
            shutdown(core, framework, executor)
    if framework.idle:
        frameworks.remove(core, framework)


def framework_shutdown_asked(core: Core, message: ShutdownFramework) -> None:
    """The master has removed a framework."""
    framework = core.frameworks.get(message.framework_id)
    if framework is not None:
        core.note(f"shuts down framework {framework.id}")
        shutdown_framework(core, framework)


# Ends


def ended(core: Core, framework: Framework, executor: Executor, how: Exit | None) -> None:
    """The executor's container has ended; ``how`` is None if that is unknown."""
    if not executor.enter(ExecutorCause.END):
        return
    core.count("executors_terminated")
    executor.cancel_timer()
    executor.exit_status = None if how is None else how.status
    if executor.connection is not None:
        executor.connection.end()
        executor.connection = None
    if not executor.is_command:
        send_exited(core, framework.id, executor.id, executor.exit_status)
    if not framework.terminating:
        _end_tasks(core, framework, executor, None if how is None else how.exceeded)
    executor.container = None
    if core.master is not None or executor.exit_status != 0:
        core.note(f"executor {executor.id!r} of framework {framework.id} has ended")
    settle(core, executor)


def send_exited(core: Core, framework_id: str, executor_id: str, status: int | None = None) -> None:
    """Tells the master that an executor has ended (``status`` None: unknown how), or was never launched."""
    core.send(ExitedExecutor(core.agent_id, framework_id, executor_id, -1 if status is None else status))


def _end_tasks(core: Core, framework: Framework, executor: Executor, exceeded: str | None) -> None:
    ending = executor.ending or Ending()
    if exceeded is not None and executor.ending is None:
        reason = mesos.TaskStatus.REASON_CONTAINER_LIMITATION
        ending = Ending(mesos.TASK_FAILED, reason, f"Executor terminated: {exceeded}")
    for task in list(executor.live()):
        reports.from_agent(
            core,
            framework.id,
            task.id,
            mesos.TASK_FAILED if ending.state is None else ending.state,
            mesos.TaskStatus.REASON_EXECUTOR_TERMINATED if ending.reason is None else ending.reason,
            ending.message or "Executor terminated",
            executor_id=executor.id,
            limited=ending.limited,
        )


def settle(core: Core, executor: Executor) -> None:
    """Removes the executor if it has ended and all its tasks' updates are acknowledged.

    Removes its framework, too, if it was the last executor there. Needs no acknowledgement where none can come: the
    framework, or the agent, is being shut down.
    """
    framework = core.frameworks.get(executor.run.framework_id)
    if framework is None or executor.state is not ExecutorState.TERMINATED:
        return
    if executor.busy and not framework.terminating and core.phase is not Phase.TERMINATING:
        return
    frameworks.remove_executor(core, framework, executor)
    if framework.idle:
        frameworks.remove(core, framework)
