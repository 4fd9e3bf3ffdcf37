"""The tests that every allocation policy must pass, whatever it prefers.

To try a policy of your own, say how it is made, and let pytest run what is inherited:

    class TestMyPolicy(AllocatorContract):
        def make(self, clock, rng, listener, options):
            return MyPolicy(clock, rng, listener, options)

The tests use one framework where the choice among several is the policy's. Source: docs/reference/allocator.md, what of
it is not about order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pymesoskit.resources import Conversion, Reservation, Resource, Resources, ResourcesError
from pymesoskit.testing.allocator.api import (
    AgentOptions,
    Allocator,
    AllocatorOptions,
    FaultDomain,
    FrameworkOptions,
    InverseOfferResponse,
    Listener,
    Quota,
    Unavailability,
)
from pymesoskit.testing.allocator.playground import Playground

if TYPE_CHECKING:
    from random import Random

    from pymesoskit.testing.runtime.clock import Clock

SMALL = "cpus:2;mem:1024"
LARGE = "cpus:4;mem:2048;disk:100;ports:[31000-31009]"


class AllocatorContract(ABC):
    """Subclass it and define `make`."""

    @abstractmethod
    def make(self, clock: Clock, rng: Random, listener: Listener, options: AllocatorOptions) -> Allocator:
        """The policy under test."""

    def world(self, options: AllocatorOptions | None = None) -> Playground:
        """A playground with the policy."""
        return Playground(options, factory=self.make)

    def world_with_offer(self) -> Playground:
        """One framework, one agent, which it has been offered."""
        world = self.world()
        world.add_framework("F", ["a"])
        world.add_agent("A", LARGE)
        world.advance(1)
        assert len(world.offered) == 1, "an idle agent goes to the only framework within an interval"
        return world

    # --- what is there is offered, and only that ---

    def test_an_idle_agent_is_offered_whole_to_the_only_framework(self) -> None:
        world = self.world_with_offer()
        assert world.offered[0].resources == Resources.parse(LARGE)
        assert (world.offered[0].framework_id, world.offered[0].role) == ("F", "a")

    def test_what_is_held_is_not_offered_again(self) -> None:
        world = self.world_with_offer()
        world.add_framework("G", ["b"])
        assert world.advance(3) == []

    def test_of_several_frameworks_nobody_gets_what_another_has(self) -> None:
        world = self.world()
        for number in range(3):
            world.add_framework(f"F{number}", [f"role{number}"])
        for number in range(5):
            world.add_agent(f"A{number}", SMALL)
        world.advance(2)
        for agent_id, total in world.totals.items():
            assert total.contains(world.held_on(agent_id))
        assert sum(held.resources.cpus() for held in world.offered) == 10

    def test_what_comes_back_is_offered_again_within_an_interval(self) -> None:
        world = self.world_with_offer()
        world.decline(world.offered[0], refuse_seconds=0)
        world.advance(1)
        assert world.held_by("F") == Resources.parse(LARGE)

    def test_what_is_launched_stays_held_until_it_ends(self) -> None:
        world = self.world_with_offer()
        task = world.launch(world.offered[0], "cpus:1;mem:512")
        world.advance(1)
        assert world.held_by("F") == Resources.parse(LARGE)
        world.finish(task)
        made = world.advance(1)
        assert [held.resources for held in made] == [Resources.parse("cpus:1;mem:512")]

    def test_an_agents_growth_is_offered(self) -> None:
        world = self.world_with_offer()
        made = world.update_total("A", LARGE + ";gpus:0;cpus:1;mem:64") + world.advance(1)
        assert [held.resources for held in made] == [Resources.parse("cpus:1;mem:64")]

    def test_used_resources_of_a_new_agent_are_not_offered(self) -> None:
        world = self.world()
        world.add_framework("F", ["a"])
        used = Resources.parse("cpus:1;mem:1024")
        world.allocator.add_agent("A", AgentOptions("A"), Resources.parse(LARGE), used={"F": {"a": used}})
        made = world.advance(1)
        assert [held.resources for held in made] == [Resources.parse(LARGE) - used]

    def test_resources_of_a_removed_agent_are_gone(self) -> None:
        world = self.world_with_offer()
        offer = world.offered[0]
        world.remove_agent("A")
        world.allocator.recover_resources("F", "A", "a", offer.resources)
        assert world.advance(3) == []

    def test_resources_of_a_removed_framework_go_to_others(self) -> None:
        world = self.world_with_offer()
        world.add_framework("G", ["a"])
        world.remove_framework("F")
        world.advance(1)
        assert world.held_by("G") == Resources.parse(LARGE)

    # --- to whom ---

    def test_suppressed_frameworks_get_nothing_until_they_revive(self) -> None:
        world = self.world()
        world.add_framework("F", ["a"], suppressed=["a"])
        world.add_agent("A", SMALL)
        world.advance(2)
        assert world.offered == []
        world.allocator.revive_offers("F", ["a"])
        assert len(world.advance(1)) == 1

    def test_suppression_is_by_role(self) -> None:
        world = self.world()
        world.add_framework("F", ["a", "b"])
        world.allocator.suppress_offers("F", ["a"])
        world.add_agent("A", SMALL)
        world.advance(1)
        assert [held.role for held in world.offered] == ["b"]

    def test_inactive_frameworks_get_nothing_and_keep_what_they_hold(self) -> None:
        world = self.world_with_offer()
        world.launch(world.offered[0], "cpus:1;mem:512")
        world.allocator.deactivate_framework("F")
        assert world.advance(2) == []
        world.add_framework("G", ["b"])
        world.advance(1)
        assert world.held_by("G").cpus() == 3
        world.allocator.activate_framework("F")
        assert world.held_by("F").cpus() == 1

    def test_a_role_that_is_left_gets_no_offers(self) -> None:
        world = self.world()
        world.add_framework("F", ["a"])
        world.allocator.update_framework("F", FrameworkOptions(["b"], capabilities=["MULTI_ROLE"]))
        world.add_agent("A", SMALL)
        world.advance(1)
        assert [held.role for held in world.offered] == ["b"]

    def test_reserved_resources_go_to_their_role_and_those_below(self) -> None:
        world = self.world()
        world.add_framework("F", ["b"])
        world.add_agent("A", "cpus(a):1;mem(a):64;cpus(b/x):1;mem(b/x):64;cpus(b):2;mem(b):64")
        world.advance(1)
        assert world.held_by("F") == Resources.parse("cpus(b):2;mem(b):64")
        world.add_framework("G", ["a/x"])
        world.advance(1)
        assert world.held_by("G") == Resources.parse("cpus(a):1;mem(a):64")

    def test_agents_with_gpus_go_to_frameworks_that_ask_for_them(self) -> None:
        world = self.world()
        world.add_framework("F", ["a"])
        world.add_agent("A", "cpus:2;mem:512;gpus:1")
        world.advance(1)
        assert world.offered == []
        world.add_framework("G", ["a"], ["MULTI_ROLE", "GPU_RESOURCES"])
        world.advance(1)
        assert world.held_by("G").gpus() == 1

    def test_revocable_resources_need_a_capability(self) -> None:
        world = self.world()
        spare = Resources(Resource(r.name, r.type, r.value, revocable=True) for r in Resources.parse("cpus:1"))
        world.add_framework("F", ["a"])
        world.add_agent("A", Resources.parse(SMALL) + spare)
        world.advance(1)
        assert world.held_by("F") == Resources.parse(SMALL)
        world.add_framework("G", ["a"], ["MULTI_ROLE", "REVOCABLE_RESOURCES"])
        world.advance(1)
        assert world.held_by("G") == spare

    def test_agents_of_other_regions_need_a_capability(self) -> None:
        world = self.world(AllocatorOptions(domain=FaultDomain("here", "z")))
        world.add_framework("F", ["a"])
        world.add_agent("A", SMALL, AgentOptions("A", domain=FaultDomain("there", "z")))
        world.advance(1)
        assert world.offered == []
        world.add_framework("G", ["a"], ["MULTI_ROLE", "REGION_AWARE"])
        world.advance(1)
        assert world.held_by("G") == Resources.parse(SMALL)

    def test_constraints_hide_agents(self) -> None:
        class NotOnA:
            def excludes(self, role: str, agent: AgentOptions) -> bool:
                return role == "a" and agent.hostname == "A"

        world = self.world()
        world.add_framework_with("F", FrameworkOptions(["a"], capabilities=["MULTI_ROLE"], constraints=NotOnA()))
        world.add_agent("A", SMALL)
        world.add_agent("B", SMALL)
        world.advance(1)
        assert [held.agent_id for held in world.offered] == ["B"]
        debug = world.allocator.constraints_debug()["frameworks"]["F"]
        assert debug == {"suppressed_roles": [], "excluded_by_attribute_constraints": {"a": ["A"]}}

    def test_too_little_is_not_offered(self) -> None:
        world = self.world()
        world.add_framework("F", ["a"])
        world.add_agent("A", "disk:100;mem:16")
        world.advance(1)
        assert world.offered == []
        world.add_framework_with("G", FrameworkOptions(["a"], min_allocatable={"a": []}))
        world.advance(1)
        assert world.held_by("G") == Resources.parse("disk:100;mem:16")

    # --- filters ---

    def test_what_was_refused_stays_away_for_the_time_given(self) -> None:
        world = self.world_with_offer()
        world.decline(world.offered[0], refuse_seconds=3.5)
        assert world.advance(3) == []
        assert len(world.advance(2)) == 1

    def test_more_than_was_refused_is_offered_despite_the_filter(self) -> None:
        world = self.world_with_offer()
        task = world.launch(world.offered[0], "cpus:1;mem:512", refuse_seconds=1000)
        assert world.advance(2) == []
        world.finish(task)
        world.advance(1)
        assert world.held_by("F") == Resources.parse(LARGE)

    def test_revive_forgets_filters(self) -> None:
        world = self.world_with_offer()
        world.decline(world.offered[0], refuse_seconds=1000)
        assert world.advance(2) == []
        world.allocator.revive_offers("F")
        assert len(world.advance(1)) == 1

    def test_filters_are_one_frameworks(self) -> None:
        world = self.world_with_offer()
        world.decline(world.offered[0], refuse_seconds=1000)
        world.add_framework("G", ["a"])
        world.advance(1)
        assert world.held_by("G") == Resources.parse(LARGE)

    # --- which agents, and when ---

    def test_deactivated_and_unlisted_agents_are_not_offered(self) -> None:
        world = self.world()
        world.allocator.update_whitelist(["B", "C"])
        world.add_framework("F", ["a"])
        world.allocator.pause()
        world.add_agent("A", SMALL)
        world.add_agent("B", SMALL)
        world.add_agent("C", SMALL)
        world.allocator.deactivate_agent("B")
        world.allocator.resume()
        world.advance(1)
        assert [held.agent_id for held in world.offered] == ["C"]
        world.allocator.activate_agent("B")
        world.allocator.update_whitelist(None)
        world.advance(1)
        assert sorted(held.agent_id for held in world.offered) == ["A", "B", "C"]

    def test_nothing_is_offered_while_paused(self) -> None:
        world = self.world()
        world.allocator.pause()
        world.add_framework("F", ["a"])
        world.add_agent("A", SMALL)
        world.advance(3)
        assert world.offered == []
        world.allocator.resume()
        assert len(world.advance(1)) == 1

    def test_after_a_failover_with_quota_offers_wait_for_agents(self) -> None:
        world = self.world(AllocatorOptions(allocator_agent_recovery_factor=0.5))
        world.allocator.recover(4, {"a": Quota({"cpus": 1})})
        world.add_framework("F", ["a"])
        world.add_agent("A", SMALL)
        world.advance(2)
        assert world.offered == []
        world.add_agent("B", SMALL)
        world.advance(1)
        assert len(world.offered) == 2

    def test_a_stopped_allocator_offers_nothing(self) -> None:
        world = self.world_with_offer()
        world.decline(world.offered[0], refuse_seconds=0)
        world.allocator.stop()
        assert world.advance(10) == []

    # --- quota, operations, maintenance ---

    def test_a_role_gets_no_more_than_its_limit(self) -> None:
        world = self.world()
        world.allocator.update_quota("a", {}, {"cpus": 3})
        world.add_framework("F", ["a"])
        for number in range(3):
            world.add_agent(f"A{number}", SMALL)
        world.advance(3)
        assert world.held_by("F").cpus() == 3

    def test_a_guarantee_is_kept_free(self) -> None:
        world = self.world()
        world.allocator.update_quota("a", {"cpus": 3}, {})
        world.add_framework("G", ["b"])
        for number in range(3):
            world.add_agent(f"A{number}", SMALL)
        world.advance(3)
        assert world.held_by("G").cpus() <= 3
        world.add_framework("F", ["a"])
        world.advance(1)
        assert world.held_by("F").cpus() >= 3

    def test_an_operation_changes_what_is_held_and_what_there_is(self) -> None:
        world = self.world_with_offer()
        plain = Resources.parse("cpus:1")
        reserved = Resources(r.with_reservations((Reservation.dynamic("a", "p"),)) for r in plain)
        offer = world.convert(world.offered[0], [Conversion(plain, reserved)])
        world.decline(offer, refuse_seconds=0)
        world.advance(1)
        assert world.held_by("F") == Resources.parse(LARGE) - plain + reserved

    def test_an_operator_can_change_only_what_nobody_holds(self) -> None:
        world = self.world_with_offer()
        plain = Resources.parse("cpus:1;mem:64")
        reserved = Resources(r.with_reservations((Reservation.dynamic("b", "p"),)) for r in plain)
        try:
            world.allocator.update_available("A", [Conversion(plain, reserved)])
        except ResourcesError:
            refused = True
        else:
            refused = False
        assert refused, "what is offered is not available"
        world.decline(world.offered[0], refuse_seconds=0)
        world.allocator.update_available("A", [Conversion(plain, reserved)])
        world.advance(1)
        assert world.held_by("F") == Resources.parse(LARGE) - plain

    def test_frameworks_are_asked_once_to_leave_an_agent_in_maintenance(self) -> None:
        world = self.world_with_offer()
        when = Unavailability(1000.0, 60.0)
        world.allocator.update_unavailability("A", when)
        world.advance(3)
        assert [(offer.framework_id, offer.unavailability) for offer in world.inverse_offers] == [("F", when)]
        world.answer(world.inverse_offers[0], InverseOfferResponse.ACCEPT, refuse_seconds=1000)
        world.advance(3)
        assert world.inverse_offers == []
        assert world.allocator.inverse_offer_statuses() == {"A": {"F": InverseOfferResponse.ACCEPT}}

    def test_metrics_count_what_is_there(self) -> None:
        world = self.world_with_offer()
        metrics = world.allocator.metrics()
        assert metrics["allocator/mesos/resources/cpus/total"] == 4
        assert metrics["allocator/mesos/resources/cpus/offered_or_allocated"] == 4
        assert metrics["allocator/mesos/allocation_runs"] >= 1

    def test_the_same_seed_gives_the_same_history(self) -> None:
        def history() -> list[str]:
            world = self.world()
            for number in range(3):
                world.add_framework(f"F{number}", [f"role{number}"])
            world.allocator.pause()
            for number in range(10):
                world.add_agent(f"A{number}", SMALL)
            world.allocator.resume()
            return [str(held) for held in world.advance(1)]

        assert history() == history()
