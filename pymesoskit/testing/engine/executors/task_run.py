"""One task in the hands of a built-in executor: its process, its statuses, and how it is killed.

This module holds what the command executor and the default executor have in common. What they differ in (groups, when
TASK_RUNNING is sent, repeated kills) is in their modules, and the table of a task's states in ``run_states.py``.
Source: docs/reference/agent-executor.md 8, 9 and 11.
"""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from pymesoskit.testing.engine.executors.checks import (
    Checker,
    Health,
    Look,
    Result,
    Timing,
    check_status,
    judge,
    probe_of,
)
from pymesoskit.testing.engine.executors.run_states import RUN, KillCause, RunCause, RunState
from pymesoskit.testing.engine.machine.identity import uuid_bytes
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.machine.launcher import Command, Exit, Launcher, Process, ProcessIo, Usage
    from pymesoskit.testing.engine.machine.machine import Machine
    from pymesoskit.testing.runtime.clock import Timer

#: Seconds between SIGTERM and SIGKILL for a task without a kill policy.
DEFAULT_GRACE = 3.0

_NANOSECONDS = 1_000_000_000


def grace_of(policy: mesos.KillPolicy) -> float | None:
    """Returns the grace period of a kill policy in seconds, None if it has none."""
    return policy.grace_period.nanoseconds / _NANOSECONDS if policy.HasField("grace_period") else None


@frozen
class Identity:
    """What all statuses of the task contain."""

    executor_id: str
    container_id: mesos.ContainerID | None = None  # of the task's own container, if it has one


@define(eq=False)
class TaskRun:
    """A task whose process runs, is about to run, or has ended."""

    task: mesos.TaskInfo
    machine: Machine
    identity: Identity
    command: Command
    check_command: Callable[[mesos.CommandInfo], Command]
    report: Callable[[mesos.TaskStatus], None]
    on_started: Callable[[TaskRun], None]
    on_ended: Callable[[TaskRun, Exit], None]
    on_error: Callable[[TaskRun, str], None]
    killing_state: bool  # the framework wants TASK_KILLING
    check_launcher: Launcher | None = None  # of its checks' commands, if not the machine's
    nested: bool = False  # it is in a container of its own, and so are its checks' commands

    state: RunState = RunState.LAUNCHING
    kill_cause: KillCause | None = None  # why it was killed first
    last_status: mesos.TaskStatus | None = None
    _process: Process | None = None
    _killed_since: float = 0.0
    _deadline: float = math.inf  # of the SIGKILL
    _escalation: Timer | None = None
    _completion: Timer | None = None
    _checkers: list[Checker] = field(factory=list)
    _health: Health = field(factory=Health)
    _running_since: float = 0.0

    @property
    def task_id(self) -> str:
        return self.task.task_id.value

    @property
    def pid(self) -> int:
        """The task's process; 0 until there is one."""
        return 0 if self._process is None else self._process.pid

    @property
    def io(self) -> ProcessIo | None:
        """The way to its input, if it was launched to be talked to."""
        return None if self._process is None else self._process.io

    @property
    def announced(self) -> bool:
        """Whether TASK_RUNNING has been reported and the task has not ended."""
        return self.state in {RunState.RUNNING, RunState.KILLING}

    @property
    def ended(self) -> bool:
        return self.state is RunState.ENDED

    @property
    def unhealthy(self) -> bool:
        """Whether its health check has killed it."""
        return self.kill_cause is KillCause.UNHEALTHY

    def enter(self, cause: RunCause) -> bool:
        """Changes the state by the table, and returns False (and changes nothing) where the table has no entry."""
        state = RUN[self.state].get(cause)
        if state is None:
            return False
        self.state = state
        return True

    def usage(self) -> Usage | None:
        """What it uses now."""
        return None if self._process is None or self.ended else self._process.usage()

    def launch(self) -> None:
        """Starts the process; ``on_started`` or ``on_error`` is called later."""
        self._process = self.machine.launcher.launch(self.command, self._on_start, self._on_exit, self._on_error)

    def running(self) -> None:
        """Reports that the task runs, and begins what is counted from here: checks and the completion time."""
        self.enter(RunCause.ANNOUNCE)
        self.report(self.status(mesos.TASK_RUNNING))
        self._running_since = self.machine.clock.monotonic()
        if self.state is not RunState.RUNNING:
            return
        self._start_checks()
        limit = self.task.max_completion_time.nanoseconds / _NANOSECONDS
        if limit > 0:
            self._completion = self.machine.clock.call_later(limit, self._complete)

    def give_up(self) -> None:
        """The task is never launched."""
        self.enter(RunCause.FAIL)

    # Statuses

    def status(
        self, state: mesos.TaskState, *, message: str | None = None, reason: mesos.TaskStatus.Reason | None = None
    ) -> mesos.TaskStatus:
        """Returns a new status in that state."""
        status = mesos.TaskStatus(
            task_id=self.task.task_id,
            state=state,
            source=mesos.TaskStatus.SOURCE_EXECUTOR,
            timestamp=self.machine.clock.time(),
            uuid=uuid_bytes(self.machine.rng),
        )
        status.executor_id.value = self.identity.executor_id
        if self.identity.container_id is not None:
            status.container_status.container_id.CopyFrom(self.identity.container_id)
        if message is not None:
            status.message = message
        if reason is not None:
            status.reason = reason
        if self.task.HasField("check"):
            status.check_status.CopyFrom(check_status(self.task.check, None))
        self.last_status = status
        return status

    def terminal(self, how: Exit) -> mesos.TaskStatus:
        """Returns the status that reports the end of the process."""
        message = f"Command {how.describe()}"
        if self.kill_cause is KillCause.TOO_LATE:
            reached = mesos.TaskStatus.REASON_MAX_COMPLETION_TIME_REACHED
            status = self.status(mesos.TASK_FAILED, message=message, reason=reached)
        elif self.kill_cause is not None:
            status = self.status(mesos.TASK_KILLED, message=message)
        elif how.exceeded is not None:
            limitation = mesos.TaskStatus.REASON_CONTAINER_LIMITATION
            status = self.status(mesos.TASK_FAILED, message=f"{message}: {how.exceeded}", reason=limitation)
        elif how.code == 0:
            status = self.status(mesos.TASK_FINISHED, message=message)
        else:
            status = self.status(mesos.TASK_FAILED, message=message)
        if self.unhealthy:
            status.healthy = False
        return status

    # Ending it

    def kill(self, grace: float, *, may_tighten: bool, cause: KillCause = KillCause.ASKED) -> None:
        """Sends SIGTERM now and SIGKILL after the grace period (in seconds).

        A further kill is ignored, or (``may_tighten``) can bring SIGKILL forward but never put it off: its grace
        period, too, counts from the first kill.
        """
        first = self.kill_cause is None
        if not (first or may_tighten) or not self.enter(RunCause.KILL):
            return
        if first:
            self.kill_cause = cause
            self._killed_since = self.machine.clock.monotonic()
            self.quiet()
            if self.killing_state and cause is not KillCause.TOO_LATE:
                self.report(self.status(mesos.TASK_KILLING))
        deadline = self._killed_since + grace
        if deadline >= self._deadline:
            return
        self._deadline = deadline
        if self._escalation is not None:
            self._escalation.cancel()
        if self.state is RunState.KILLING:
            self._signal(first)

    def quiet(self) -> None:
        """Stops the checks and the timer of its completion, because the task is being ended or has ended."""
        if self._completion is not None:
            self._completion.cancel()
            self._completion = None
        for checker in self._checkers:
            checker.stop()

    def pause_checks(self) -> None:
        for checker in self._checkers:
            checker.pause()

    def resume_checks(self) -> None:
        for checker in self._checkers:
            checker.resume()

    def destroy(self) -> None:
        """Ends it at once, without a report."""
        self.quiet()
        if self._escalation is not None:
            self._escalation.cancel()
        if self.enter(RunCause.DESTROY) and self._process is not None:
            self._process.kill(signal.SIGKILL)

    def _signal(self, first: bool) -> None:
        assert self._process is not None
        if first:
            self._process.kill(signal.SIGTERM)
        remaining = max(0.0, self._deadline - self.machine.clock.monotonic())
        self._escalation = self.machine.clock.call_later(remaining, self._process.kill, signal.SIGKILL)

    def _complete(self) -> None:
        self._completion = None
        self.kill(0.0, may_tighten=True, cause=KillCause.TOO_LATE)

    # What the process does

    def _on_start(self) -> None:
        if self.ended:  # it was destroyed before it has started
            if self._process is not None:
                self._process.kill(signal.SIGKILL)
            return
        doomed = self.state is RunState.DOOMED
        self.enter(RunCause.START)
        self.on_started(self)
        if doomed and self.state is RunState.KILLING:
            self._signal(True)

    def _on_exit(self, how: Exit) -> None:
        self.quiet()
        if self._escalation is not None:
            self._escalation.cancel()
        if self.enter(RunCause.END):
            self.on_ended(self, how)

    def _on_error(self, why: str) -> None:
        self.quiet()
        if self.enter(RunCause.FAIL):
            self.on_error(self, why)

    # Checks

    def _start_checks(self) -> None:
        launcher = self.check_launcher or self.machine.launcher
        look = Look(
            self.machine.clock,
            launcher,
            self.machine.prober,
            self.check_command,
            nested=self.nested,
            scripted=lambda: None if self._process is None else self._process.healthy,
        )
        for check, on_result in ((self.task.check, self._checked), (self.task.health_check, self._health_checked)):
            field_name = "check" if on_result == self._checked else "health_check"
            probe = probe_of(look, check) if self.task.HasField(field_name) else None
            if probe is not None:
                self._checkers.append(Checker(self.machine.clock, probe, Timing.of(check), on_result))
        for checker in self._checkers:
            checker.start()

    def _checked(self, result: Result) -> None:
        found = check_status(self.task.check, result)
        assert self.last_status is not None
        if found == self.last_status.check_status:
            return
        status = self._again(mesos.TaskStatus.REASON_TASK_CHECK_STATUS_UPDATED)
        status.check_status.CopyFrom(found)
        self.report(status)

    def _health_checked(self, result: Result) -> None:
        age = self.machine.clock.monotonic() - self._running_since
        verdict = judge(self.task.health_check, self._health, result, age)
        self._health = verdict.health
        if verdict.report is not None:
            status = self._again(mesos.TaskStatus.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED)
            status.healthy = verdict.report
            self.report(status)
        if verdict.kill:
            policy = grace_of(self.task.kill_policy)
            grace = DEFAULT_GRACE if policy is None else policy
            self.kill(grace, may_tighten=True, cause=KillCause.UNHEALTHY)

    def _again(self, reason: mesos.TaskStatus.Reason) -> mesos.TaskStatus:
        """Returns the last status once more, as a new one."""
        status = mesos.TaskStatus()
        assert self.last_status is not None
        status.CopyFrom(self.last_status)
        status.uuid = uuid_bytes(self.machine.rng)
        status.timestamp = self.machine.clock.time()
        status.reason = reason
        self.last_status = status
        return status
