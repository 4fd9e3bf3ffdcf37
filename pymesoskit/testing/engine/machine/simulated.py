"""Tasks that only pretend to run.

``SimulatedLauncher`` gives each command the ``Outcome`` that a function or a table has for its task: how long it
takes, how it ends, how it takes a SIGTERM, what it uses. There is no process and no directory, and a task costs no
more than one timer, so that hundreds of thousands fit into one Python process. Executors treat such a command as they
treat a process.
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

#: Where the process ids of simulated processes begin: beyond those of Linux, so that none is ever a real one.
FIRST_PID = 1 << 23


@frozen
class Outcome:
    """What becomes of a simulated command."""

    run_time: float = 0.0  # seconds; math.inf: until it is killed
    exit: Exit = field(default=Exit(0))
    term_delay: float = 0.0  # seconds from SIGTERM to its end; math.inf: it ignores SIGTERM
    start_error: str | None = None  # why it does not start at all
    usage: Usage = field(default=Usage(processes=1, threads=1))
    health: tuple[tuple[float, bool], ...] = ()  # (seconds from its start, whether checks succeed from then on)

    @classmethod
    def finishes(cls, after: float = 0.0) -> Outcome:
        """Exits with 0 after that many seconds."""
        return cls(after)

    @classmethod
    def fails(cls, after: float = 0.0, code: int = 1) -> Outcome:
        """Exits with the code after that many seconds."""
        return cls(after, Exit.of_code(code))

    @classmethod
    def crashes(cls, after: float = 0.0, number: int = signal.SIGSEGV) -> Outcome:
        """Is ended by that signal after so many seconds."""
        return cls(after, Exit.of_signal(number))

    @classmethod
    def runs(cls) -> Outcome:
        """Runs until it is killed."""
        return cls(math.inf)

    @classmethod
    def cannot_start(cls, why: str) -> Outcome:
        """Fails before it runs."""
        return cls(start_error=why)

    @classmethod
    def loses_executor(cls, after: float = 0.0) -> Outcome:
        """Its executor dies after so many seconds, and it with it."""
        return cls(after, Exit(signal.SIGKILL, breaks_executor=True))

    def ignoring_sigterm(self) -> Outcome:
        """The same, but only SIGKILL ends it."""
        return evolve(self, term_delay=math.inf)

    def healthy(self, after: float = 0.0) -> Outcome:
        """Returns the same, but checks and health checks of any type succeed from ``after`` seconds on.

        If nothing is said of the time before, they fail until then. Raises ValueError if ``after`` is not later than
        the step before. ``Outcome.runs().healthy(after=3).unhealthy(after=60)`` is healthy between 3 s and 60 s.
        """
        return self._with_health(after, True)

    def unhealthy(self, after: float = 0.0) -> Outcome:
        """Returns the same, but checks and health checks of any type fail from ``after`` seconds on.

        If nothing is said of the time before, they succeed until then. Raises ValueError if ``after`` is not later than
        the step before.
        """
        return self._with_health(after, False)

    def _with_health(self, after: float, value: bool) -> Outcome:
        if not after >= 0 or (self.health and after <= self.health[-1][0]):
            before = f", later than {self.health[-1][0]:g} s" if self.health else ""
            raise ValueError(f"bad time {after!r} of a change of health: expected seconds from the start{before}")
        return evolve(self, health=(*self.health, (after, value)))

    def is_healthy_at(self, age: float) -> bool:
        """Returns whether checks succeed that many seconds after the start; always, if nothing is said of health."""
        value = not self.health[0][1] if self.health else True
        for after, becomes in self.health:
            if age >= after:
                value = becomes
        return value


#: From a task to what becomes of it: a function, or a table by task id, then by task name, with ``"*"`` for all others.
Outcomes = Union[Callable[[mesos.TaskInfo], Outcome], Mapping[str, Outcome]]


def outcome_of(outcomes: Outcomes, task: mesos.TaskInfo) -> Outcome:
    """What the function or table has for the task; a task that the table does not know finishes at once."""
    if callable(outcomes):
        return outcomes(task)
    for key in (task.task_id.value, task.name, "*"):
        if key in outcomes:
            return outcomes[key]
    return Outcome()


@define(eq=False)
class SimulatedProcess:
    """A command that pretends to run."""

    launcher: SimulatedLauncher
    outcome: Outcome
    on_exit: Callable[[Exit], None]
    pid: int
    interaction: Interaction | None
    io: ProcessIo | None = None  # it does not listen
    timer: Timer | None = None
    started: float = 0.0  # on the clock's ``monotonic()``
    doomed: float = math.inf  # when a signal that it got will end it, on the clock's ``monotonic()``
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
    """Gives each command of a task the outcome that ``outcomes`` has for it. Checks of the task find what its outcome
    says of its health; other commands of no task exit with 0 at once.
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
        """See ``Launcher``."""
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
            return  # killed meanwhile
        if run_time <= 0:
            self._end(process, process.outcome.exit)
        elif run_time < math.inf:
            process.timer = self._actor.clock.call_later(run_time, self._end, process, process.outcome.exit)

    def now(self) -> float:
        """The clock's ``monotonic()``."""
        return self._actor.clock.monotonic()

    def end_after(self, process: SimulatedProcess, delay: float, how: Exit) -> None:
        """Ends it so much later, unless an earlier signal does so before that."""
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
        """There is nothing to end: a pretended process is gone with its actor."""
