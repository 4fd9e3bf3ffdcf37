"""The contract of all policies: the hierarchical one keeps it, with either kind of sorter, one of another kind does, too,
and wrong ones do not.

For each test of the contract there is a policy here that it finds out.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from random import Random
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from pymesoskit.testing.allocator import (
    Allocator,
    AllocatorFactory,
    AllocatorOptions,
    FrameworkOptions,
    HierarchicalAllocator,
    Listener,
    Unavailability,
)
from pymesoskit.testing.allocator.contract import AllocatorContract
from tests.allocator.first_come import FirstCome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pymesoskit.resources import Resources
    from pymesoskit.testing.runtime.clock import Clock


class TestHierarchical(AllocatorContract):
    def make(self, clock: Clock, rng: Random, listener: Listener, options: AllocatorOptions) -> Allocator:
        return HierarchicalAllocator(clock, rng, listener, options)


class TestHierarchicalAtRandom(AllocatorContract):
    def make(self, clock: Clock, rng: Random, listener: Listener, options: AllocatorOptions) -> Allocator:
        return HierarchicalAllocator(
            clock, rng, listener, evolve(options, role_sorter="random", framework_sorter="random")
        )


class TestFirstCome(AllocatorContract):
    """A policy that was written without a look at the hierarchical one."""

    def make(self, clock: Clock, rng: Random, listener: Listener, options: AllocatorOptions) -> Allocator:
        return FirstCome(clock, rng, listener, options)


def failing(factory: AllocatorFactory) -> set[str]:
    """The tests of the contract (without ``test_``) that a policy fails."""

    class Tried(AllocatorContract):
        def make(self, clock: Clock, rng: Random, listener: Listener, options: AllocatorOptions) -> Allocator:
            return factory(clock, rng, listener, options)

    failed = set()
    for name in contract_tests():
        try:
            getattr(Tried(), f"test_{name}")()
        except Exception:  # noqa: BLE001 (however it fails)
            failed.add(name)
    return failed


def contract_tests() -> list[str]:
    return [name.removeprefix("test_") for name in dir(AllocatorContract) if name.startswith("test_")]


def deaf_to(*methods: str) -> AllocatorFactory:
    """The hierarchical policy, but nothing happens in these methods."""
    return type("Deaf", (HierarchicalAllocator,), {name: lambda *_, **__: None for name in methods})


class WithoutFilters(HierarchicalAllocator):
    def recover_resources(self, *args: Any, filters: Any = None, **more: Any) -> None:
        super().recover_resources(*args, **more)


class FiltersForEver(HierarchicalAllocator):
    """Takes what was refused off the agent: not more nor less is offered there."""

    def recover_resources(self, framework_id: str, agent_id: str, role: str, resources: Any, **more: Any) -> None:
        if more.get("filters") is None or not more["filters"].refuse_seconds:
            super().recover_resources(framework_id, agent_id, role, resources, **more)


class RevivesWithoutFilters(HierarchicalAllocator):
    def revive_offers(self, framework_id: str, roles: Any = ()) -> None:
        filters = {role: dict(by_agent) for role, by_agent in self._frameworks[framework_id].filters.items()}
        super().revive_offers(framework_id, roles)
        for role, by_agent in filters.items():
            for agent, refusals in by_agent.items():
                for refusal in refusals:
                    self._filters.add(self._frameworks[framework_id], role, agent, refusal.refused, 1000.0)


class WithoutLimits(HierarchicalAllocator):
    def update_quota(self, role: str, guarantees: Any, limits: Any) -> None:
        super().update_quota(role, guarantees, {})


class WithoutGuarantees(HierarchicalAllocator):
    def update_quota(self, role: str, guarantees: Any, limits: Any) -> None:
        super().update_quota(role, {}, limits)


class WithoutRecovery(HierarchicalAllocator):
    def recover(self, expected_agents: int, quotas: Any) -> None:
        super().recover(0, quotas)


class Unseeded(HierarchicalAllocator):
    """Chance of its own."""

    def __init__(self, clock: Clock, _rng: Random, listener: Listener, options: AllocatorOptions) -> None:
        super().__init__(clock, Random(next(SEEDS)), listener, options)


SEEDS = iter(range(1000, 1_000_000))


class EverybodyIsAble(HierarchicalAllocator):
    """Overlooks capabilities."""

    def add_framework(self, framework_id: str, options: FrameworkOptions, **more: Any) -> None:
        able = {"GPU_RESOURCES", "REVOCABLE_RESOURCES", "REGION_AWARE", *options.capabilities}
        super().add_framework(framework_id, evolve(options, capabilities=able), **more)


class NobodyIsParticular(HierarchicalAllocator):
    """Overlooks constraints and least amounts."""

    def __init__(self, clock: Clock, rng: Random, listener: Listener, options: AllocatorOptions) -> None:
        super().__init__(clock, rng, listener, evolve(options, min_allocatable_resources=None))

    def add_framework(self, framework_id: str, options: FrameworkOptions, **more: Any) -> None:
        super().add_framework(framework_id, evolve(options, constraints=None), **more)


class IgnoresWhatIsUsed(HierarchicalAllocator):
    def add_agent(self, *args: Any, used: Any = None, **more: Any) -> None:
        super().add_agent(*args, **more)


class FirstRoleOnly(HierarchicalAllocator):
    """Offers for the first of a framework's roles, and suppresses all at once."""

    def suppress_offers(self, framework_id: str, roles: Any = ()) -> None:
        super().suppress_offers(framework_id)


class Unreserved(HierarchicalAllocator):
    """Gives reserved resources to anybody: it does not see the reservations."""

    def add_agent(self, agent_id: str, options: Any, total: Resources, **more: Any) -> None:
        super().add_agent(agent_id, options, total.to_unreserved(), **more)


class Unchecked(HierarchicalAllocator):
    """Lets operators change what others hold."""

    def update_available(self, agent_id: str, conversions: Any) -> None:
        with contextlib.suppress(ValueError):
            super().update_available(agent_id, conversions)


class InTwain(HierarchicalAllocator):
    """Offers only half of each CPU."""

    def add_agent(self, agent_id: str, options: Any, total: Resources, **more: Any) -> None:
        half = type(total)(r.with_value(r.value / 2) if r.name == "cpus" else r for r in total)
        super().add_agent(agent_id, options, half, **more)


class Spendthrift(HierarchicalAllocator):
    """Forgets what it has offered."""

    def __init__(self, clock: Clock, rng: Random, listener: Listener, options: AllocatorOptions) -> None:
        super().__init__(clock, rng, _Forgetting(self, clock, listener), options)


class Nagging(HierarchicalAllocator):
    """Asks frameworks to leave an agent again and again."""

    def __init__(self, clock: Clock, rng: Random, listener: Listener, options: AllocatorOptions) -> None:
        super().__init__(clock, rng, _Forgetting(self, clock, listener, offers=False), options)


class _Forgetting:
    def __init__(self, policy: HierarchicalAllocator, clock: Clock, listener: Listener, *, offers: bool = True) -> None:
        self._policy = policy
        self._clock = clock
        self._listener = listener
        self._is_about_offers = offers

    def offers(self, framework_id: str, offers: Mapping[str, Mapping[str, Resources]]) -> None:
        self._listener.offers(framework_id, offers)
        if self._is_about_offers:
            for role, by_agent in offers.items():
                for agent_id, resources in by_agent.items():
                    self._clock.call_later(0, self._policy.recover_resources, framework_id, agent_id, role, resources)

    def inverse_offers(self, framework_id: str, offers: Mapping[str, Unavailability]) -> None:
        self._listener.inverse_offers(framework_id, offers)
        if not self._is_about_offers:
            for agent_id, unavailability in offers.items():
                self._clock.call_later(
                    0, self._policy.update_inverse_offer, agent_id, framework_id, unavailability, None
                )


class Uncounted(HierarchicalAllocator):
    def metrics(self) -> dict[str, float]:
        return {**super().metrics(), "allocator/mesos/resources/cpus/offered_or_allocated": 0.0}


class KeepsWhatIsLaunched(HierarchicalAllocator):
    """Does not take back what was used."""

    def recover_resources(self, *args: Any, allocated: bool = False, **more: Any) -> None:
        if not allocated:
            super().recover_resources(*args, **more)


WRONG: list[tuple[str, AllocatorFactory, set[str]]] = [
    ("offers everything again", Spendthrift, {
        "what_is_held_is_not_offered_again", "of_several_frameworks_nobody_gets_what_another_has",
        "what_is_launched_stays_held_until_it_ends",
    }),
    ("offers half", InTwain, {"an_idle_agent_is_offered_whole_to_the_only_framework"}),
    ("takes nothing back", deaf_to("recover_resources"), {"what_comes_back_is_offered_again_within_an_interval"}),
    ("keeps what was launched", KeepsWhatIsLaunched, {"more_than_was_refused_is_offered_despite_the_filter"}),
    ("does not see agents change", deaf_to("update_agent"), {"an_agents_growth_is_offered"}),
    ("does not see what is used", IgnoresWhatIsUsed, {"used_resources_of_a_new_agent_are_not_offered"}),
    ("keeps agents for ever", deaf_to("remove_agent"), {"resources_of_a_removed_agent_are_gone"}),
    ("keeps frameworks for ever", deaf_to("remove_framework"), {"resources_of_a_removed_framework_go_to_others"}),
    ("does not revive", deaf_to("revive_offers"), {
        "suppressed_frameworks_get_nothing_until_they_revive", "revive_forgets_filters",
    }),
    ("revives, but not the filters", RevivesWithoutFilters, {"revive_forgets_filters"}),
    ("suppresses too much", FirstRoleOnly, {"suppression_is_by_role"}),
    ("does not suppress", deaf_to("suppress_offers"), {"suppression_is_by_role"}),
    ("goes on with those that are gone", deaf_to("deactivate_framework"), {
        "inactive_frameworks_get_nothing_and_keep_what_they_hold",
    }),
    ("does not see frameworks change", deaf_to("update_framework"), {"a_role_that_is_left_gets_no_offers"}),
    ("does not see reservations", Unreserved, {"reserved_resources_go_to_their_role_and_those_below"}),
    ("does not see capabilities", EverybodyIsAble, {
        "agents_with_gpus_go_to_frameworks_that_ask_for_them", "revocable_resources_need_a_capability",
        "agents_of_other_regions_need_a_capability",
    }),
    ("does not see wishes", NobodyIsParticular, {"constraints_hide_agents", "too_little_is_not_offered"}),
    ("has no filters", WithoutFilters, {"what_was_refused_stays_away_for_the_time_given"}),
    ("refuses for all", FiltersForEver, {"filters_are_one_frameworks"}),
    ("offers agents that are not active", deaf_to("deactivate_agent"), {
        "deactivated_and_unlisted_agents_are_not_offered",
    }),
    ("has no whitelist", deaf_to("update_whitelist"), {"deactivated_and_unlisted_agents_are_not_offered"}),
    ("does not pause", deaf_to("pause"), {
        "nothing_is_offered_while_paused", "after_a_failover_with_quota_offers_wait_for_agents",
    }),
    ("does not wait after a failover", WithoutRecovery, {"after_a_failover_with_quota_offers_wait_for_agents"}),
    ("does not stop", deaf_to("stop"), {"a_stopped_allocator_offers_nothing"}),
    ("has no limits", WithoutLimits, {"a_role_gets_no_more_than_its_limit"}),
    ("has no guarantees", WithoutGuarantees, {"a_guarantee_is_kept_free"}),
    ("applies no operations", deaf_to("update_allocation"), {
        "an_operation_changes_what_is_held_and_what_there_is",
    }),
    ("does not look who holds it", Unchecked, {"an_operator_can_change_only_what_nobody_holds"}),
    ("asks nobody to leave", deaf_to("update_unavailability"), {
        "frameworks_are_asked_once_to_leave_an_agent_in_maintenance",
    }),
    ("nags", Nagging, {"frameworks_are_asked_once_to_leave_an_agent_in_maintenance"}),
    ("counts wrong", Uncounted, {"metrics_count_what_is_there"}),
    ("has chance of its own", Unseeded, {"the_same_seed_gives_the_same_history"}),
]  # fmt: skip


@pytest.mark.parametrize(("factory", "tests"), [pytest.param(*rest, id=name) for name, *rest in WRONG])
def test_a_policy_that_is_wrong_is_found_out(factory: AllocatorFactory, tests: set[str]) -> None:
    assert tests <= failing(factory)


def test_each_test_of_the_contract_finds_a_policy_out() -> None:
    assert set().union(*(tests for _, _, tests in WRONG)) == set(contract_tests())


OUTSIDER = """
    from pymesoskit.testing.allocator import HierarchicalAllocator
    from pymesoskit.testing.allocator.contract import AllocatorContract

    class Careless(HierarchicalAllocator):
        def update_quota(self, role, guarantees, limits):
            pass

    class TestCareless(AllocatorContract):
        def make(self, clock, rng, listener, options):
            return Careless(clock, rng, listener, options)
"""


def test_pytest_shows_an_outsider_what_is_wrong_with_a_policy(tmp_path: Path) -> None:
    (tmp_path / "test_careless.py").write_text(dedent(OUTSIDER))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "test_careless.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"2 failed, {len(contract_tests()) - 2} passed" in done.stdout
    assert "assert 6.0 == 3" in done.stdout
    assert "FAILED test_careless.py::TestCareless::test_a_role_gets_no_more_than_its_limit" in done.stdout
