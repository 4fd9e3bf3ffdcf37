"""The allocator's metrics, under Mesos's names (docs/reference/allocator.md, section 11, and its measured lines)."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from attrs import define, field

from pymesoskit.resources.values import from_units
from pymesoskit.testing.allocator.units import Units, credit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.testing.allocator.ledger import Ledger
    from pymesoskit.testing.allocator.state import Agent, Framework, Role

PREFIX = "allocator/mesos/"

_STANDARD = ("cpus", "mem", "disk")
_PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "p9999": 0.9999}


@define
class TimerMetric:
    """Durations, as libprocess shows them: the last, in milliseconds, and statistics once there are two."""

    name: str
    _values: deque[float] = field(factory=lambda: deque(maxlen=1000))

    def record(self, seconds: float) -> None:
        """One more duration."""
        self._values.append(seconds * 1000.0)

    def read(self) -> dict[str, float]:
        """All values by name."""
        values = self._values
        if not values:
            return {}
        result = {self.name: values[-1]}
        if len(values) > 1:
            ordered = sorted(values)
            result[f"{self.name}/count"] = float(len(ordered))
            result[f"{self.name}/max"] = ordered[-1]
            result[f"{self.name}/min"] = ordered[0]
            result.update({f"{self.name}/{name}": _percentile(ordered, p) for name, p in _PERCENTILES.items()})
        return result


def _percentile(ordered: list[float], percentile: float) -> float:
    """Between the two nearest values, in proportion."""
    position = percentile * (len(ordered) - 1)
    below = int(position)
    if below >= len(ordered) - 1:
        return ordered[-1]
    return ordered[below] + (position - below) * (ordered[below + 1] - ordered[below])


def read_metrics(ledger: Ledger, frameworks: Iterable[Framework]) -> dict[str, float]:
    """All gauges of resources, roles, quotas and filters, without the prefix."""
    result: dict[str, float] = {}
    held = held_by_name(ledger.agents.values())
    for name in _STANDARD:
        result[f"resources/{name}/total"] = from_units(ledger.totals.units.get(name, 0))
        result[f"resources/{name}/offered_or_allocated"] = from_units(held.get(name, 0))
    filters: Counter[str] = Counter()
    for framework in frameworks:
        for path, by_agent in framework.filters.items():
            filters[path] += sum(map(len, by_agent.values()))
    everything: Units = {}
    for role in ledger.tree:
        result[f"offer_filters/roles/{role.path}/active"] = float(filters[role.path])
        if role.node is not None:
            share = ledger.role_sorter.share(role.node)
            if share is not None:
                result[f"roles/{role.path}/shares/dominant"] = share
        consumed = role.quota_consumed()
        if role.parent is None:
            credit(everything, consumed)
        result.update(_by_name(f"quota/roles/{role.path}", "consumed", consumed))
        result.update(_quota(role))
    result.update(_by_name("quota/roles/", "consumed", everything))
    return result


def _quota(role: Role) -> dict[str, float]:
    path = f"quota/roles/{role.path}"
    held = role.node.allocation if role.node is not None else {}
    names = {**role.guarantees, **role.limits}
    return {
        **_by_name(path, "guarantee", role.guarantees),
        **_by_name(path, "limit", role.limits),
        **_by_name(path, "offered_or_allocated", {name: held.get(name, 0) for name in names}),
    }


def _by_name(path: str, what: str, units: Units) -> dict[str, float]:
    return {f"{path}/resources/{name}/{what}": from_units(amount) for name, amount in units.items()}


def held_by_name(agents: Iterable[Agent]) -> Units:
    """The scalars that are offered or used, also by frameworks that are not known yet; a shared one counts once per
    agent and role.
    """
    total: Units = {}
    for agent in agents:
        seen: set[tuple[str, str]] = set()
        holdings = [(client.role.path, bundle) for client, bundle in agent.clients.items()]
        holdings += [(role, bundle) for (_, role), bundle in agent.strangers.items()]
        for role, bundle in holdings:
            if not bundle.shared:
                credit(total, bundle.units)
                continue
            credit(total, bundle.non_shared().units)
            for resource in bundle.shared:
                if (role, resource.key) not in seen:
                    seen.add((role, resource.key))
                    credit(total, {resource.name: resource.measure})
    return total
