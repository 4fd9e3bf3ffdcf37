"""``simulate``: many seeds, checks, a minimal plan for what fails, and a report."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from attrs import field, frozen

from pymesoskit.testing.checkers.base import Check, Checking, Invalid, Unknown, Valid
from pymesoskit.testing.runtime.actor import Deadlock, Livelock
from pymesoskit.testing.simulation.faults import MessageFault, TimedFault
from pymesoskit.testing.simulation.plan import parse_plan, plan_text
from pymesoskit.testing.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence


#: How many runs shrinking may take.
SHRINK_RUNS = 200

#: How many lines of the conversation a report shows.
STORY_LINES = 40


class SimulationFailed(AssertionError):
    """A run broke a rule; the text says which, with which faults, and how to run it again."""


@frozen
class Run:
    """What happened with one seed."""

    seed: int
    plan: Mapping[str, str]  # the faults that happened
    broken: str = ""  # the name of the check whose rule was broken; "" if all held
    why: str = ""
    unknown: tuple[str, ...] = ()  # names of checks that could not decide
    decided: tuple[str, ...] = ()  # names of checks whose rule held
    story: str = field(default="", repr=False)
    seconds: float = 0.0  # of virtual time


@frozen
class Report:
    """What happened in a simulation."""

    runs: tuple[Run, ...]
    failed: Run | None = None  # the first run that broke a rule, with a plan that is as small as possible
    undecided: tuple[str, ...] = ()  # checks that no run could decide

    def __str__(self) -> str:
        if self.failed is not None:
            run = self.failed
            count = f"{len(run.plan)} fault{'' if len(run.plan) == 1 else 's'} left"
            return (
                f"seed {run.seed}: {run.broken}: {run.why}\n"
                f"{count}: {plan_text(run.plan) or 'none is needed'}\n"
                f"run it again: simulate(…, seeds=[{run.seed}], plan={plan_text(run.plan)!r})\n{run.story}"
            )
        if self.undecided:
            return f"{len(self.runs)} runs prove nothing about: {', '.join(self.undecided)}"
        return f"{len(self.runs)} runs kept all rules"

    def raise_if_failed(self) -> None:
        """Raises ``SimulationFailed`` if a rule was broken, or if no run decided a check."""
        if self.failed is not None or self.undecided:
            raise SimulationFailed(str(self))


def simulate(
    build: Callable[[World], object],
    *,
    seeds: int | Iterable[int] = 100,
    faults: Sequence[MessageFault | TimedFault] = (),
    checks: Sequence[Check] = (),
    until: Callable[[World], bool] | None = None,
    limit: float = 3600.0,
    quiet: float = 900.0,
    plan: str | Mapping[str, str] | None = None,
) -> Report:
    """Runs a world once for each seed, under faults, until a check finds its rule broken.

    - ``build(world)`` starts the cluster and the frameworks.
    - ``seeds``: how many, from 0 on, or which.
    - ``faults``: what to draw from (``pymesoskit.testing.simulation``: ``lost_reply(0.05)``, ``crash_framework()``, …).
    - ``until(world)``: whether the work is done; then the faults are healed. It must hold within ``limit`` seconds of
      virtual time, or within ``quiet`` seconds after the faults were healed. Without it a run takes ``limit`` seconds.
    - ``plan``: exactly these faults, as a report prints them, instead of drawn ones.

    A framework whose driver ends with an error, and an error inside the cluster, break a rule, too. A run that breaks
    one is repeated with fewer and fewer faults until none can be left out. Raises ``PlanError`` for a bad plan.
    """
    logger = logging.getLogger("pymesoskit")  # the drivers' warnings about faults say nothing new
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        return _simulate(_Simulation(build, faults, checks, until, limit, quiet), seeds, plan)
    finally:
        logger.setLevel(level)


def _simulate(one: _Simulation, seeds: int | Iterable[int], plan: str | Mapping[str, str] | None) -> Report:
    chosen = range(seeds) if isinstance(seeds, int) else list(seeds)
    given = parse_plan(plan) if isinstance(plan, str) else plan
    runs: list[Run] = []
    for seed in chosen:
        run = one.run(seed, given)
        runs.append(run)
        if run.broken:
            return Report(tuple(runs), one.shrink(run))
    never = {name for run in runs for name in run.unknown} - {name for run in runs for name in run.decided}
    return Report(tuple(runs), None, tuple(sorted(never)))


class _Simulation:
    """The arguments of one ``simulate``."""

    def __init__(
        self,
        build: Callable[[World], object],
        faults: Sequence[MessageFault | TimedFault],
        checks: Sequence[Check],
        until: Callable[[World], bool] | None,
        limit: float,
        quiet: float,
    ) -> None:
        for fault in faults:
            if not isinstance(fault, (MessageFault, TimedFault)):
                raise TypeError(f"faults must be faults such as lost_reply(0.05), not {fault!r}")
        names = [fault.name for fault in faults if isinstance(fault, TimedFault)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the fault {name!r} is given more than once")
        for check in checks:
            if not isinstance(check, Check):
                raise TypeError(f"checks must be checks such as each_once('name'), not {check!r}")
        self._build = build
        self._faults = faults
        self._checks = tuple(checks)
        self._until = until
        self._limit = limit
        self._quiet = quiet

    def run(self, seed: int, plan: Mapping[str, str] | None) -> Run:
        """Runs one seed; with a plan, under exactly its faults."""
        world = World(seed, self._faults, plan)
        try:
            self._build(world)
            watching = Checking(world.cluster.journal, self._checks)
            start = world.cluster.journal.now()
            broken, why = self._live(world, watching)
            if not broken:
                watching.end(world.cluster.journal.now())
                broken, why = _broken(watching)
            return Run(
                seed,
                dict(world.decided),
                broken,
                why,
                tuple(check.name for check in watching.checks if isinstance(check.verdict, Unknown)),
                tuple(check.name for check in watching.checks if isinstance(check.verdict, Valid)),
                world.cluster.conversation(STORY_LINES) if broken else "",
                world.cluster.journal.now() - start,
            )
        finally:
            if world._cluster is not None:
                for framework in world.frameworks.values():
                    framework.crash()
                world._cluster.stop()

    def _live(self, world: World, watching: Checking) -> tuple[str, str]:
        """Lets the world run to its end. Returns which rule was broken outside the checks, and why."""
        until = self._until
        actor = world.cluster.actor
        trouble = ("", "")

        def over() -> bool:
            nonlocal trouble
            trouble = _trouble(world)
            return bool(trouble[0]) or watching.broken is not None or (until is not None and until(world))

        for seconds, heals in ((self._limit, True), (self._quiet, False)):
            try:
                actor.run_until(over, seconds)
            except Deadlock:
                if until is not None and not heals:
                    return "done", f"the work is not done {self._quiet:g} s after all faults were healed"
            except Livelock as livelock:
                return "livelock", str(livelock).partition("\n")[0]
            if trouble[0] or watching.broken is not None:
                return trouble if trouble[0] else _broken(watching)
            if heals:
                world.heal()
                actor.settle()
                if until is None:
                    break
        return "", ""

    def shrink(self, run: Run) -> Run:
        """Leaves out as many faults as possible so that the same rule is still broken."""
        best = run
        budget = SHRINK_RUNS
        size = max(1, len(best.plan) // 2)
        while budget > 0:
            keys = list(best.plan)
            for begin in range(0, len(keys), size):
                budget -= 1
                tried = self.run(run.seed, {key: best.plan[key] for key in keys[:begin] + keys[begin + size :]})
                if tried.broken == run.broken and len(tried.plan) < len(best.plan):
                    best = tried
                    break
                if budget <= 0:
                    break
            else:
                if size == 1:
                    break
                size = max(1, size // 2)
                continue
            size = max(1, min(size, len(best.plan)))
            if not best.plan:
                break
        return best


def _broken(watching: Checking) -> tuple[str, str]:
    for check in watching.checks:
        if isinstance(check.verdict, Invalid):
            return check.name, check.verdict.why
    return "", ""


def _trouble(world: World) -> tuple[str, str]:
    """Returns what is broken whatever the checks are."""
    for framework in world.frameworks.values():
        if framework.running and framework.driver.ended and framework.driver.failure is not None:
            return "driver alive", f"the driver of {framework.name} ended: {framework.driver.failure}"
    if world.cluster.history.failures:
        return "cluster sound", f"{world.cluster.history.failures} unexpected errors inside the cluster"
    return "", ""
