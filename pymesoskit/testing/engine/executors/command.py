"""The command executor: runs the command of one task.

``task_run.py`` has how a task runs and ends. Source: docs/reference/agent-executor.md 8.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.containers import environment
from pymesoskit.testing.engine.containers.commands import command_of, overlaid
from pymesoskit.testing.engine.containers.switchboard import Switchboard
from pymesoskit.testing.engine.executors.base import OWN_GRACE, PARTING, BuiltinExecutor
from pymesoskit.testing.engine.executors.task_run import DEFAULT_GRACE, Identity, TaskRun, grace_of
from pymesoskit.testing.engine.machine.launcher import Exit
from pymesoskit.wire.v1 import executor, mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.machine.launcher import Command, Usage


def wants_killing_state(framework: mesos.FrameworkInfo) -> bool:
    """Returns whether the framework has the capability TASK_KILLING_STATE."""
    wanted = mesos.FrameworkInfo.Capability.TASK_KILLING_STATE
    return any(capability.type == wanted for capability in framework.capabilities)


class CommandExecutor(BuiltinExecutor):
    """Runs one task in the executor's own container, and exits after it."""

    _run: TaskRun | None = None
    switchboard: Switchboard | None = None  # of its task, if that has a terminal

    @property
    def pid(self) -> int:
        """The task's process."""
        return 0 if self._run is None else self._run.pid

    def usages(self) -> list[Usage | None]:
        return [] if self._run is None else [self._run.usage()]

    def _launch(self, event: executor.Event) -> None:
        task = event.launch.task
        if self._run is not None:
            self.report(self._refusal(task))
            return
        self._new_tasks[task.task_id.value] = task
        sandbox, user = self.spec.directory, self.spec.user
        variables = self._variables(task)
        self.switchboard = Switchboard.of(task.container)
        self._run = TaskRun(
            task=task,
            machine=self.machine,
            identity=Identity(self.spec.info.executor_id.value),
            command=command_of(
                task.command,
                variables,
                sandbox,
                user=user,
                container=task.container,
                task=task,
                delay=self.machine.pace.command_start,
                interaction=None if self.switchboard is None else self.switchboard.interaction,
            ),
            check_command=self._check_command,
            report=self.report,
            on_started=self._started,
            on_ended=self._ended,
            on_error=self._failed,
            killing_state=wants_killing_state(self.spec.framework),
        )
        if sandbox is not None and not task.command.HasField("value"):
            self._abort()
            return
        self._run.launch()
        if self.switchboard is not None:
            self.switchboard.io = self._run.io

    def _variables(self, task: mesos.TaskInfo) -> dict[str, str]:
        return {} if self.spec.directory is None else environment.of_command_task(self.spec.environment, task)

    def _check_command(self, info: mesos.CommandInfo) -> Command:
        variables = overlaid(self.spec.environment, info.environment)
        return command_of(info, variables, self.spec.directory, user=self.spec.user, output=("stderr", "stderr"))

    def _abort(self) -> None:
        """Ends the executor as by SIGABRT, which is what a command without a value does to the real one."""
        assert self._run is not None
        self.report(self._run.status(mesos.TASK_STARTING))
        self.destroy()
        self.line.exit(Exit.of_signal(signal.SIGABRT))

    def _failed(self, _run: TaskRun, why: str) -> None:
        self.line.fail(why)

    def _refusal(self, task: mesos.TaskInfo) -> mesos.TaskStatus:
        assert self._run is not None
        last = self._run.last_status
        status = self._run.status(
            mesos.TASK_FAILED, message='Attempted to run multiple tasks using a "command" executor'
        )
        self._run.last_status = last
        status.task_id.CopyFrom(task.task_id)
        return status

    def _started(self, run: TaskRun) -> None:
        self.report(run.status(mesos.TASK_STARTING))
        run.running()

    def _ended(self, run: TaskRun, how: Exit) -> None:
        if how.breaks_executor:
            self.destroy()
            self.line.exit(how)
            return
        self.report(run.terminal(how))
        if self.spec.http:
            self._wind_down()
        else:
            self._patience = self.machine.clock.call_later(PARTING, self._exit)

    def _launch_group(self, event: executor.Event) -> None:
        self._shutdown(event)

    def _kill(self, event: executor.Event) -> None:
        run = self._run
        if run is None or run.task_id != event.kill.task_id.value:
            return
        asked, own = grace_of(event.kill.kill_policy), grace_of(run.task.kill_policy)
        run.kill(next(grace for grace in (asked, own, DEFAULT_GRACE) if grace is not None), may_tighten=True)

    def _shutdown(self, _event: executor.Event | None) -> None:
        if self._run is None:
            self._exit()
        else:
            self._run.kill(max(0.0, self.spec.shutdown_grace - OWN_GRACE), may_tighten=True)

    def _is_done(self) -> bool:
        return self.spec.http and self._run is not None and self._run.ended

    def _destroy_tasks(self) -> None:
        if self._run is not None:
            self._run.destroy()
            self._run = None  # so that no cycle of references keeps a dead executor: there can be very many
