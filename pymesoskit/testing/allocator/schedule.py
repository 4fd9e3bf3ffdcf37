"""When allocation runs happen (docs/reference/allocator.md, section 3).

Periodically, each an interval after the one before, and when something asks for one: in the actor's next turn, all
requests until then together. Not while paused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymesoskit.testing.allocator.state import Agent
    from pymesoskit.testing.runtime.clock import Clock, Timer


class RunSchedule:
    """Decides when ``run(candidates)`` is called; None as candidates stands for all agents."""

    def __init__(self, clock: Clock, interval: float, run: Callable[[dict[Agent, None] | None], None]) -> None:
        self._clock = clock
        self._interval = interval
        self._run = run
        self._candidates: dict[Agent, None] = {}
        self._wants_all = False
        self._periodic: Timer | None = None
        self._pending: Timer | None = None
        self._asked_at = 0.0
        self._is_periodic_due = False
        self.is_paused: bool = False
        self.rounds: int = 0
        """How many periodic runs have been scheduled; the latest of them is still to come."""
        self.latency: float = 0.0
        """Seconds between the request and the run, of the latest run."""

    @property
    def is_pending(self) -> bool:
        """Whether a run has been asked for and has not happened yet."""
        return self._pending is not None

    def start(self) -> None:
        """The first periodic run is one interval away."""
        self.rounds += 1
        self._periodic = self._clock.call_later(self._interval, self._tick)

    def stop(self) -> None:
        """No runs any more."""
        for timer in (self._periodic, self._pending):
            if timer is not None:
                timer.cancel()
        self._periodic = self._pending = None
        self.is_paused = True

    def ask_all(self) -> None:
        """A run over all agents, in the next turn; forgotten if paused."""
        if not self.is_paused:
            self._wants_all = True
            self._ask()

    def ask(self, agents: Iterable[Agent]) -> None:
        """A run over some agents, in the next turn; forgotten if paused."""
        if not self.is_paused:
            self._candidates.update(dict.fromkeys(agents))
            self._ask()

    def forget(self, agent: Agent) -> None:
        """The agent is gone."""
        self._candidates.pop(agent, None)

    def _ask(self) -> None:
        if self._pending is None:
            self._asked_at = self._clock.monotonic()
            self._pending = self._clock.call_later(0, self._turn)

    def _tick(self) -> None:
        self._is_periodic_due = True
        self.ask_all()
        if self._pending is None:
            self._rearm()

    def _turn(self) -> None:
        self._pending = None
        if not self.is_paused:
            candidates = None if self._wants_all else self._candidates
            self._wants_all, self._candidates = False, {}
            self.latency = self._clock.monotonic() - self._asked_at
            self._run(candidates)
        if self._is_periodic_due:
            self._rearm()

    def _rearm(self) -> None:
        self._is_periodic_due = False
        if self._periodic is not None:
            self.rounds += 1
            self._periodic = self._clock.call_later(self._interval, self._tick)
