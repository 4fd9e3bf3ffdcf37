"""Faults on purpose: messages between masters and agents that are lost or late, masters cut off from each other,
connections that break, a registry that cannot be read.

What happens to processes (killed, frozen) are commands of the members themselves (``members.py``). A fault holds until
it is healed; it is a context manager too.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from pymesoskit.testing.cluster.masters import ClusterMaster

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from pymesoskit.testing.cluster.agents import ClusterAgent
    from pymesoskit.testing.cluster.members import Member
    from pymesoskit.testing.engine.master.registry import Storage
    from pymesoskit.testing.engine.network.messages import Message
    from pymesoskit.testing.engine.network.network import Address, Network
    from pymesoskit.testing.runtime.actor import Actor

T = TypeVar("T")


class Turn(Protocol):
    """How a fault gets its turn."""

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Runs it in the cluster's turn."""


class Fault:
    """Something that is wrong until ``heal``."""

    def __init__(self, turn: Turn, heal: Callable[[], None]) -> None:
        self._turn = turn
        self._heal: Callable[[], None] | None = heal

    def heal(self) -> None:
        """Ends it; harmless if it has ended."""
        heal, self._heal = self._heal, None
        if heal is not None:
            self._turn.call(heal)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.heal()


class Faults:
    """Makes faults in a cluster."""

    def __init__(self, network: Network, actor: Actor, turn: Turn, storage: Storage) -> None:
        self._network = network
        self._storage = storage
        self._actor = actor
        self._turn = turn
        self._numbers = itertools.count()  # of partitions
        self._late = False  # whether a message is being sent that has waited already

    def partition(self, member: ClusterAgent | ClusterMaster) -> Fault:
        """No message passes between the masters and this agent, either way; their connections do not break.

        With a master, no message passes between it and the agents, nor between it and the election: when the session
        timeout (--zk_session_timeout) is over another master is elected, and one that led ends. HTTP clients still
        reach it.
        """
        address = member.process_address
        fault = self._filter(lambda sender, to, _: address not in {sender, to})
        if not isinstance(member, ClusterMaster):
            return fault
        reason = f"partition {next(self._numbers)}"
        self._turn.call(member.cut_off, reason)

        def heal() -> None:
            fault.heal()
            member.rejoin(reason)

        return Fault(self._turn, heal)

    def hold_registry(self) -> Fault:
        """The registry cannot be read: a master that is elected meanwhile does not finish its recovery before it heals,
        and ends after --registry_fetch_timeout. Masters that lead already are not touched.
        """
        self._turn.call(self._storage.hold)
        return Fault(self._turn, self._storage.release)

    def lose(self, kind: type[Message], agent: ClusterAgent | None = None, times: int | None = None) -> Fault:
        """Messages of that type (``messages.py``) are lost, of one agent or of all; all, or the next ``times``."""
        left = times

        def keep(sender: Address, to: Address, message: Message) -> bool:
            nonlocal left
            if not isinstance(message, kind) or left == 0:
                return True
            if agent is not None and agent.process_address not in {sender, to}:
                return True
            left = None if left is None else left - 1
            return False

        return self._filter(keep)

    def slow(self, agent: ClusterAgent, seconds: float) -> Fault:
        """Each message between the master and this agent takes so many seconds, either way; their order stays."""
        address = agent.process_address

        def keep(sender: Address, to: Address, message: Message) -> bool:
            if self._late or address not in {sender, to}:
                return True
            self._actor.clock.call_later(seconds, self._send_late, sender, to, message)
            return False

        return self._filter(keep)

    def reset_connections(self, member: Member) -> None:
        """Breaks all HTTP connections of the master or of an agent, with RST; further ones can be made."""
        if member.server is not None:
            self._turn.call(member.server.reset_connections)

    def _send_late(self, sender: Address, to: Address, message: Message) -> None:
        self._late = True
        try:
            self._network.send(sender, to, message)
        finally:
            self._late = False

    def _filter(self, keep: Callable[[Address, Address, Message], bool]) -> Fault:
        return Fault(self._turn, self._turn.call(self._network.add_filter, keep))
