"""The faults that a simulation draws from.

A ``MessageFault`` is decided for each entry of the journal, a ``TimedFault`` at drawn times for a drawn while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.testing.runtime.journal import FATES, Fate, Way
from pymesoskit.testing.runtime.lines import Gate

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.runtime.journal import Entry
    from pymesoskit.testing.simulation.world import World


@frozen
class MessageFault:
    """Happens to each entry of some ways and kinds with a probability."""

    name: str
    probability: float
    fate: str  # one of ``FATES``
    ways: tuple[Way, ...]
    kinds: frozenset[str] = frozenset()  # none: all

    def concerns(self, entry: Entry) -> bool:
        """Returns whether it could happen to this entry."""
        return entry.way in self.ways and (not self.kinds or entry.kind in self.kinds)


@frozen
class TimedFault:
    """Happens again and again: after ``every`` seconds (drawn between the two), for ``lasts`` seconds (drawn too)."""

    name: str
    every: tuple[float, float]
    lasts: tuple[float, float]
    targets: Callable[[World], list[str]]  # what it could happen to now
    begin: Callable[[World, str], Callable[[], None]]  # makes it happen; returns what heals it


def _probability(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"a probability must be between 0 and 1, not {value!r}")
    return value


def check_range(name: str, value: tuple[float, float]) -> tuple[float, float]:
    """Returns the value. Raises ``ValueError`` unless it is two numbers of seconds, the smaller first."""
    low, high = value
    if not 0 <= low <= high:
        raise ValueError(f"{name} must be two numbers of seconds, the smaller first, not {value!r}")
    return value


# What passes


def lost_call(probability: float = 0.02, *kinds: str) -> MessageFault:
    """The connection breaks before a call of a framework arrives. ``kinds``: of these types (none: of all)."""
    return MessageFault("lost call", _probability(probability), "cut", (Way.CALL,), frozenset(kinds))


def lost_reply(probability: float = 0.02, *kinds: str) -> MessageFault:
    """A call is carried out, and the connection breaks before its answer arrives."""
    return MessageFault("lost reply", _probability(probability), "lose-reply", (Way.CALL,), frozenset(kinds))


def lost_event(probability: float = 0.01, *kinds: str) -> MessageFault:
    """The stream of events breaks before an event arrives."""
    return MessageFault("lost event", _probability(probability), "cut", (Way.EVENT,), frozenset(kinds))


def half_event(probability: float = 0.01, *kinds: str) -> MessageFault:
    """The stream of events breaks in the middle of an event."""
    return MessageFault("half event", _probability(probability), "cut-within", (Way.EVENT,), frozenset(kinds))


def half_open(probability: float = 0.005) -> MessageFault:
    """A stream goes silent, and neither side notices."""
    return MessageFault("half-open", _probability(probability), "drop", (Way.EVENT,))


def doubled_update(probability: float = 0.05) -> MessageFault:
    """An update arrives twice, as it does when an agent repeats it."""
    return MessageFault("doubled update", _probability(probability), "duplicate", (Way.EVENT,), frozenset({"UPDATE"}))


#: Messages between masters and agents that are sent again if they are lost.
REPEATED = ("PingAgent", "PongAgent", "RegisterAgent", "ReregisterAgent", "StatusUpdate", "StatusUpdateAcknowledgement")


def lost_message(probability: float = 0.02, *kinds: str) -> MessageFault:
    """A message between a master and an agent is lost.

    Without ``kinds`` only messages that are sent again. TCP never loses a single one of the others: a task whose launch
    is lost alone stays TASK_STAGING until its agent registers again.
    """
    return MessageFault("lost message", _probability(probability), "drop", (Way.MESSAGE,), frozenset(kinds or REPEATED))


# In time


def crash_framework(every: tuple[float, float] = (20, 120), down: tuple[float, float] = (0, 20)) -> TimedFault:
    """A framework's process ends without a farewell, and is started again on what it had stored."""

    def begin(world: World, target: str) -> Callable[[], None]:
        framework = world.frameworks[target]
        framework.crash()
        return framework.restart

    return TimedFault(
        "crash framework", check_range("every", every), check_range("down", down), _running_frameworks, begin
    )


def pause_framework(every: tuple[float, float] = (20, 120), lasts: tuple[float, float] = (1, 90)) -> TimedFault:
    """A framework's process is frozen for a while."""

    def begin(world: World, target: str) -> Callable[[], None]:
        life = world.frameworks[target].life
        life.transport.pause()
        return life.transport.resume

    return TimedFault(
        "pause framework", check_range("every", every), check_range("lasts", lasts), _running_frameworks, begin
    )


def _running_frameworks(world: World) -> list[str]:
    return [name for name, framework in world.frameworks.items() if framework.running]


def _agents(world: World, running: bool = True) -> list[str]:
    return [agent.name for agent in world.cluster.agents if agent.running is running and not agent.frozen]


def partition(every: tuple[float, float] = (20, 120), lasts: tuple[float, float] = (5, 100)) -> TimedFault:
    """Nothing passes between an agent and the masters; what was sent meanwhile arrives afterwards, as with TCP."""

    def begin(world: World, target: str) -> Callable[[], None]:
        gate = Gate()
        held = Fate(gates=(gate,))
        unjudge = world.cluster.journal.judge(
            lambda entry: held if entry.way is Way.MESSAGE and target in {entry.sender, entry.to} else None
        )

        def heal() -> None:
            unjudge()
            gate.open()

        return heal

    return TimedFault("partition", check_range("every", every), check_range("lasts", lasts), _agents, begin)


def slow_agent(every: tuple[float, float] = (20, 120), lasts: tuple[float, float] = (5, 60)) -> TimedFault:
    """Each message of an agent takes two seconds."""

    def begin(world: World, target: str) -> Callable[[], None]:
        return world.in_turn_fault(lambda: world.cluster.faults.slow(world.agent(target), 2.0))

    return TimedFault("slow agent", check_range("every", every), check_range("lasts", lasts), _agents, begin)


def crash_agent(every: tuple[float, float] = (30, 200), down: tuple[float, float] = (1, 100)) -> TimedFault:
    """An agent's process ends; its executors live on. It is started again."""

    def begin(world: World, target: str) -> Callable[[], None]:
        member = world.agent(target)._member
        member.end()
        return lambda: member.begin(None)

    return TimedFault("crash agent", check_range("every", every), check_range("down", down), _agents, begin)


def freeze_agent(every: tuple[float, float] = (30, 200), lasts: tuple[float, float] = (1, 60)) -> TimedFault:
    """An agent's process is frozen for a while."""

    def begin(world: World, target: str) -> Callable[[], None]:
        member = world.agent(target)._member
        member.pause()
        return member.resume

    return TimedFault("freeze agent", check_range("every", every), check_range("lasts", lasts), _agents, begin)


def failover(every: tuple[float, float] = (60, 300), down: tuple[float, float] = (1, 60)) -> TimedFault:
    """The leading master's process ends, and is started again."""

    def begin(world: World, target: str) -> Callable[[], None]:
        member = next(master for master in world.cluster.masters if master.name == target)._member
        member.end()
        return member.begin

    def leaders(world: World) -> list[str]:
        return [master.name for master in world.cluster.masters if master.leads and not master.frozen]

    return TimedFault("failover", check_range("every", every), check_range("down", down), leaders, begin)


#: All of them, with their default chances.
def all_faults() -> list[MessageFault | TimedFault]:
    """Returns one of each, with default chances."""
    return [
        lost_call(), lost_reply(), lost_event(), half_event(), half_open(), doubled_update(), lost_message(),
        crash_framework(), pause_framework(), partition(), slow_agent(), crash_agent(), freeze_agent(), failover(),
    ]  # fmt: skip


assert all(fault.fate in FATES for fault in all_faults() if isinstance(fault, MessageFault))
