"""Where the cluster's time comes from.

The cluster never reads the wall clock and never sleeps: it asks the ``Clock`` it was given. ``VirtualClock`` stands
still until it is advanced; ``RealClock`` runs its timers on the event loop of an actor (``actor.py``).

All times are in seconds; ``time()`` counts from the Unix epoch, ``monotonic()`` from an arbitrary moment.
"""

from __future__ import annotations

import heapq
import itertools
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

#: Where virtual time begins unless told otherwise: 2020-01-01T00:00:00Z.
VIRTUAL_EPOCH = 1577836800.0


class Timer(Protocol):
    """A callback that is due later."""

    def cancel(self) -> None:
        """Makes sure that the callback will not run (again); harmless when it has run."""


class Clock(Protocol):
    """The time, and callbacks at later times."""

    def time(self) -> float:
        """Seconds since the Unix epoch."""

    def monotonic(self) -> float:
        """Seconds that only ever grow; unlike ``time()`` they are not set back."""

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        """Runs ``callback(*args)`` in the actor's thread after ``delay`` seconds (at once, but later, if <= 0)."""


class VirtualTimer:
    """A timer of a ``VirtualClock``."""

    __slots__ = ("args", "at_once", "callback", "due")

    def __init__(
        self, due: float, callback: Callable[..., object], args: tuple[Any, ...], *, at_once: bool = False
    ) -> None:
        self.due: float = due
        self.at_once: bool = at_once  # whether it was due when it was set
        self.callback: Callable[..., object] | None = callback
        self.args: tuple[()] = args

    def cancel(self) -> None:
        self.callback = None
        self.args = ()


class VirtualClock:
    """Time that moves only when told to.

    It holds the timers but does not run them: whoever owns the cluster's turn (``SimulatedActor``) takes the due ones
    with ``pop_due`` and runs them in order of time, those of one moment in the order in which they were set.
    """

    def __init__(self, start: float = VIRTUAL_EPOCH) -> None:
        self._start = start
        self._elapsed = 0.0
        self._timers: list[tuple[float, int, VirtualTimer]] = []
        self._count = itertools.count()
        self._wake: Callable[[], None] | None = None

    def wake_for_due(self, wake: Callable[[], None]) -> None:
        """Calls ``wake()`` from now on when a timer is set that is due at once: for an owner that has a thread."""
        self._wake = wake

    def time(self) -> float:
        return self._start + self._elapsed

    def monotonic(self) -> float:
        return self._elapsed

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> VirtualTimer:
        timer = VirtualTimer(self._elapsed + max(0.0, delay), callback, args, at_once=delay <= 0)
        heapq.heappush(self._timers, (timer.due, next(self._count), timer))
        if delay <= 0 and self._wake is not None:
            self._wake()
        return timer

    def next_due(self) -> float | None:
        """When (on ``monotonic()``) the next timer is due, or None if there is none."""
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def pop_due(self, until: float) -> VirtualTimer | None:
        """Moves time to the next timer due at or before ``until`` (on ``monotonic()``) and takes it off.

        Without such a timer time moves to ``until`` itself and None is returned.
        """
        due = self.next_due()
        if due is None or due > until:
            self._elapsed = max(self._elapsed, until)
            return None
        self._elapsed = max(self._elapsed, due)
        return heapq.heappop(self._timers)[2]


class RealClock:
    """The machine's time. Its timers run on an event loop: the one of the actor whose clock this is.

    ``later(delay, callback, args)`` sets a timer there; ``ThreadActor`` gives it.
    """

    def __init__(self, later: Callable[[float, Callable[..., object], tuple[Any, ...]], Timer]) -> None:
        self._later = later

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        return self._later(max(0.0, delay), callback, args)
