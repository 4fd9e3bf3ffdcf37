"""Faults that tests make: messages between masters and agents that are lost or late, masters that are cut off from each
other, connections that break, a registry that cannot be read.

What happens to processes (killed, frozen) are commands of the masters and agents themselves (``handles.py``).
"""

from __future__ import annotations

import itertools
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, Union, get_args

from pymesoskit.testing.cluster.errors import ClusterError
from pymesoskit.testing.cluster.handles import ClusterAgent, ClusterMaster
from pymesoskit.testing.engine.network.messages import Message

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from pymesoskit.testing.engine.master.registry import Storage
    from pymesoskit.testing.engine.network.network import Address, Network
    from pymesoskit.testing.runtime.actor import Actor

T = TypeVar("T")

#: The types of messages by name: ``"PongAgent"``.
MESSAGES: dict[str, type[Message]] = {kind.__name__: kind for kind in get_args(Message)}


class Turn(Protocol):
    """The cluster: it gives faults their turn."""

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Runs ``function(*args)`` in the cluster's turn."""


class Fault:
    """A fault that lasts until ``heal`` is called, or until its ``with`` block ends."""

    def __init__(self, turn: Turn, name: str, heal: Callable[[], None]) -> None:
        self._turn = turn
        self._name = name
        self._heal: Callable[[], None] | None = heal

    def __repr__(self) -> str:
        return f"<fault {self._name}{', healed' if self._heal is None else ''}>"

    def heal(self) -> None:
        """Ends the fault. Harmless if it has ended."""
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
    """Makes faults in a cluster (``cluster.faults``)."""

    def __init__(
        self,
        network: Network,
        actor: Actor,
        turn: Turn,
        storage: Storage,
        reset: Callable[[ClusterMaster | ClusterAgent], None],
    ) -> None:
        self._network = network
        self._storage = storage
        self._actor = actor
        self._turn = turn
        self._reset = reset
        self._numbers = itertools.count()  # of partitions

    def partition(self, member: ClusterAgent | ClusterMaster) -> Fault:
        """No message passes between the masters and this agent, either way. Connections do not break.

        With a master, no message passes between it and the agents, nor between it and the election: when the session
        timeout (--zk_session_timeout) is over another master is elected, and one that led ends. HTTP clients still
        reach it.
        """
        inside = _member(member)._member
        address = inside.process_address
        unfilter = self._turn.call(self._network.add_filter, lambda sender, to, _message: address not in {sender, to})
        if isinstance(member, ClusterAgent):
            return Fault(self._turn, f"partition of {member.name}", unfilter)
        master = member._member
        reason = f"partition {next(self._numbers)}"
        self._turn.call(master.cut_off, reason)

        def heal() -> None:
            unfilter()
            master.rejoin(reason)

        return Fault(self._turn, f"partition of {member.name}", heal)

    def hold_registry(self) -> Fault:
        """The registry cannot be read: a master that is elected meanwhile does not finish its recovery before it heals,
        and ends after --registry_fetch_timeout. A master that leads already is not affected.
        """
        self._turn.call(self._storage.hold)
        return Fault(self._turn, "held registry", self._storage.release)

    def lose(
        self, kind: Union[str, type[Message]], agent: ClusterAgent | None = None, times: int | None = None
    ) -> Fault:
        """Messages of one type are lost: the next ``times`` (None: all), of one agent (None: of all).

        ``kind`` is the name of the type, such as ``"PongAgent"``, ``"StatusUpdate"`` or ``"RunTask"``. Raises
        ``ClusterError`` for an unknown one.
        """
        lost = MESSAGES.get(kind) if isinstance(kind, str) else kind
        if lost is None or lost not in MESSAGES.values():
            raise ClusterError(f"unknown type of message {kind!r}, known are {', '.join(sorted(MESSAGES))}")
        address = agent._member.process_address if agent is not None else None
        left = times

        def keep(sender: Address, to: Address, message: Message) -> bool:
            nonlocal left
            if not isinstance(message, lost) or left == 0:
                return True
            if address is not None and address not in {sender, to}:
                return True
            left = None if left is None else left - 1
            return False

        return Fault(self._turn, f"loss of {lost.__name__}", self._turn.call(self._network.add_filter, keep))

    def slow(self, agent: ClusterAgent, seconds: float) -> Fault:
        """Each message between the masters and this agent takes ``seconds`` seconds, either way.

        Their order stays, as with TCP: a message sent after the fault has healed does not overtake a late one.
        """
        line = _SlowLine(self._actor, _member(agent)._member.process_address, seconds)
        line.end = self._turn.call(self._network.add_delay, line.take)
        return Fault(self._turn, f"slow {agent.name}", line.heal)

    def reset_connections(self, member: ClusterAgent | ClusterMaster) -> None:
        """Breaks all connections to the HTTP API of a master or an agent with RST; new ones can be made.

        Connections of the in-process transport break, too.
        """
        _member(member)
        self._turn.call(self._reset, member)


class _SlowLine:
    """The messages that are on their way to or from a slow agent, in the order in which they were sent."""

    def __init__(self, actor: Actor, address: Address, seconds: float) -> None:
        self._actor = actor
        self._address = address
        self._seconds = seconds
        self._healed = False
        self._under_way: deque[tuple[float, Callable[[], None]]] = deque()  # when each arrives, and what then happens
        self.end: Callable[[], None] = lambda: None  # takes this off the network

    def take(self, sender: Address, to: Address, _message: Message | None, arrive: Callable[[], None]) -> bool:
        """Takes a message of this agent, unless the fault has healed and none is under way before it."""
        if self._address not in {sender, to} or (self._healed and not self._under_way):
            return False
        now = self._actor.clock.monotonic()
        due = self._under_way[-1][0] if self._healed else now + self._seconds
        self._under_way.append((due, arrive))
        if len(self._under_way) == 1:
            self._actor.clock.call_later(due - now, self._first_arrives)
        return True

    def heal(self) -> None:
        """What is sent from now on takes no time, except to wait for what is under way."""
        self._healed = True
        if not self._under_way:
            self.end()

    def _first_arrives(self) -> None:
        due, arrive = self._under_way.popleft()
        arrive()
        while self._under_way and self._under_way[0][0] <= due:
            self._under_way.popleft()[1]()
        if self._under_way:
            self._actor.clock.call_later(self._under_way[0][0] - self._actor.clock.monotonic(), self._first_arrives)
        elif self._healed:
            self.end()


def _member(member: ClusterAgent | ClusterMaster) -> ClusterAgent | ClusterMaster:
    """Raises ``ClusterError`` for what is neither a master nor an agent."""
    if not isinstance(member, (ClusterAgent, ClusterMaster)):
        raise ClusterError(f"expected a master or an agent of the cluster, such as cluster.agents[0], not {member!r}")
    return member
