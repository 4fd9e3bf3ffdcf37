"""Lets things happen one by one, as libprocess's rate limiter does: removals of agents, snapshots of metrics.

Source: docs/reference/failover.md 19, operator-api.md 3.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.runtime.units import Rate


class Later(Protocol):
    """Makes timers that end with their process."""

    def __call__(self, delay: float, callback: Callable[[], object], /) -> object: ...


class RateLimiter:
    """The first at once, each further one an interval after the one before.

    ``post`` has a function called in a turn of its own, ``call_later`` after so many seconds. Without a rate there is
    no interval.
    """

    def __init__(self, post: Callable[[Callable[[], None]], Any], call_later: Later, rate: Rate | None) -> None:
        self._post = post
        self._call_later = call_later
        self._interval = rate.seconds / rate.count if rate is not None else None  # None: no limit
        self._waiting: dict[int, Callable[[], None]] = {}
        self._next = 0
        self._pausing = False

    def acquire(self, action: Callable[[], None]) -> Callable[[], None]:
        """Calls ``action`` when its turn has come, but never at once; returns what withdraws it."""
        number = self._next
        self._next += 1
        self._waiting[number] = action
        if not self._pausing:
            self._post(self._run)
        return lambda: self._withdraw(number)

    def _withdraw(self, number: int) -> None:
        self._waiting.pop(number, None)

    def _run(self) -> None:
        if self._pausing:
            return
        while self._waiting:
            number = next(iter(self._waiting))
            action = self._waiting.pop(number)
            if self._interval is not None:
                self._pausing = True
                self._call_later(self._interval, self._resume)
            action()
            if self._pausing:
                return

    def _resume(self) -> None:
        self._pausing = False
        self._run()
