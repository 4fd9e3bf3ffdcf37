"""One allocation run over all agents, beside Mesos's own allocator (docs/reference/allocator-baseline.md).

The peer's figures were taken on another machine; the calibration loop of that page, run here too, scales them to this
one. Shapes: *a* empty cluster, everything is offered; *b* all has been refused with long filters; *c* 90 % is in use,
the rest is offered; *d* all is suppressed; *e* guarantees on half the roles, empty cluster. *b anew* is *b* after
something changed for every framework, *b less* after every agent lost a little, so that all pairs have to be judged
again, which Mesos does in every run.

CPU time is taken, so that a busy machine does not blur the figures: a run is one thread that never waits.
"""

from __future__ import annotations

import gc
import statistics
import time
from random import Random
from typing import TYPE_CHECKING

from benchmarks.harness import ROUNDS, Row
from pymesoskit.resources import Resources
from pymesoskit.testing.allocator import (
    AgentOptions,
    Filters,
    FrameworkOptions,
    HierarchicalAllocator,
    Unavailability,
)
from pymesoskit.testing.runtime.actor import SimulatedActor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

#: What the calibration loop took where the peer was measured, in seconds.
CALIBRATION = 0.315

#: (agents, frameworks) → milliseconds of a, b, c, d, e; each framework in a role of its own.
OWN_ROLES: dict[tuple[int, int], tuple[float, float | None, float, float, float]] = {
    (100, 1): (1.20, 0.24, 1.90, 0.09, 1.40),
    (100, 10): (1.30, 2.20, 7.23, 0.14, 1.43),
    (100, 100): (1.98, 32.9, 5.27, 0.89, 2.12),
    (1000, 1): (15.8, 3.38, 28.5, 1.10, 19.1),
    (1000, 10): (14.8, 37.8, 80.7, 1.60, 16.7),
    (1000, 100): (20.0, 468, 69.6, 10.2, 25.9),
    (1000, 1000): (66.2, 5759, 97.3, 140, 93.3),
    (10000, 1): (198, 77.2, 361, 33.4, 229),
    (10000, 10): (217, 450, 739, 33.2, 208),
    (10000, 100): (251, 4089, 687, 121, 305),
    (10000, 1000): (814, None, 1154, 1542, 1155),
}

#: The same with all frameworks in one role.
ONE_ROLE: dict[tuple[int, int], tuple[float, float | None, float, float, float]] = {
    (1000, 100): (23.5, 409, 41.8, 1.11, 20.2),
    (10000, 100): (251, 3677, 529, 49.7, 348),
}

AGENT = Resources.parse("cpus:32;mem:65536;disk:1000000;ports:[31000-32000]")
PIECE = Resources.parse("cpus:3.2;mem:6553.6;disk:100000")
LONG = Filters(1e7)

#: Pairs of agents and frameworks up to which *b* is built: each needs an offer and a decline of its own.
MOST_PAIRS = 1_000_000


def run(quick: bool) -> Iterator[Row]:
    """All sizes, own roles first."""
    scale = 1.0 if quick else _calibrate() / CALIBRATION
    for table, name in ((OWN_ROLES, "own roles"), (ONE_ROLE, "one role")):
        for size, figures in table.items():
            if not quick or size[0] * size[1] <= 1000:
                yield from _rows(size, name, [f and f * scale for f in figures], one_role=table is ONE_ROLE)


def _rows(size: tuple[int, int], name: str, peers: list[float | None], *, one_role: bool) -> Iterator[Row]:
    agents, frameworks = size
    large = agents >= 1000 and frameworks >= 100
    what = f"{agents:>6,} × {frameworks:>5,}, {name}:"

    def row(shape: str, milliseconds: float, peer: float | None, aim: str = "") -> Row:
        return Row(f"{what} {shape}", milliseconds, "ms", peer, "C++, scaled", aim if large else "")

    peer_a, peer_b, peer_c, peer_d, peer_e = peers
    yield row("a", _offers(Cluster(agents, frameworks, one_role)), peer_a, "≥ 1×")
    if agents * frameworks <= MOST_PAIRS:
        cluster = Cluster(agents, frameworks, one_role)
        cluster.refuse_all()
        yield row("b", cluster.time_run(lambda: None), peer_b, "≥ 10×")
        yield row("b anew", cluster.time_run(cluster.reconsider_all), peer_b, "≥ 10×")
        yield row("b less", cluster.time_run(cluster.shrink_all), peer_b, "≥ 10×")
        del cluster
    yield row("c", _offers(Cluster(agents, frameworks, one_role, used=9)), peer_c, "≥ 1×")
    yield row("d", _suppressed(Cluster(agents, frameworks, one_role)), peer_d, "≥ 10×")
    yield row("e", _offers(Cluster(agents, frameworks, one_role, guarantees=True)), peer_e, "≥ 1×")


def _offers(cluster: Cluster) -> float:
    return cluster.time_run(cluster.give_back)


def _suppressed(cluster: Cluster) -> float:
    cluster.give_back()
    for framework_id in cluster.roles:
        cluster.allocator.suppress_offers(framework_id)
    return cluster.time_run(lambda: None)


def _calibrate() -> float:
    def loop() -> None:
        s = 0
        for i in range(10**7):
            s += i * i

    def once() -> float:
        begin = time.process_time()
        loop()
        return time.process_time() - begin

    return statistics.median(once() for _ in range(3))


class Cluster:
    """An allocator with agents and frameworks, and the offers that it makes."""

    def __init__(
        self, agents: int, frameworks: int, one_role: bool, *, used: int = 0, guarantees: bool = False
    ) -> None:
        self.agents = agents
        self.shrunk = 0
        self.actor = SimulatedActor()
        self.allocator = HierarchicalAllocator(self.actor.clock, Random(1), self)
        self.made: list[tuple[str, Mapping[str, Mapping[str, Resources]]]] = []
        self.roles = {f"F{n:04}": "role" if one_role else f"role{n:04}" for n in range(frameworks)}
        self.allocator.pause()
        self.allocator.start()
        for framework_id, role in self.roles.items():
            self.allocator.add_framework(framework_id, self._options(role))
        if guarantees:
            roles = sorted(set(self.roles.values()))
            amount = {"cpus": 16.0 * agents / len(roles), "mem": 32768.0 * agents / len(roles)}
            for role in roles[::2]:
                self.allocator.update_quota(role, amount, {})
        names = list(self.roles)
        for n in range(agents):
            held: dict[str, dict[str, Resources]] = {}
            for piece in range(used):
                framework_id = names[(n * used + piece) % frameworks]
                by_role = held.setdefault(framework_id, {})
                role = self.roles[framework_id]
                by_role[role] = by_role.get(role, Resources()) + PIECE
            self.allocator.add_agent(f"A{n:05}", AgentOptions(f"host{n}"), AGENT, used=held)
        self.allocator.resume()

    @staticmethod
    def _options(role: str) -> FrameworkOptions:
        return FrameworkOptions([role], capabilities=["MULTI_ROLE", "RESERVATION_REFINEMENT"])

    def offers(self, framework_id: str, offers: Mapping[str, Mapping[str, Resources]]) -> None:
        """The listener's part."""
        self.made.append((framework_id, offers))

    def inverse_offers(self, framework_id: str, offers: Mapping[str, Unavailability]) -> None:
        """There is no maintenance here."""
        raise AssertionError(framework_id, offers)

    def time_run(self, between: Callable[[], object]) -> float:
        """Milliseconds of the next periodic run, the median of several."""
        times = []
        for _ in range(ROUNDS):
            between()
            gc.collect()
            begin = time.process_time()
            self.actor.advance(1)
            times.append(time.process_time() - begin)
        return statistics.median(times) * 1000

    def give_back(self, filters: Filters | None = None) -> None:
        """Declines all that was offered."""
        made, self.made = self.made, []
        for framework_id, offers in made:
            for role, by_agent in offers.items():
                for agent_id, resources in by_agent.items():
                    self.allocator.recover_resources(framework_id, agent_id, role, resources, filters=filters)

    def refuse_all(self) -> None:
        """Offers come and are refused until nobody is left to be asked."""
        self.actor.advance(1)
        while self.made:
            self.give_back(LONG)
            self.actor.advance(1)

    def shrink_all(self) -> None:
        """Every agent has a bit less, so that no answer of before is known to hold."""
        self.shrunk += 1
        total = AGENT - Resources.parse(f"mem:{self.shrunk}")
        for number in range(self.agents):
            self.allocator.update_agent(f"A{number:05}", total=total)

    def reconsider_all(self) -> None:
        """UPDATE_FRAMEWORK by all: filters stay, but everybody has to be looked at again."""
        for framework_id, role in self.roles.items():
            self.allocator.update_framework(framework_id, self._options(role))
