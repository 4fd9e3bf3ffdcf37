"""Single rules that the transcripts leave out: moments, bad input, timers' metrics, what stays in memory."""

from __future__ import annotations

import pytest

from pymesoskit.resources import Resources
from pymesoskit.testing.allocator import (
    AgentOptions,
    AllocatorOptions,
    Filters,
    FrameworkOptions,
    HierarchicalAllocator,
    InverseOfferResponse,
    Quota,
    Unavailability,
)
from pymesoskit.testing.allocator.filters import filter_seconds
from pymesoskit.testing.allocator.metrics import TimerMetric
from pymesoskit.testing.allocator.playground import Playground

SMALL = "cpus:2;mem:1024"


def one_offer(options: AllocatorOptions | None = None) -> Playground:
    world = Playground(options)
    world.add_framework("F", ["a"])
    world.add_agent("A", SMALL)
    return world


@pytest.mark.parametrize(
    ("refuse_seconds", "lasts"),
    [(0, 0), (0.25, 0.25), (7, 7), (-1, 5), (float("nan"), 5), (31536000, 31536000), (1e12, 31536000)],
)
def test_how_long_a_filter_lasts(refuse_seconds: float, lasts: float) -> None:
    assert filter_seconds(refuse_seconds) == lasts


def test_a_filter_outlives_the_run_of_the_moment_it_ends_at() -> None:
    """Refused for exactly an interval: the next run still passes over it, the one after does not."""
    world = one_offer()
    world.advance(1)
    world.decline(world.offered[0], refuse_seconds=1)
    assert world.advance(1) == []
    assert len(world.advance(1)) == 1


@pytest.mark.parametrize("refuse_seconds", [2, 3, 7])
def test_a_filter_that_is_older_than_the_wait_for_a_run_ends_before_that_run(refuse_seconds: float) -> None:
    """As in Mesos's HierarchicalAllocatorTest.OfferFilter: declined for two intervals, offered after two intervals."""
    world = one_offer()
    world.advance(1)
    world.decline(world.offered[0], refuse_seconds)
    assert world.advance(refuse_seconds - 0.5) == []
    assert [held.at for held in world.advance(0.5)] == [1.0 + refuse_seconds]


def test_filters_that_end_at_one_moment_end_each_on_its_side_of_the_run() -> None:
    world = Playground()
    world.add_framework("F", ["a"])
    world.add_agent("older", SMALL)
    world.add_agent("younger", SMALL)
    older, younger = sorted(world.offered, key=lambda held: held.agent_id)
    world.decline(older, refuse_seconds=3)
    world.advance(2)
    world.decline(younger, refuse_seconds=1)
    assert [(held.at, held.agent_id) for held in world.advance(1)] == [(3.0, "older")]
    assert [(held.at, held.agent_id) for held in world.advance(1)] == [(4.0, "younger")]


def test_a_filter_of_inverse_offers_ends_before_the_run_of_the_same_moment() -> None:
    world = Playground()
    world.add_framework("F", ["a"])
    world.add_agent("A", SMALL, unavailability=Unavailability(100.0))
    world.answer(world.inverse_offers[0], InverseOfferResponse.DECLINE, refuse_seconds=1)
    world.advance(1)
    assert len(world.inverse_offers) == 1


def test_a_filter_lasts_an_interval_at_least() -> None:
    world = one_offer(AllocatorOptions(allocation_interval=10))
    world.decline(world.offered[0], refuse_seconds=1)
    world.add_framework("G", ["a"], suppressed=["a"])  # asks for a run over all
    assert world.advance(9) == []
    assert len(world.advance(11)) == 1


def test_the_runs_of_one_turn_are_one() -> None:
    world = Playground()
    world.allocator.add_framework("F", FrameworkOptions(["a"]))
    for number in range(10):
        world.allocator.add_agent(f"A{number}", AgentOptions("h"), Resources.parse(SMALL))
    world.advance()
    assert world.allocator.metrics()["allocator/mesos/allocation_runs"] == 1
    assert len(world.offered) == 10


def test_a_run_that_is_paused_before_its_turn_does_not_happen() -> None:
    world = Playground()
    world.add_framework("F", ["a"])
    world.allocator.add_agent("A", AgentOptions("h"), Resources.parse(SMALL))
    world.allocator.pause()
    assert world.advance() == []
    world.allocator.resume()
    assert len(world.advance(1)) == 1


def test_a_filter_for_a_role_that_was_left_counts_when_the_framework_comes_back() -> None:
    world = one_offer()
    world.allocator.update_framework("F", FrameworkOptions(["b"]))
    world.decline(world.offered[0], refuse_seconds=10)
    world.allocator.update_framework("F", FrameworkOptions(["a"]))
    assert world.advance(9) == []
    assert [offer.role for offer in world.advance(3)] == ["a"]


class TestBadInput:
    def test_resources_that_are_not_held_cannot_come_back(self) -> None:
        world = one_offer()
        with pytest.raises(ValueError, match="'F' in role 'a' does not hold cpus:3 on agent 'A', but cpus:2; mem:1024"):
            world.allocator.recover_resources("F", "A", "a", Resources.parse("cpus:3"))
        with pytest.raises(ValueError, match="does not hold"):
            world.allocator.recover_resources("F", "A", "b", Resources.parse("cpus:1"))
        assert world.allocator.metrics()["allocator/mesos/resources/cpus/offered_or_allocated"] == 2

    def test_nobody_comes_twice(self) -> None:
        world = one_offer()
        with pytest.raises(ValueError, match="Framework 'F' is known already"):
            world.allocator.add_framework("F", FrameworkOptions(["a"]))
        with pytest.raises(ValueError, match="Agent 'A' is known already"):
            world.allocator.add_agent("A", AgentOptions("A"), Resources())

    def test_an_unknown_sorter(self) -> None:
        with pytest.raises(ValueError, match="Unknown --role_sorter 'fifo': expecting one of drf, random"):
            Playground(AllocatorOptions(role_sorter="fifo"))

    def test_recovery_comes_first(self) -> None:
        world = one_offer()
        with pytest.raises(ValueError, match="before all agents"):
            world.allocator.recover(1, {"a": Quota({"cpus": 1})})

    def test_roles_that_a_framework_lacks_are_passed_over(self) -> None:
        """The real allocator ends there."""
        world = one_offer()
        world.allocator.suppress_offers("F", ["nobody"])
        world.allocator.revive_offers("F", ["nobody"])
        world.decline(world.offered[0], 0)
        assert len(world.advance(1)) == 1

    def test_an_agent_may_come_while_paused(self) -> None:
        """The real allocator ends there."""
        world = Playground()
        world.add_framework("F", ["a"])
        world.allocator.pause()
        assert world.add_agent("A", SMALL) == []
        world.allocator.resume()
        assert len(world.advance(1)) == 1

    def test_a_deactivated_framework_that_revives_does_not_stop_the_first_stage(self) -> None:
        """The real allocator ends there."""
        world = Playground()
        world.allocator.update_quota("a", {"cpus": 4}, {})
        world.add_framework("F", ["a"])
        world.add_framework("G", ["a"])
        world.allocator.deactivate_framework("F")
        world.allocator.revive_offers("F")
        world.add_agent("A", SMALL)
        assert world.held_by("G").cpus() == 2


def test_overcommitted_agents_offer_nothing_until_enough_came_back() -> None:
    world = one_offer()
    world.add_framework("G", ["b"])
    task = world.launch(world.offered[0])
    world.update_total("A", "cpus:1;mem:512")
    world.finish(task)
    world.advance(1)
    assert world.held_on("A") == Resources.parse("cpus:1;mem:512")


def test_timers_show_statistics_once_there_are_two_values() -> None:
    timer = TimerMetric("t_ms")
    assert timer.read() == {}
    timer.record(0.001)
    assert timer.read() == {"t_ms": 1.0}
    timer.record(0.003)
    values = timer.read()
    assert (values["t_ms"], values["t_ms/count"], values["t_ms/min"], values["t_ms/max"]) == (3.0, 2, 1.0, 3.0)
    assert values["t_ms/p50"] == pytest.approx(2.0)
    assert values["t_ms/p9999"] == pytest.approx(3.0, abs=0.001)


def test_percentiles_lie_between_the_two_nearest_values() -> None:
    timer = TimerMetric("t_ms")
    for milliseconds in (10, 50, 20, 40, 30, 60):
        timer.record(milliseconds / 1000)
    values = timer.read()
    assert values["t_ms"] == pytest.approx(60)
    assert values["t_ms/p50"] == pytest.approx(35)
    assert values["t_ms/p90"] == pytest.approx(55)
    assert values["t_ms/p95"] == pytest.approx(57.5)


def test_revived_filters_do_not_stay_in_memory_until_they_would_have_ended() -> None:
    world = one_offer()
    allocator = world.allocator
    assert isinstance(allocator, HierarchicalAllocator)
    for _ in range(3000):
        offer = world.offered.pop()
        allocator.recover_resources("F", "A", "a", offer.resources, filters=Filters(1e9))
        allocator.revive_offers("F")
        world.advance()
    assert allocator._expiries._count < 3000
    assert len(allocator._expiries._at) == len(allocator._expiries._moments) == 1
