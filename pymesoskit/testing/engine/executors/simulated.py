"""The stand-in for custom executors on simulated machines.

It runs each task according to the launcher's outcome, reports TASK_RUNNING and the end, and exits when it is told to.
Mesos has nothing like it: a real custom executor does what its author wants.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.containers.commands import command_of
from pymesoskit.testing.engine.executors.base import BuiltinExecutor, Line, Spec
from pymesoskit.testing.engine.executors.command import wants_killing_state
from pymesoskit.testing.engine.executors.task_run import DEFAULT_GRACE, Identity, TaskRun, grace_of
from pymesoskit.wire.v1 import executor, mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.machine.launcher import Exit, Usage
    from pymesoskit.testing.engine.machine.machine import Machine


class SimulatedExecutor(BuiltinExecutor):
    """Plays a custom executor: runs tasks as their outcomes say."""

    pid = 0

    def __init__(self, spec: Spec, machine: Machine, line: Line) -> None:
        super().__init__(spec, machine, line)
        self._runs: dict[str, TaskRun] = {}
        self._shutting_down = False

    def usages(self) -> list[Usage | None]:
        return [run.usage() for run in self._runs.values()]

    def _launch(self, event: executor.Event) -> None:
        self._run(event.launch.task)

    def _launch_group(self, event: executor.Event) -> None:
        for task in event.launch_group.task_group.tasks:
            self._run(task)

    def _run(self, task: mesos.TaskInfo) -> None:
        self._new_tasks[task.task_id.value] = task
        run = TaskRun(
            task=task,
            machine=self.machine,
            identity=Identity(self.spec.info.executor_id.value),
            command=command_of(mesos.CommandInfo(value=""), {}, None, task=task),
            check_command=lambda info: command_of(info, {}, None),
            report=self.report,
            on_started=TaskRun.running,
            on_ended=self._ended,
            on_error=self._failed,
            killing_state=wants_killing_state(self.spec.framework),
        )
        self._runs[run.task_id] = run
        run.launch()

    def _ended(self, run: TaskRun, how: Exit) -> None:
        del self._runs[run.task_id]
        if how.breaks_executor:
            self.destroy()
            self.line.exit(how)
            return
        self.report(run.terminal(how))
        self._look_for_end()

    def _failed(self, run: TaskRun, why: str) -> None:
        del self._runs[run.task_id]
        self.report(run.status(mesos.TASK_FAILED, message=why))
        self._look_for_end()

    def _look_for_end(self) -> None:
        if self._is_done():
            self._wind_down()

    def _kill(self, event: executor.Event) -> None:
        run = self._runs.get(event.kill.task_id.value)
        if run is not None:
            asked, own = grace_of(event.kill.kill_policy), grace_of(run.task.kill_policy)
            run.kill(next(grace for grace in (asked, own, DEFAULT_GRACE) if grace is not None), may_tighten=True)

    def _shutdown(self, _event: executor.Event | None) -> None:
        self._shutting_down = True
        for run in list(self._runs.values()):
            run.kill(0.0, may_tighten=True)
        self._look_for_end()

    def _is_done(self) -> bool:
        return self._shutting_down and not self._runs

    def _destroy_tasks(self) -> None:
        for run in self._runs.values():
            run.destroy()
