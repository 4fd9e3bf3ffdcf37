"""The default executor: runs groups of tasks, each task in a container nested in its own.

``task_run.py`` has how a task runs and ends, ``containers.py`` what nested containers are. Source:
docs/reference/agent-executor.md 9.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, evolve, field

from pymesoskit.testing.engine.containers import environment, volumes
from pymesoskit.testing.engine.containers.commands import (
    SandboxError,
    check_nested,
    command_of,
    make_sandbox,
    note,
    overlaid,
)
from pymesoskit.testing.engine.containers.containers import ContainerTree, message_of
from pymesoskit.testing.engine.containers.layout import nested_sandbox
from pymesoskit.testing.engine.containers.switchboard import Switchboard
from pymesoskit.testing.engine.executors.base import BuiltinExecutor, Line, Spec
from pymesoskit.testing.engine.executors.command import wants_killing_state
from pymesoskit.testing.engine.executors.task_run import DEFAULT_GRACE, Identity, TaskRun, grace_of
from pymesoskit.testing.engine.machine.identity import uuid_text
from pymesoskit.testing.engine.machine.launcher import Exit
from pymesoskit.testing.engine.machine.machine import open_output
from pymesoskit.wire.v1 import executor, mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.machine.launcher import Command
    from pymesoskit.testing.engine.machine.machine import FetchFailure, Machine


#: How long the executor waits before it asks an agent again that has not finished its recovery, in seconds.
WAIT_RETRY = 1.0


@define(eq=False)
class Group:
    """Tasks that were launched together. If one of them fails or is killed, the others are killed."""

    runs: list[TaskRun] = field(factory=list)
    unanswered: int = 0  # launches without a result so far
    refused: dict[str, str] = field(factory=dict)  # by task id: why it cannot be launched
    errors: list[tuple[TaskRun, str]] = field(factory=list)
    exits: list[tuple[TaskRun, Exit]] = field(factory=list)  # ends that came before TASK_RUNNING could be sent


class DefaultExecutor(BuiltinExecutor):
    """Runs task groups, and exits after its last task."""

    def __init__(self, spec: Spec, machine: Machine, line: Line, containers: ContainerTree) -> None:
        super().__init__(spec, machine, line)
        self._containers = containers
        self._runs: dict[str, TaskRun] = {}  # those that have not ended
        self._launched = False
        self._shutting_down = False
        self._unhealthy = False  # a health check has killed one of its tasks
        self._sees_ends = True  # the agent tells it, by WAIT_NESTED_CONTAINER, which containers have ended
        self._unseen: list[tuple[TaskRun, Group, Exit]] = []  # ends that it has not been told

    @property
    def pid(self) -> int:
        """The process of one of its tasks, because it has none of its own; 0 without a task."""
        return next((run.pid for run in self._runs.values()), 0)

    def agent_lost(self) -> None:
        super().agent_lost()
        self._sees_ends = False
        for run in self._runs.values():
            run.pause_checks()

    def agent_recovered(self) -> None:
        self.machine.clock.call_later(WAIT_RETRY, self._see_ends)

    def _see_ends(self) -> None:
        """The agent answers WAIT_NESTED_CONTAINER again, and so tells what has ended since it was lost."""
        if self.dead or self._recovery is not None:
            return  # or the agent is lost again
        self._sees_ends = True
        unseen, self._unseen = self._unseen, []
        for run, group, how in unseen:
            self._exited(run, group, how)

    def _subscribed(self, event: executor.Event) -> None:
        super()._subscribed(event)
        for run in self._runs.values():
            run.resume_checks()

    def start(self) -> None:
        if self.spec.directory is not None:
            with contextlib.suppress(OSError):  # there is something else of that name
                open_output(self.spec.directory, self.spec.user)
        super().start()

    # Launching

    def _launch(self, event: executor.Event) -> None:
        self._shutdown(event)

    def _launch_group(self, event: executor.Event) -> None:
        if self._shutting_down:
            return
        self._launched = True
        group = Group()
        for task in event.launch_group.task_group.tasks:
            self._new_tasks[task.task_id.value] = task
            run = self._make_run(task, group)
            self._runs[run.task_id] = run
            group.runs.append(run)
            self.report(run.status(mesos.TASK_STARTING))
        group.unanswered = len(group.runs)
        for run in group.runs:
            self._launch_run(run, group)

    def _make_run(self, task: mesos.TaskInfo, group: Group) -> TaskRun:
        path = (self.spec.container_id, uuid_text(self.machine.rng))
        sandbox = None if self.spec.directory is None else str(nested_sandbox(Path(self.spec.directory), path[1:]))
        user = (task.command.user or self.spec.user) if self.spec.switch_user else None
        programs = self.spec.environment.get("PATH")
        variables: dict[str, str] = {}
        try:
            variables = environment.of_nested(
                task.command,
                directory=sandbox or "",
                secrets=self.spec.secrets,
                role=environment.allocation_role(task.resources),
                ip=self.spec.ip,
            )
        except environment.SecretError as error:
            group.refused[task.task_id.value] = str(error)

        def check_command(info: mesos.CommandInfo) -> Command:
            own = (info.user or user) if self.spec.switch_user else None
            log = f"{self.spec.directory}/stderr"  # the output of checks goes to the executor's log
            seen = overlaid(variables, info.environment)
            return command_of(info, seen, sandbox, user=own, path=programs, output=(log, log), whole_tree=False)

        switchboard = Switchboard.of(task.container)
        return TaskRun(
            task=task,
            machine=evolve(self.machine, launcher=self._containers.launcher_for(path, switchboard)),
            identity=Identity(self.spec.info.executor_id.value, message_of(path)),
            command=command_of(
                task.command,
                variables,
                sandbox,
                user=user,
                container=task.container,
                task=task,
                delay=self.machine.pace.command_start,
                interaction=None if switchboard is None else switchboard.interaction,
                path=programs,
                whole_tree=False,
            ),
            check_command=check_command,
            check_launcher=self.machine.launcher,
            nested=True,
            report=self.report,
            on_started=lambda _: self._answered(group),
            on_ended=lambda run, how: self._exited(run, group, how),
            on_error=lambda run, why: self._failed(run, group, why),
            killing_state=wants_killing_state(self.spec.framework),
        )

    def _launch_run(self, run: TaskRun, group: Group) -> None:
        directory = run.command.directory
        if run.task_id in group.refused:
            self._failed(run, group, group.refused[run.task_id])
            return
        try:
            if directory is not None:
                self._prepare(run, directory)
        except SandboxError as error:
            self._failed(run, group, str(error))
            return

        def fetched(failure: FetchFailure | None) -> None:
            if failure is None:
                run.launch()
                return
            if directory is not None:  # written by the process that waits for the URIs
                note(directory, f"{failure.detail}\nFailed to synchronize with agent (it's probably exited)")
            self._failed(run, group, f"Command {Exit.of_code(1).describe()}")

        sandbox = None if directory is None else str(directory)
        self.machine.fetch(run.task.command, sandbox, run.command.user, fetched)

    def _prepare(self, run: TaskRun, sandbox: Path) -> None:
        assert self.spec.directory is not None
        parent = Path(self.spec.directory)
        check_nested(run.task.container)
        make_sandbox(sandbox, run.command.user, f"Failed to create nested sandbox '{sandbox}'")
        links = parent / "tasks"
        links.mkdir(exist_ok=True)
        volumes.link(links, run.task_id, sandbox)
        volumes.link_volumes_of(sandbox, run.task.container, parent, self.spec.isolators)
        if volumes.SANDBOX_PATH_ISOLATOR in self.spec.isolators:
            for resource in volumes.persistent(run.task.resources):
                path = resource.disk.volume.container_path
                volumes.link(sandbox, path, parent / path)

    def _answered(self, group: Group) -> None:
        group.unanswered -= 1
        if group.unanswered:
            return
        failed = {id(run) for run, _ in group.errors}
        for run in group.runs:
            if id(run) not in failed:
                run.running()
        for run, why in group.errors:
            self._ended(run, group, run.status(mesos.TASK_FAILED, message=why))
        for run, how in group.exits:
            self._ended(run, group, run.terminal(how))

    # Ends

    def _failed(self, run: TaskRun, group: Group, why: str) -> None:
        run.give_up()
        group.errors.append((run, why))
        self._answered(group)

    def _exited(self, run: TaskRun, group: Group, how: Exit) -> None:
        if how.breaks_executor:
            self.destroy()
            self.line.exit(how)
        elif not self._sees_ends:
            self._unseen.append((run, group, how))
        elif group.unanswered:
            group.exits.append((run, how))
        else:
            self._ended(run, group, run.terminal(how))

    def _ended(self, run: TaskRun, group: Group, status: mesos.TaskStatus) -> None:
        self._unhealthy |= any(known.unhealthy for known in self._runs.values())
        if self._unhealthy:
            status.healthy = False
        self.report(status)
        self._runs.pop(run.task_id, None)
        if status.state in {mesos.TASK_FAILED, mesos.TASK_KILLED}:
            for other in group.runs:
                other.kill(DEFAULT_GRACE, may_tighten=False)
        if not self._runs:
            self._wind_down()

    def _kill(self, event: executor.Event) -> None:
        run = self._runs.get(event.kill.task_id.value)
        if run is not None and run.announced:  # as in Mesos, a kill before the whole group has been launched is lost
            asked, own = grace_of(event.kill.kill_policy), grace_of(run.task.kill_policy)
            run.kill(next(grace for grace in (asked, own, DEFAULT_GRACE) if grace is not None), may_tighten=False)

    def _shutdown(self, event: executor.Event | None) -> None:
        self._shutting_down = True
        if event is None or not self._runs:  # without an agent it cannot kill its tasks' containers
            self._wind_down()
            return
        for run in list(self._runs.values()):
            run.kill(DEFAULT_GRACE, may_tighten=False)

    def _is_done(self) -> bool:
        return self._launched and not self._runs

    def _destroy_tasks(self) -> None:
        for run in self._runs.values():
            run.destroy()
