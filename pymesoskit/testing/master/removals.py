"""How fast agents may become unreachable (--agent_removal_rate_limit). Source: docs/reference/failover.md 19."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.flag_syntax import Rate
    from pymesoskit.testing.master.core import Core


class RemovalLimiter:
    """Lets removals through one by one: the first at once, each further one an interval after the one before."""

    def __init__(self, core: Core, rate: Rate | None) -> None:
        self._core = core
        self._interval = rate.seconds / rate.count if rate is not None else None  # None: no limit
        self._waiting: dict[int, Callable[[], None]] = {}
        self._next = 0
        self._pausing = False

    def acquire(self, removal: Callable[[], None]) -> Callable[[], None]:
        """Calls ``removal`` when its turn has come, but never at once; returns what withdraws it."""
        number = self._next
        self._next += 1
        self._waiting[number] = removal
        if not self._pausing:
            self._core.post(self._run)
        return lambda: self._withdraw(number)

    def _withdraw(self, number: int) -> None:
        self._waiting.pop(number, None)

    def _run(self) -> None:
        if self._pausing:
            return
        while self._waiting:
            number = next(iter(self._waiting))
            removal = self._waiting.pop(number)
            if self._interval is not None:
                self._pausing = True
                self._core.call_later(self._interval, self._resume)
            removal()
            if self._pausing:
                return

    def _resume(self) -> None:
        self._pausing = False
        self._run()
