"""Faults that tests make: messages between masters and agents that are lost or late, masters that are cut off from each
other, connections that break, a registry that cannot be read.

What happens to processes (killed, frozen) are commands of the masters and agents themselves (``handles.py``).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, Union, get_args

from pymesoskit.testing.cluster.errors import ClusterError
from pymesoskit.testing.cluster.handles import ClusterAgent, ClusterMaster
from pymesoskit.testing.engine.network.messages import Message
from pymesoskit.testing.runtime.journal import Fate, Way

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from pymesoskit.testing.engine.master.registry import Storage
    from pymesoskit.testing.runtime.journal import Entry, Journal

T = TypeVar("T")

#: The types of messages by name: ``"PongAgent"``.
MESSAGES: dict[str, type[Message]] = {kind.__name__: kind for kind in get_args(Message)}


DROP = Fate("drop")


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
        journal: Journal,
        turn: Turn,
        storage: Storage,
        reset: Callable[[ClusterMaster | ClusterAgent], None],
    ) -> None:
        self._journal = journal
        self._storage = storage
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
        name = inside.name
        unfilter = self._judge(lambda entry: DROP if name in {entry.sender, entry.to} else None)
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
        name = agent.name if agent is not None else None
        left = times

        def judge(entry: Entry) -> Fate | None:
            nonlocal left
            if entry.kind != lost.__name__ or left == 0 or (name is not None and name not in {entry.sender, entry.to}):
                return None
            left = None if left is None else left - 1
            return DROP

        return Fault(self._turn, f"loss of {lost.__name__}", self._judge(judge))

    def slow(self, agent: ClusterAgent, seconds: float) -> Fault:
        """Each message between the masters and this agent takes ``seconds`` seconds, either way.

        Their order stays, as with TCP: a message sent after the fault has healed does not overtake a late one.
        """
        name = _member(agent).name
        late = Fate(delay=seconds)
        heal = self._judge(lambda entry: late if name in {entry.sender, entry.to} else None)
        return Fault(self._turn, f"slow {agent.name}", heal)

    def _judge(self, judge: Callable[[Entry], Fate | None]) -> Callable[[], None]:
        """Asks ``judge`` about each message between masters and agents; returns a function that ends that."""
        return self._turn.call(self._journal.judge, lambda entry: judge(entry) if entry.way is Way.MESSAGE else None)

    def reset_connections(self, member: ClusterAgent | ClusterMaster) -> None:
        """Breaks all connections to the HTTP API of a master or an agent with RST; new ones can be made.

        Connections of the in-process transport break, too.
        """
        _member(member)
        self._turn.call(self._reset, member)


def _member(member: ClusterAgent | ClusterMaster) -> ClusterAgent | ClusterMaster:
    """Raises ``ClusterError`` for what is neither a master nor an agent."""
    if not isinstance(member, (ClusterAgent, ClusterMaster)):
        raise ClusterError(f"expected a master or an agent of the cluster, such as cluster.agents[0], not {member!r}")
    return member
