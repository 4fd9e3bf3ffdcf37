"""Who leads: where to send SUBSCRIBE.

A seam: ``FixedDetector`` knows the masters' addresses and follows redirects; one that watches ZooKeeper implements the
same protocol and calls its listener when the leader changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pymesoskit.transport.address import MASTER_PORT, Address

if TYPE_CHECKING:
    from collections.abc import Callable


@runtime_checkable
class Detector(Protocol):
    """Tells where the leader is thought to be. Used in the reactor's turn."""

    def candidate(self) -> Address | None:
        """Where to try next; None if no leader is known at present (it is asked again after the backoff)."""

    def redirected(self, leader: Address) -> None:
        """A master said that this one leads."""

    def failed(self, address: Address) -> None:
        """An attempt or a subscription there failed."""

    def watch(self, listener: Callable[[], None]) -> None:
        """``listener`` is to be called, from any thread, when the leader has changed. A detector that cannot know
        never calls.
        """


class FixedDetector:
    """Addresses given once. Tries them in turn; a redirect leads straight to the leader until that fails."""

    def __init__(self, addresses: str | Address | Iterable[str | Address], default_port: int = MASTER_PORT) -> None:
        if isinstance(addresses, str):
            given: Iterable[str | Address] = [part for part in addresses.split(",") if part.strip()]
        elif isinstance(addresses, Address):
            given = [addresses]
        elif isinstance(addresses, Iterable):
            given = addresses
        else:
            raise TypeError(
                f"the master must be an address such as 'host:5050', several, or a Detector, not {addresses!r}"
            )
        self._addresses = tuple(a if isinstance(a, Address) else Address.parse(a, default_port) for a in given)
        if not self._addresses:
            raise ValueError("no address of a master was given")
        self._next = 0
        self._leader: Address | None = None

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses that were given."""
        return self._addresses

    def candidate(self) -> Address | None:
        return self._leader if self._leader is not None else self._addresses[self._next]

    def redirected(self, leader: Address) -> None:
        self._leader = leader

    def failed(self, address: Address) -> None:
        if self._leader is not None:
            self._leader = None
            return
        if address == self._addresses[self._next]:
            self._next = (self._next + 1) % len(self._addresses)

    def watch(self, listener: Callable[[], None]) -> None:
        """Never calls: addresses given once do not change."""
