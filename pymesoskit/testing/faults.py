"""Faults on purpose: messages between master and agents that are lost or late, connections that break.

What happens to processes (killed, frozen) are commands of the members themselves (``members.py``). A fault holds until
it is healed; it is a context manager too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from pymesoskit.testing.actor import Actor
    from pymesoskit.testing.members import ClusterAgent, Member
    from pymesoskit.testing.messages import Message
    from pymesoskit.testing.network import Address, Network

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

    def __init__(self, network: Network, actor: Actor, turn: Turn) -> None:
        self._network = network
        self._actor = actor
        self._turn = turn
        self._late = False  # whether a message is being sent that has waited already

    def partition(self, agent: ClusterAgent) -> Fault:
        """No message passes between the master and this agent, either way; their connection does not break."""
        address = agent.process_address
        return self._filter(lambda sender, to, _: address not in {sender, to})

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
