"""What outlives a master: the registry.

A value object that the cluster keeps and hands to each master in turn. It holds the agents that were admitted, those
that are unreachable or gone, draining and deactivation, quota, weights, and the maintenance schedule. Nothing else
survives a failover: tasks, frameworks and reservations are told again by the agents and the frameworks. Source:
docs/reference/failover.md, allocator.md 1, operator-api.md 2.3 and 2.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.wire.v1 import maintenance, mesos, quota


@define
class AgentRecord:
    """An admitted agent, and what operators decided about it."""

    info: mesos.AgentInfo
    deactivated: bool = False  # by DEACTIVATE_AGENT, or because it drains
    drain_config: mesos.DrainConfig | None = None
    drain_state: mesos.DrainState | None = None


@define
class Unreachable:
    """An agent that does not answer; it may come back."""

    since: float  # seconds since the epoch
    record: AgentRecord


@define
class Machine:
    """A machine under maintenance. Machines without an entry are UP."""

    id: mesos.MachineID
    mode: mesos.MachineInfo.Mode
    unavailability: mesos.Unavailability | None = None


class Storage:
    """Whether the registry can be read. Masters that are elected while it cannot wait before they serve."""

    def __init__(self) -> None:
        self._held = 0  # by so many faults
        self._waiting: list[Callable[[], None]] = []

    @property
    def readable(self) -> bool:
        """Whether it can be read now."""
        return not self._held

    def when_readable(self, callback: Callable[[], None]) -> None:
        """``callback()`` is called once, as soon as it can be read."""
        self._waiting.append(callback)

    def hold(self) -> None:
        """It cannot be read until it is released as often as it was held."""
        self._held += 1

    def release(self) -> None:
        """Takes back one ``hold``."""
        self._held -= 1
        if not self._held:
            waiting, self._waiting = self._waiting, []
            for callback in waiting:
                callback()


@define
class Registry:
    """What a master stores so that the next leader knows it. Agents are keyed by id."""

    admitted: dict[str, AgentRecord] = field(factory=dict)  # registered, or to be expected back after a failover
    unreachable: dict[str, Unreachable] = field(factory=dict)  # oldest first
    gone: dict[str, float] = field(factory=dict)  # since when (seconds since the epoch), oldest first
    quotas: dict[str, quota.QuotaConfig] = field(factory=dict)  # by role
    weights: dict[str, float] = field(factory=dict)  # by role; only those that were set
    schedule: maintenance.Schedule | None = None
    machines: dict[tuple[str, str], Machine] = field(factory=dict)  # (hostname in lower case, IP) -> machine
    storage: Storage = field(factory=Storage)

    def collect(self, now: float, max_age: float, max_count: int) -> bool:
        """Forgets unreachable and gone agents that are too old (seconds), and the oldest if there are too many. Whether
        there were such.
        """
        before = len(self.unreachable) + len(self.gone)
        self.unreachable = dict(
            _kept([(key, entry, entry.since) for key, entry in self.unreachable.items()], now - max_age, max_count)
        )
        self.gone = dict(_kept([(key, since, since) for key, since in self.gone.items()], now - max_age, max_count))
        return len(self.unreachable) + len(self.gone) < before

    def record(self, agent_id: str) -> AgentRecord | None:
        """The record of an agent that is admitted or unreachable."""
        if agent_id in self.admitted:
            return self.admitted[agent_id]
        unreachable = self.unreachable.get(agent_id)
        return unreachable.record if unreachable is not None else None


Entry = TypeVar("Entry")


def _kept(entries: list[tuple[str, Entry, float]], oldest: float, max_count: int) -> list[tuple[str, Entry]]:
    """The entries (key, value, since) that are young enough, at most so many of the youngest."""
    young = sorted((entry for entry in entries if entry[2] >= oldest), key=lambda entry: entry[2])
    return [(key, value) for key, value, _ in young[max(0, len(young) - max_count) :]]
