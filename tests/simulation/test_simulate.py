"""Right frameworks keep the rules under all faults; each planted fault is caught, with a small plan."""

from __future__ import annotations

from typing import Any

import pytest

from pymesoskit.testing.checkers import Check, each_once, no_offer_held, one_framework_id, sometimes
from pymesoskit.testing.simulation import (
    PlanError,
    SimulationFailed,
    World,
    WorldError,
    all_faults,
    crash_framework,
    lost_reply,
    simulate,
)
from tests.simulation.frameworks import done, world_of

CHECKS: list[Check] = [each_once("name"), no_offer_held(300), one_framework_id()]


def test_a_right_framework_keeps_the_rules_under_all_faults() -> None:
    report = simulate(world_of(), seeds=30, faults=all_faults(), checks=CHECKS, until=done)
    report.raise_if_failed()
    assert len(report.runs) == 30


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("launches twice", "each_once"),
        ("holds offers", "no_offer_held"),
        ("registers anew", "one_framework_id"),
    ],
)
def test_a_planted_fault_is_caught_with_a_small_plan(fault: str, rule: str) -> None:
    faults = [lost_reply(0.1, "ACCEPT"), crash_framework()]
    checks = [each_once("name"), no_offer_held(30), one_framework_id()]  # nothing is frozen or cut off for so long
    report = simulate(world_of(6, fault), seeds=200, faults=faults, checks=checks, until=done)
    assert report.failed is not None
    assert report.failed.broken == rule
    assert len(report.failed.plan) <= 2
    with pytest.raises(SimulationFailed, match=rule):
        report.raise_if_failed()


def test_a_report_can_be_run_again_from_its_plan() -> None:
    faults = [lost_reply(0.1, "ACCEPT"), crash_framework()]
    failed = simulate(world_of(6, "launches twice"), seeds=200, faults=faults, checks=CHECKS, until=done).failed
    assert failed is not None
    again = simulate(
        world_of(6, "launches twice"), seeds=[failed.seed], faults=faults, checks=CHECKS, until=done, plan=failed.plan
    ).failed
    assert again is not None
    assert (again.broken, again.why, again.story) == (failed.broken, failed.why, failed.story)


def test_one_seed_is_one_history_and_seeds_differ() -> None:
    def history(seed: int) -> tuple[str, ...]:
        lines: list[str] = []

        def build(world: World) -> None:
            world_of(4)(world)
            world.cluster.journal.watch(lambda entry: lines.append(f"{entry.time:.6f} {entry!r}"))

        simulate(build, seeds=[seed], faults=all_faults(), until=done)
        return tuple(lines)

    assert history(3) == history(3)
    assert len({history(seed) for seed in range(10)}) == 10


def test_runs_that_never_saw_the_interesting_thing_prove_nothing() -> None:
    never = sometimes("a teardown", lambda entry: entry.kind == "TEARDOWN")
    report = simulate(world_of(1), seeds=3, checks=[never], until=done)
    with pytest.raises(SimulationFailed, match="3 runs prove nothing about: sometimes a teardown"):
        report.raise_if_failed()


def test_work_that_is_never_done_breaks_a_rule() -> None:
    report = simulate(world_of(1), seeds=1, until=lambda world: False, limit=60, quiet=60)
    assert report.failed is not None
    assert report.failed.why == "the work is not done 60 s after all faults were healed"


@pytest.mark.parametrize("plan", ["batch/ACCEPT/1", "=cut", "crash framework/1=soon"])
def test_a_bad_plan_is_refused(plan: str) -> None:
    with pytest.raises(PlanError):
        simulate(world_of(1), seeds=1, faults=[crash_framework()], until=done, plan=plan)


def test_a_world_without_a_cluster_is_refused() -> None:
    def build(world: World) -> Any:
        return world.cluster

    with pytest.raises(WorldError, match="start_cluster"):
        simulate(build, seeds=1)


@pytest.mark.parametrize(
    ("wrong", "kind", "said"),
    [
        ({"faults": [crash_framework]}, TypeError, "faults must be faults such as lost_reply"),
        ({"faults": [crash_framework(), crash_framework()]}, ValueError, "'crash framework' is given more than once"),
        ({"checks": [each_once]}, TypeError, "checks must be checks such as each_once"),
    ],
)
def test_what_is_no_fault_and_no_check_is_refused(wrong: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        simulate(world_of(1), seeds=1, **wrong)


def test_a_range_has_the_smaller_number_first() -> None:
    with pytest.raises(ValueError, match="latency must be two numbers of seconds, the smaller first"):
        simulate(lambda world: world.start_cluster(1, latency=(1, 0)), seeds=1)


def test_a_probability_is_between_0_and_1() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        lost_reply(2)
