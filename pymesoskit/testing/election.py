"""Who of several masters leads: what ZooKeeper is to a real cluster.

Masters join when they start and are out when they end. Of those that are in, the one that joined first leads. When the
leader ends there is none for a moment, and then the next leads; masters and agents are told of both. It serves masters
as their ``Leadership`` and agents as their ``Detector``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.actor import Actor
    from pymesoskit.testing.network import Address


class Election:
    """See the module's text. All in the actor's turn."""

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._candidates: dict[Address, None] = {}  # in the order in which they joined
        self._leader: Address | None = None
        self._watchers: list[Callable[[], None]] = []

    def leader(self) -> Address | None:
        """The leading master's address, None while there is none."""
        return self._leader

    def watch(self, changed: Callable[[], None]) -> Callable[[], None]:
        """``changed()`` is called after each change of the leader; returns what ends that."""
        self._watchers.append(changed)
        return lambda: self._watchers.remove(changed) if changed in self._watchers else None

    def join(self, address: Address) -> None:
        """A master can be elected from now on."""
        self._candidates[address] = None
        self._elect()

    def leave(self, address: Address) -> None:
        """A master has ended."""
        self._candidates.pop(address, None)
        if self._leader == address:
            self._leader = None
            self._tell()
            self._actor.post(self._elect)

    def _elect(self) -> None:
        if self._leader is None and self._candidates:
            self._leader = next(iter(self._candidates))
            self._tell()

    def _tell(self) -> None:
        for changed in list(self._watchers):
            changed()
