"""Queues with due times: how what one party sends another takes time and keeps its order.

A ``Line`` carries what passes one way between two parties. Each item has a delay; an item is never due before the one
in front of it, as with TCP. A closed ``Gate`` stops the items that were given to it, and all items behind them, until
it opens.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.runtime.clock import Clock, Timer


class Gate:
    """Holds the items of any lines back until it opens."""

    def __init__(self) -> None:
        self.is_open: bool = False
        self._waiting: dict[Line, None] = {}

    def open(self) -> None:
        """Lets everything pass from now on, in the order in which the lines began to wait. Harmless when repeated."""
        self.is_open = True
        waiting, self._waiting = self._waiting, {}
        for line in waiting:
            line.look()

    def hold(self, line: Line) -> None:
        """The first item of the line waits for this gate."""
        self._waiting[line] = None


class Line:
    """Carries items one way, in order. All in the actor's turn.

    State: empty, waiting for the due time of the first item (a timer is set), or waiting for a gate of the first item.
    """

    __slots__ = ("_clock", "_items", "_last_due", "_timer")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._items: deque[tuple[float, tuple[Gate, ...], Callable[..., object], tuple[Any, ...]]] = deque()
        self._last_due = 0.0
        self._timer: Timer | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is under way."""
        return not self._items

    def carry(self, delay: float, gates: tuple[Gate, ...], arrive: Callable[..., object], *args: Any) -> None:
        """Calls ``arrive(*args)`` after ``delay`` seconds, once the gates are open and all items before have arrived.

        Calls it before it returns if there is nothing to wait for.
        """
        if not self._items and delay <= 0.0 and _closed(gates) is None:
            arrive(*args)
            return
        due = max(self._clock.monotonic() + delay, self._last_due if self._items else 0.0)
        self._last_due = due
        self._items.append((due, gates, arrive, args))
        if len(self._items) == 1:
            self.look()

    def drop(self) -> None:
        """Drops everything that is under way."""
        self._items.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def look(self) -> None:
        """Lets the items arrive that are due, and waits for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        items = self._items
        while items and self._timer is None:  # what arrives may send something on this line
            due, gates, arrive, args = items[0]
            gate = _closed(gates)
            if gate is not None:
                gate.hold(self)
                return
            remaining = due - self._clock.monotonic()
            if remaining > 0.0:
                self._timer = self._clock.call_later(remaining, self.look)
                return
            items.popleft()
            arrive(*args)


def _closed(gates: tuple[Gate, ...]) -> Gate | None:
    """Returns the first gate that is not open."""
    return next((gate for gate in gates if not gate.is_open), None)
