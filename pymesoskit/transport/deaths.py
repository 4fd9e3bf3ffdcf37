"""How a server in this process learns that a driver connected to it has died.

A test that waits for a cluster should not wait for a driver that has ended with an error. The driver announces its end
to its reactor (``Reactor.died``); the reactor passes it on to the servers in this process that it was connected to. The
in-process transport knows its cluster; ``announce`` is for real sockets. Nothing here knows clusters: a server says
which addresses are its own.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.transport.errors import LocalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymesoskit.transport.errors import MesosError

__all__ = ["Death", "Peer", "announce", "watch"]

#: IP and port of the other side of a connection.
Peer = tuple[str, int]


@frozen(eq=False)
class Death:
    """The end of a driver by an error."""

    name: str  # of the driver
    error: MesosError
    fetched: Callable[[], bool]  # whether the program has been given the error: by ``join``, ``failure``, …

    @property
    def is_programs_fault(self) -> bool:
        """Whether this program is to blame, and not the master: a handler raised, a store could not save, …"""
        return isinstance(self.error, LocalError)


@frozen(eq=False)
class _Watcher:
    serves: Callable[[Peer], bool]
    died: Callable[[Death], None]


_lock = threading.Lock()
_watchers: dict[_Watcher, None] = {}


def watch(serves: Callable[[Peer], bool], died: Callable[[Death], None]) -> Callable[[], None]:
    """Calls ``died`` for each driver of this process that dies and was connected to an address that ``serves`` knows.

    Returns a function that ends the watch. ``died`` is called in the thread of the driver.
    """
    watcher = _Watcher(serves, died)
    with _lock:
        _watchers[watcher] = None

    def end() -> None:
        with _lock:
            _watchers.pop(watcher, None)

    return end


def announce(peers: Iterable[Peer], death: Death) -> None:
    """Tells the servers at these addresses, if they are in this process."""
    known = list(peers)
    with _lock:
        watchers = list(_watchers)
    for watcher in watchers:
        if any(watcher.serves(peer) for peer in known):
            watcher.died(death)
