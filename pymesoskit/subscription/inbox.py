"""What was read and waits to be handled: filled by the reactor's turn, emptied by one consumer thread.

Bounded: ``put`` says when it is full, and the stream is paused then; nothing is ever dropped.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

#: Seconds that a wait without end takes at a time. A signal that comes between Python's last look and the system call
#: that waits does not wake it; the main thread must look again to run its handler.
SIGNAL_INTERVAL = 0.5


class Inbox(Generic[T]):
    """A queue that hands over all it has at once: one hand-over per batch, not per event."""

    def __init__(self, limit: int, on_drained: Callable[[], None]) -> None:
        self._limit = limit
        self._on_drained = on_drained
        self._items: list[T] = []
        self._full = False
        self._changed = threading.Condition()

    def put(self, items: list[T]) -> bool:
        """Adds items (and takes over the list). False if there should come no more until ``on_drained`` is called."""
        with self._changed:
            if self._items:
                self._items += items
            else:
                self._items = items
                self._changed.notify()
            self._full = len(self._items) >= self._limit
            return not self._full

    def take(self, timeout: float | None = None) -> list[T]:
        """All items; waits until there is one. Empty after ``timeout`` seconds without."""
        with self._changed:
            if timeout is not None:
                self._changed.wait_for(self._has_items, timeout)
            else:
                while not self._changed.wait_for(self._has_items, SIGNAL_INTERVAL):
                    continue
            taken, self._items = self._items, []
            full, self._full = self._full, False
        if full:
            self._on_drained()
        return taken

    def _has_items(self) -> bool:
        return bool(self._items)
