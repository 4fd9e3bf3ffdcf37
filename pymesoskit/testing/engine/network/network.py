"""How master and agents reach each other inside the cluster: libprocess without sockets.

A party has an address (``master@127.0.0.1:5050``, ``slave(1)@127.0.0.1:5051``) and receives messages in the order in
which one sender sent them. A *link* tells when the other side's process is gone. A party can be *frozen* (as by
SIGSTOP): connections stay up, nothing is read or answered, and all that was sent is delivered when it thaws. Nothing
tells a sender that a message was lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pymesoskit.testing.runtime.journal import DELIVER, Fate, Journal, Way
from pymesoskit.testing.runtime.lines import Line

if TYPE_CHECKING:
    from pymesoskit.testing.engine.network.messages import Message
    from pymesoskit.testing.runtime.actor import Actor

#: ``name@ip:port``, libprocess's UPID.
Address = str


class Party(Protocol):
    """Something at an address."""

    def receive(self, sender: Address, message: Message) -> None:
        """A message has arrived."""

    def exited(self, peer: Address) -> None:
        """A process that this party had linked to is gone, or its connection broke."""


class Network:
    """Delivers messages between parties in the actor's turn.

    Each message is recorded in the journal, which decides its fate. What one party sends another keeps its order.
    """

    def __init__(self, actor: Actor, journal: Journal | None = None) -> None:
        self._actor = actor
        self._journal = Journal(actor.clock.time) if journal is None else journal
        self._parties: dict[Address, Party] = {}
        self._links: dict[Address, dict[Address, None]] = {}  # linked-to address -> who wants to know
        self._frozen: dict[Address, list[tuple[Address, Message | None]]] = {}
        self._lines: dict[tuple[Address, Address], Line] = {}

    def attach(self, address: Address, party: Party) -> None:
        """The party can be reached at the address from now on. Raises ValueError if one is there already."""
        if address in self._parties:
            raise ValueError(f"{address} is taken")
        self._parties[address] = party

    def detach(self, address: Address) -> None:
        """The process at the address is gone: what is under way to it is lost, and those linked to it are told."""
        if self._parties.pop(address, None) is None:
            return
        self._frozen.pop(address, None)
        for watchers in self._links.values():
            watchers.pop(address, None)
        for watcher in self._links.pop(address, {}):
            self._carry(address, watcher, self._parties.get(watcher), None)

    def link(self, watcher: Address, to: Address) -> None:
        """``watcher`` is told (``exited``) when the process at ``to`` is gone; at once if nothing is there."""
        if to in self._parties:
            self._links.setdefault(to, {})[watcher] = None
        else:
            self._actor.post(self._deliver, to, watcher, self._parties.get(watcher), None)

    def send(self, sender: Address, to: Address, message: Message) -> None:
        """Sends a message; it is lost silently if nobody is at the address when it arrives."""
        party = self._parties.get(to)
        if party is None:
            return
        journal = self._journal
        fate = journal.record(
            Way.MESSAGE, journal.name_of(sender), journal.name_of(to), type(message).__name__, message
        ).fate
        match fate.name:
            case "drop" | "cut" | "cut-within":
                return
            case "duplicate":
                self._carry(sender, to, party, message, fate)
        self._carry(sender, to, party, message, fate)

    def freeze(self, address: Address) -> None:
        """The party reads nothing more until it is thawed."""
        if address in self._parties:
            self._frozen.setdefault(address, [])

    def thaw(self, address: Address) -> None:
        """The party goes on, with all that has been sent to it meanwhile, in order."""
        party = self._parties.get(address)
        for sender, message in self._frozen.pop(address, []):
            self._actor.post(self._deliver, sender, address, party, message)

    def _carry(
        self, sender: Address, to: Address, party: Party | None, message: Message | None, fate: Fate = DELIVER
    ) -> None:
        line = self._lines.get((sender, to))
        if line is None:
            if not fate.delay and not fate.gates:  # the usual case: nothing is late between these two
                self._actor.post(self._deliver, sender, to, party, message)
                return
            line = self._lines[sender, to] = Line(self._actor.clock)
        line.carry(fate.delay, fate.gates, self._actor.post, self._deliver, sender, to, party, message)

    def _deliver(self, sender: Address, to: Address, party: Party | None, message: Message | None) -> None:
        if party is None or self._parties.get(to) is not party:
            return  # it died meanwhile; another process at the same address does not get its mail
        if to in self._frozen:
            self._frozen[to].append((sender, message))
        elif message is None:
            party.exited(sender)
        else:
            party.receive(sender, message)
