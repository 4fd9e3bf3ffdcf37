"""Simulated tasks.

``SimulatedLauncher`` gives each command the ``Outcome`` that a function or a table has for its task: how long it runs,
how it ends, how it reacts to SIGTERM, what it uses, how healthy it is. There is no process and no directory, and a task
costs no more than one timer, so hundreds of thousands fit into one Python process. Executors treat such a command like
a process.
"""

from __future__ import annotations

import itertools
import math
import signal
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Union

from attrs import define, evolve, field, frozen

from pymesoskit.testing.engine.machine.launcher import Command, Exit, Usage
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.machine.launcher import Interaction, ProcessIo
    from pymesoskit.testing.runtime.actor import Actor
    from pymesoskit.testing.runtime.clock import Timer

#: The first process id of simulated processes, beyond those of Linux, so that none is the id of a real process.
FIRST_PID = 1 << 23


@frozen
class Outcome:
    """What happens to a simulated command. Times are in seconds."""

    run_time: float = 0.0  # seconds; math.inf: until it is killed
    exit: Exit = field(default=Exit(0))
    term_delay: float = 0.0  # seconds from SIGTERM to its end; math.inf: it ignores SIGTERM
    start_error: str | None = None  # why it does not start at all
    usage: Usage = field(default=Usage(processes=1, threads=1))
    health: tuple[tuple[float, bool], ...] = ()  # (seconds from its start, whether checks succeed from then on)

    @classmethod
    def finishes(cls, after: float = 0.0) -> Outcome:
        """Returns an outcome that exits with status 0 after that many seconds."""
        return cls(after)

    @classmethod
    def fails(cls, after: float = 0.0, code: int = 1) -> Outcome:
        """Returns an outcome that exits with the code after that many seconds."""
        return cls(after, Exit.of_code(code))

    @classmethod
    def crashes(cls, after: float = 0.0, number: int = signal.SIGSEGV) -> Outcome:
        """Returns an outcome that is ended by the signal after that many seconds."""
        return cls(after, Exit.of_signal(number))

    @classmethod
    def runs(cls) -> Outcome:
        """Returns an outcome that runs until it is killed."""
        return cls(math.inf)

    @classmethod
    def cannot_start(cls, why: str) -> Outcome:
        """Returns an outcome that fails to launch, with the reason."""
        return cls(start_error=why)

    @classmethod
    def loses_executor(cls, after: float = 0.0) -> Outcome:
        """Returns an outcome whose executor dies after that many seconds, and the task with it."""
        return cls(after, Exit(signal.SIGKILL, breaks_executor=True))

    def ignoring_sigterm(self) -> Outcome:
        """Returns the same outcome, but only SIGKILL ends it."""
        return evolve(self, term_delay=math.inf)

    def healthy(self, after: float = 0.0) -> Outcome:
        """Returns the same outcome, whose checks and health checks of any type succeed from ``after`` seconds on.

        If this is the first step they fail before. ``Outcome.runs().healthy(after=3).unhealthy(after=60)`` is healthy
        between 3 s and 60 s. Raises ValueError if ``after`` is negative or not later than the step before.
        """
        return self._with_health(after, True)

    def unhealthy(self, after: float = 0.0) -> Outcome:
        """Returns the same outcome, whose checks and health checks of any type fail from ``after`` seconds on.

        If this is the first step they succeed before. Raises ValueError if ``after`` is negative or not later than the
        step before.
        """
        return self._with_health(after, False)

    def _with_health(self, after: float, value: bool) -> Outcome:
        if not after >= 0 or (self.health and after <= self.health[-1][0]):
            before = f", later than {self.health[-1][0]:g} s" if self.health else ""
            raise ValueError(f"bad time {after!r} of a change of health: expected seconds from the start{before}")
        return evolve(self, health=(*self.health, (after, value)))

    def is_healthy_at(self, age: float) -> bool:
        """Returns whether checks succeed ``age`` seconds after the start; without any step they always do."""
        value = not self.health[0][1] if self.health else True
        for after, becomes in self.health:
            if age >= after:
                value = becomes
        return value


#: The outcome of each task: a function, or a table by task id, then by task name, with ``"*"`` for all others.
Outcomes = Union[Callable[[mesos.TaskInfo], Outcome], Mapping[str, Outcome]]


def outcome_of(outcomes: Outcomes, task: mesos.TaskInfo) -> Outcome:
    """Returns the outcome of the task; a task that is not in the table finishes at once."""
    if callable(outcomes):
        return outcomes(task)
    for key in (task.task_id.value, task.name, "*"):
        if key in outcomes:
            return outcomes[key]
    return Outcome()


@define(eq=False)
class SimulatedProcess:
    """A simulated command that has been launched."""

    launcher: SimulatedLauncher
    outcome: Outcome
    on_exit: Callable[[Exit], None]
    pid: int
    interaction: Interaction | None
    io: ProcessIo | None = None  # it has no input
    timer: Timer | None = None
    started: float = 0.0  # on the clock's ``monotonic()``
    doomed: float = math.inf  # when a signal will end it, on the clock's ``monotonic()``
    ended: bool = False

    @property
    def healthy(self) -> bool:
        return self.outcome.is_healthy_at(self.launcher.now() - self.started)

    def kill(self, number: int) -> None:
        if self.ended or number in {0, signal.SIGCONT, signal.SIGSTOP, signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH}:
            return
        delay = 0.0 if number == signal.SIGKILL else self.outcome.term_delay
        if delay < math.inf:
            self.launcher.end_after(self, delay, Exit.of_signal(number))

    def usage(self) -> Usage | None:
        return None if self.ended else self.outcome.usage


class SimulatedLauncher:
    """Gives each command of a task the outcome that ``outcomes`` has for it. Commands without a task exit with status 0
    at once.
    """

    needs_sandbox = False

    def __init__(self, actor: Actor, outcomes: Outcomes) -> None:
        self._actor = actor
        self._outcomes = outcomes
        self._pids = itertools.count(FIRST_PID)

    def launch(
        self,
        command: Command,
        on_start: Callable[[], None],
        on_exit: Callable[[Exit], None],
        on_error: Callable[[str], None],
    ) -> SimulatedProcess:
        """Starts the command; see ``Launcher.launch``."""
        outcome = Outcome() if command.task is None else outcome_of(self._outcomes, command.task)
        process = SimulatedProcess(self, outcome, on_exit, next(self._pids), command.interaction)
        if outcome.start_error is not None:
            process.ended = True
            self._actor.post(on_error, outcome.start_error)
        else:
            self._actor.post(self._start, process, on_start)
        return process

    def _start(self, process: SimulatedProcess, on_start: Callable[[], None]) -> None:
        process.started = self.now()
        on_start()
        run_time = process.outcome.run_time
        if process.ended or process.timer is not None:
            return  # it has been killed meanwhile
        if run_time <= 0:
            self._end(process, process.outcome.exit)
        elif run_time < math.inf:
            process.timer = self._actor.clock.call_later(run_time, self._end, process, process.outcome.exit)

    def now(self) -> float:
        """The clock's ``monotonic()``."""
        return self._actor.clock.monotonic()

    def end_after(self, process: SimulatedProcess, delay: float, how: Exit) -> None:
        """Ends the process after ``delay`` seconds, unless an earlier signal ends it before."""
        due = self._actor.clock.monotonic() + delay
        if due >= process.doomed:
            return
        process.doomed = due
        if process.timer is not None:
            process.timer.cancel()
        process.timer = self._actor.clock.call_later(delay, self._end, process, how)

    def _end(self, process: SimulatedProcess, how: Exit) -> None:
        if not process.ended:
            process.ended = True
            process.timer = None
            if process.interaction is not None:
                process.interaction.on_end()
            process.on_exit(Exit(how.status, process.outcome.usage, how.breaks_executor))

    def close(self) -> None:
        """Does nothing: a simulated process is gone with its actor."""
