"""How an agent finds the leading master."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.network.network import Address


class Detector(Protocol):
    """Knows who leads, and tells when that changes."""

    def leader(self) -> Address | None:
        """The leading master's address, or None while there is none."""

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """``changed()`` is called after each change of the leader; returns what ends that."""


class StandaloneDetector:
    """One master at a fixed address: it never changes, not even when the process there is replaced."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def leader(self) -> Address | None:
        return self._address

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:  # noqa: ARG002
        return lambda: None
