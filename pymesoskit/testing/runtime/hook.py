"""A named point at which a part of a process reports something without knowing who listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Hook(Generic[T]):
    """Calls the connected functions, in the order in which they were connected.

    A lower part calls the hook; a higher part, which imports the lower one, connects to it.
    """

    def __init__(self) -> None:
        self._connected: list[Callable[[T], object]] = []

    def connect(self, listener: Callable[[T], object]) -> None:
        """Calls ``listener(subject)`` on each call of the hook from now on."""
        self._connected.append(listener)

    def __call__(self, subject: T) -> None:
        """Reports that it has happened to the subject."""
        for listener in self._connected:
            listener(subject)
