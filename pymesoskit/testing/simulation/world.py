"""One run: a cluster in virtual time, frameworks that can crash and come back, and the faults of a plan."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Protocol

from pymesoskit.testing.cluster.cluster import SimulatedCluster
from pymesoskit.testing.engine.machine.simulated import Outcome
from pymesoskit.testing.runtime.journal import Entry, Fate, Way
from pymesoskit.testing.simulation.faults import MessageFault, TimedFault, check_range
from pymesoskit.testing.simulation.plan import PlanError, between, chance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pymesoskit.testing.cluster.cluster import ClusterAgent
    from pymesoskit.testing.cluster.inprocess import InProcessTransport
    from pymesoskit.wire.v1 import mesos


_OUTCOMES: dict[str, Callable[[float], Outcome]] = {
    "finishes": Outcome.finishes,
    "fails": Outcome.fails,
    "crashes": Outcome.crashes,
    "loses_executor": Outcome.loses_executor,
}


class WorldError(Exception):
    """The function that builds the world asks for something impossible."""


class Driver(Protocol):
    """A driver, as far as a world needs it."""

    def start(self) -> Any:
        """Starts it."""

    @property
    def ended(self) -> bool:
        """Whether it has ended."""

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if that was an error."""


class SurvivingId:
    """A store of a framework's id that survives a crash of the framework."""

    def __init__(self) -> None:
        self._framework_id: str | None = None

    def load(self) -> str | None:
        """Returns the id, or None if none is stored."""
        return self._framework_id

    def save(self, framework_id: str) -> None:
        """Stores it."""
        self._framework_id = framework_id

    def clear(self) -> None:
        """Forgets it."""
        self._framework_id = None


class Life:
    """One life of a framework's process: from its start to its crash or the end of the run."""

    def __init__(self, number: int, disk: dict[str, Any], ids: SurvivingId, transport: InProcessTransport) -> None:
        self.number: int = number  # the first is 1
        self.disk: dict[str, Any] = disk  # what survives a crash
        self.ids: SurvivingId = ids  # a store for the framework's id, which survives, too
        self.transport: InProcessTransport = transport


class SimulatedFramework:
    """A framework that can crash and be started again."""

    def __init__(self, world: World, name: str, make: Callable[[Life], Driver]) -> None:
        self._world = world
        self._make = make
        self._ids = SurvivingId()
        self._lives = 0
        self.name: str = name
        self.disk: dict[str, Any] = {}
        self.running: bool = False
        self.life: Life
        self.driver: Driver

    def restart(self) -> None:
        """Starts a new life on what has survived. Harmless if it runs."""
        if self.running:
            return
        self._lives += 1
        self.running = True
        transport = self._world.new_transport(f"{self.name}/{self._lives}")
        self.life = Life(self._lives, self.disk, self._ids, transport)
        self.driver = self._make(self.life)
        self.driver.start()

    def crash(self) -> None:
        """Ends the process without a farewell. Harmless if it does not run."""
        if self.running:
            self.running = False
            self.life.transport.kill()


class World:
    """What the function that is given to ``simulate`` builds, once for each seed."""

    def __init__(
        self, seed: int, faults: Sequence[MessageFault | TimedFault], plan: Mapping[str, str] | None = None
    ) -> None:
        self.seed: int = seed
        self.frameworks: dict[str, SimulatedFramework] = {}
        self.decided: dict[str, str] = {}  # the plan of this run: the faults that have happened
        self._cluster: SimulatedCluster | None = None
        self._message_faults = [fault for fault in faults if isinstance(fault, MessageFault)]
        self._timed_faults = {fault.name: fault for fault in faults if isinstance(fault, TimedFault)}
        self._plan = plan
        self._counts: Counter[str] = Counter()
        self._healed = False
        self._present: dict[str, Callable[[], None]] = {}  # faults in time that are to be healed
        self._latency = (0.0, 0.0)
        self._handler_time = (0.0, 0.0)

    @property
    def cluster(self) -> SimulatedCluster:
        """The cluster. Raises ``WorldError`` before ``start_cluster``."""
        if self._cluster is None:
            raise WorldError("call world.start_cluster(…) first")
        return self._cluster

    def start_cluster(
        self,
        agents: Any = 3,
        *,
        latency: tuple[float, float] = (0.0, 0.2),
        handler_time: tuple[float, float] = (0.0, 0.1),
        **options: Any,
    ) -> SimulatedCluster:
        """Starts the cluster of this run. The options are those of ``SimulatedCluster``.

        Everything that passes takes between ``latency`` seconds, drawn by the seed; what passes one way between two
        parties keeps its order. What a client reads waits for ``handler_time`` seconds, as if handlers took so long.
        """
        if self._cluster is not None:
            raise WorldError("the cluster has been started before")
        self._latency = check_range("latency", latency)
        self._handler_time = check_range("handler_time", handler_time)
        cluster = self._cluster = SimulatedCluster(agents, seed=self.seed, **options)
        cluster.start()
        cluster.call(cluster.journal.judge, self._judge)
        for key, at in self._timed():
            self._schedule(key, at)
        if self._plan is None:
            for fault in self._timed_faults.values():
                self._draw_next(fault, 1, 0.0)
        return cluster

    def framework(self, name: str, make: Callable[[Life], Driver]) -> SimulatedFramework:
        """Starts a framework: ``make(life)`` returns its driver, once for each life.

        ``name`` must be the name in its FrameworkInfo. The driver uses ``life.transport`` and, to remain the same
        framework, ``store=life.ids``; ``life.disk`` is a dictionary for whatever it stores.
        """
        if name in self.frameworks:
            raise WorldError(f"there is a framework {name!r} already")
        framework = self.frameworks[name] = SimulatedFramework(self, name, make)
        framework.restart()
        return framework

    def draw(self, weights: Mapping[str, float], after: tuple[float, float] = (0.0, 60.0)) -> Any:
        """Returns outcomes of tasks for ``simulated=``: ``{"finishes": 8, "fails": 2}``, after so many seconds.

        Each task's outcome depends on the seed and the task's id only. Known are finishes, fails, crashes,
        loses_executor. Raises ``WorldError`` for another name.
        """
        unknown = sorted(set(weights) - set(_OUTCOMES))
        if unknown or not weights:
            raise WorldError(f"unknown outcome {unknown[0]!r}" if unknown else "there must be at least one outcome")
        total = sum(weights.values())

        def outcome(task: mesos.TaskInfo) -> Outcome:
            drawn = chance(self.seed, "outcome", task.task_id.value) * total
            run_time = between(after, self.seed, "run time", task.task_id.value)
            below = itertools.accumulate(weights.values())
            name = next(name for name, bound in zip(weights, below, strict=True) if drawn < bound)
            return _OUTCOMES[name](run_time)

        return outcome

    def agent(self, name: str) -> ClusterAgent:
        """Returns the agent of this name. Raises ``PlanError`` if there is none."""
        for agent in self.cluster.agents:
            if agent.name == name:
                return agent
        raise PlanError(f"there is no {name!r} in this world")

    def new_transport(self, name: str) -> InProcessTransport:
        """Returns a transport for one life of a framework."""
        numbers = Counter[str]()

        def handler_time() -> float:
            numbers[name] += 1
            return between(self._handler_time, self.seed, "handler", name, numbers[name])

        return self.cluster.new_transport(name, handler_time)

    def in_turn_fault(self, make: Callable[[], Any]) -> Callable[[], None]:
        """Makes a fault of ``cluster.faults`` within the cluster's turn; returns what heals it."""
        fault = make()
        heal: Callable[[], None] = fault.heal
        return heal

    def heal(self) -> None:
        """Ends all faults: what is cut off is joined, what is down is started. No further fault happens."""
        self._healed = True
        for key in list(self._present):
            self._heal(key)
        for framework in self.frameworks.values():
            framework.restart()

    # Faults of what passes

    def _judge(self, entry: Entry) -> Fate | None:
        key = self._key(entry)
        name = "deliver"
        if not self._healed:
            name = self._message_fate(entry, key)
        delay = between(self._latency, self.seed, "latency", key) if self._latency[1] else 0.0
        return Fate(name, delay) if delay or name != "deliver" else None

    def _key(self, entry: Entry) -> str:
        match entry.way:
            case Way.CALL:
                key = f"{entry.sender}/{entry.kind}"
            case Way.EVENT:
                key = f"{entry.to}<{entry.kind}"
            case Way.REPLY:
                key = f"{entry.to}<reply"
            case _:
                key = f"{entry.sender}>{entry.to}/{entry.kind}"
        self._counts[key] += 1
        return f"{key}/{self._counts[key]}"

    def _message_fate(self, entry: Entry, key: str) -> str:
        if self._plan is not None:
            fate = self._plan.get(key, "deliver")
        else:
            fate = "deliver"
            for fault in self._message_faults:
                if fault.concerns(entry) and chance(self.seed, fault.name, key) < fault.probability:
                    fate = fault.fate
                    break
        if fate != "deliver":
            self.decided[key] = fate
        return fate

    # Faults in time

    def _timed(self) -> list[tuple[str, float]]:
        """The faults in time of the given plan, and when each begins."""
        found = []
        for key, fate in (self._plan or {}).items():
            name = key.rpartition("/")[0]
            if name in self._timed_faults:
                found.append((key, _parse_time(fate)[0]))
        return found

    def _schedule(self, key: str, at: float) -> None:
        fault = self._timed_faults[key.rpartition("/")[0]]
        _, lasts, target = _parse_time((self._plan or {})[key])
        self.cluster.actor.clock.call_later(at, self._begin, fault, key, at, lasts, target)

    def _draw_next(self, fault: TimedFault, number: int, now: float) -> None:
        key = f"{fault.name}/{number}"
        at = now + between(fault.every, self.seed, key, "every")
        lasts = between(fault.lasts, self.seed, key, "lasts")
        self.cluster.actor.clock.call_later(at - now, self._begin_drawn, fault, number, at, lasts)

    def _begin_drawn(self, fault: TimedFault, number: int, at: float, lasts: float) -> None:
        if self._healed:
            return
        self._draw_next(fault, number + 1, at)
        targets = fault.targets(self)
        if targets:
            key = f"{fault.name}/{number}"
            target = targets[int(chance(self.seed, key, "target") * len(targets))]
            self._begin(fault, key, at, lasts, target)

    def _begin(self, fault: TimedFault, key: str, at: float, lasts: float, target: str) -> None:
        if self._healed or target not in fault.targets(self):
            return
        self.decided[key] = f"{at:.3f}s for {lasts:.3f}s: {target}"
        self.cluster.history.note("fault", f"{fault.name}: {target} for {lasts:.1f} s")
        self._present[key] = fault.begin(self, target)
        self.cluster.actor.clock.call_later(lasts, self._heal, key)

    def _heal(self, key: str) -> None:
        heal = self._present.pop(key, None)
        if heal is not None:
            heal()
            self.cluster.history.note("fault", f"{key.rpartition('/')[0]} is over")


_TIMED = re.compile(r"(?P<at>[0-9.]+)s for (?P<lasts>[0-9.]+)s: (?P<target>.+)")


def _parse_time(text: str) -> tuple[float, float, str]:
    """Reads ``12.5s for 3s: batch``. Raises ``PlanError``."""
    found = _TIMED.fullmatch(text)
    if found is None:
        raise PlanError(f"a fault in time is written like '12.5s for 3s: batch', not {text!r}")
    return float(found["at"]), float(found["lasts"]), found["target"]
