"""The one thread (or turn) that owns all cluster state.

Whatever reaches the cluster from a socket, a timer, a subprocess or a test is posted here and runs one after the other, in
the order of arrival. ``SimulatedActor`` has no thread: the caller's turns move it, in virtual time, so a history is the same on
each run. ``ThreadActor`` runs an asyncio event loop in a thread of its own; the HTTP front end lives on that loop too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from pymesoskit.testing.clock import Clock, VirtualClock


class Deadlock(Exception):
    """Nothing is left to happen, and what was waited for has not happened."""


class Actor(Protocol):
    """Runs callbacks one at a time."""

    @property
    def clock(self) -> Clock:
        """The time of this actor; its timers run in the actor's turn."""

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        """Runs ``callback(*args)`` later, in the actor's turn, after all that was posted before. Any thread may call."""


class SimulatedActor:
    """An actor without a thread, in virtual time: it moves only in ``settle``, ``advance`` and ``run_until``."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self._clock = clock if clock is not None else VirtualClock()
        self._queue: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()

    @property
    def clock(self) -> VirtualClock:
        return self._clock

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        self._queue.append((callback, args))

    def settle(self) -> None:
        """Runs all that is posted, and what that posts in turn. Time stands still."""
        queue = self._queue
        while queue:
            callback, args = queue.popleft()
            callback(*args)

    def advance(self, seconds: float) -> None:
        """Lets that much virtual time pass, running what falls due on the way, each moment to its end."""
        until = self._clock.monotonic() + seconds
        self.settle()
        while (timer := self._clock.pop_due(until)) is not None:
            if timer.callback is not None:
                timer.callback(*timer.args)
            self.settle()

    def run_until(self, condition: Callable[[], bool], limit: float = 3600.0) -> None:
        """Lets time jump from timer to timer until ``condition()`` holds.

        Raises ``Deadlock`` if no timer is left, or ``limit`` seconds of virtual time are over, before it does.
        """
        until = self._clock.monotonic() + limit
        self.settle()
        while not condition():
            due = self._clock.next_due()
            if due is None:
                raise Deadlock("nothing is left to happen and the condition does not hold")
            if due > until:
                raise Deadlock(f"the condition did not come to hold within {limit:g} s of virtual time")
            self.advance(max(0.0, due - self._clock.monotonic()))
