"""Lines of docs/reference/allocator.md that no recorded sequence shows; README.md beside this file says what pins which.

The number in a name is the section.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from pymesoskit.resources import Conversion, Reservation, Resource, Resources, parse_attributes
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
from pymesoskit.testing.allocator.playground import Held, Playground
from pymesoskit.testing.allocator.schedule import RunSchedule
from pymesoskit.testing.runtime.actor import SimulatedActor

SMALL = "cpus:2;mem:1024"
LONG = 1000.0


def one_offer(options: AllocatorOptions | None = None) -> Playground:
    world = Playground(options)
    world.add_framework("F", ["a"])
    world.add_agent("A", SMALL)
    return world


def runs(world: Playground) -> int:
    return int(world.allocator.metrics()["allocator/mesos/allocation_runs"])


def metric(world: Playground, name: str) -> float | None:
    return world.allocator.metrics().get(f"allocator/mesos/{name}")


def reserved(resources: str, *roles: str) -> Resources:
    stack = tuple(Reservation.dynamic(role, "p") for role in roles)
    return Resources(resource.with_reservations(stack) for resource in Resources.parse(resources))


# --- 3: when a run happens ---

Event = Callable[[Playground], Any]

QUIET: dict[str, Event] = {
    "resources recovered": lambda w: w.decline(w.offered[0], 0),
    "UPDATE_FRAMEWORK": lambda w: w.allocator.update_framework("F", FrameworkOptions(["a", "b"])),
    "a role that is not suppressed any more": lambda w: w.allocator.update_framework("S", FrameworkOptions(["a"])),
    "suppress": lambda w: w.allocator.suppress_offers("F", ["a"]),
    "quota": lambda w: w.allocator.update_quota("a", {"cpus": 1}, {}),
    "weights": lambda w: w.allocator.update_weights({"a": 2.0}),
    "agent deactivated": lambda w: w.allocator.deactivate_agent("A"),
    "agent reactivated": lambda w: w.allocator.activate_agent("A"),
    "agent removed": lambda w: w.allocator.remove_agent("A"),
    "framework removed": lambda w: w.allocator.remove_framework("F"),
    "framework deactivated": lambda w: w.allocator.deactivate_framework("F"),
    "whitelist": lambda w: w.allocator.update_whitelist(["A"]),
    "resume": lambda w: (w.allocator.pause(), w.allocator.resume()),
    "resource provider": lambda w: w.allocator.add_resource_provider("A", Resources.parse("disk:100")),
    "an update of the agent that changes nothing": lambda w: w.allocator.update_agent(
        "A", options=AgentOptions("A"), total=Resources.parse(SMALL)
    ),
    "launch": lambda w: w.launch(w.offered[0]),
    "operator's operation": lambda w: w.allocator.update_available("B", []),
    "answer to an inverse offer": lambda w: w.allocator.update_inverse_offer("A", "F", None, None),
    "REQUEST": lambda w: w.allocator.request_resources("F", []),
}

LOUD: dict[str, Event] = {
    "framework added": lambda w: w.allocator.add_framework("G", FrameworkOptions(["a"])),
    "framework activated": lambda w: w.allocator.activate_framework("F"),
    "revive": lambda w: w.allocator.revive_offers("F"),
    "agent added": lambda w: w.allocator.add_agent("C", AgentOptions("C"), Resources.parse(SMALL)),
    "agent's total": lambda w: w.allocator.update_agent("A", total=Resources.parse("cpus:3;mem:1024")),
    "agent's attributes": lambda w: w.allocator.update_agent(
        "A", options=AgentOptions("A", attributes=parse_attributes("rack:r1"))
    ),
    "agent's capabilities": lambda w: w.allocator.update_agent("A", options=AgentOptions("A", capabilities=())),
    "unavailability": lambda w: w.allocator.update_unavailability("A", Unavailability(5.0)),
    "unavailability called off": lambda w: w.allocator.update_unavailability("A", None),
}


def two_agents() -> Playground:
    world = one_offer()
    world.add_agent("B", "cpus:1")
    world.add_framework("S", ["a"], suppressed=["a"])
    world.advance(0.5)
    return world


@pytest.mark.parametrize("event", [pytest.param(event, id=name) for name, event in QUIET.items()])
def test_3_these_events_wait_for_the_periodic_run(event: Event) -> None:
    world = two_agents()
    before = runs(world)
    event(world)
    world.advance()
    assert runs(world) == before
    world.advance(0.5)
    assert runs(world) == before + 1


@pytest.mark.parametrize("event", [pytest.param(event, id=name) for name, event in LOUD.items()])
def test_3_these_events_start_a_run(event: Event) -> None:
    world = two_agents()
    before = runs(world)
    event(world)
    world.advance()
    assert runs(world) == before + 1


def test_3_a_framework_that_is_added_inactive_starts_none() -> None:
    world = one_offer()
    before = runs(world)
    world.allocator.add_framework("G", FrameworkOptions(["a"]), active=False)
    world.advance()
    assert runs(world) == before


def test_3_the_end_of_a_filter_starts_none() -> None:
    world = one_offer(AllocatorOptions(allocation_interval=10))
    world.decline(world.offered[0], 12)
    world.advance(10)
    before = runs(world)
    world.advance(5)
    assert runs(world) == before
    assert len(world.advance(5)) == 1


def test_3_what_asks_for_a_run_while_paused_is_dropped() -> None:
    world = Playground()
    world.allocator.pause()
    world.add_framework("F", ["a"])
    world.add_agent("A", SMALL)
    world.allocator.resume()
    assert world.advance() == []
    assert len(world.advance(1)) == 1


def test_3_requests_of_one_turn_are_served_together_and_only_those_agents() -> None:
    world = two_agents()
    world.decline(world.offered[0], 0)
    for agent_id in ("C", "D"):
        world.allocator.add_agent(agent_id, AgentOptions(agent_id), Resources.parse(SMALL))
    before = runs(world)
    assert sorted(held.agent_id for held in world.advance()) == ["C", "D"]
    assert runs(world) == before + 1


class SlowClock:
    """A clock whose time passes while callbacks run, too."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[tuple[float, int, Callable[..., object]]] = []

    def time(self) -> float:
        return self.now

    monotonic = time

    def call_later(self, delay: float, callback: Callable[..., object], *_args: object) -> Any:
        entry = (self.now + delay, len(self.timers), callback)
        self.timers.append(entry)
        return type("Timer", (), {"cancel": lambda _: entry in self.timers and self.timers.remove(entry)})()

    def step(self) -> None:
        """Runs the timer that is due first."""
        due = min(self.timers)
        self.timers.remove(due)
        self.now = max(self.now, due[0])
        due[2]()


def test_3_the_next_periodic_run_is_an_interval_after_the_end_of_the_one_before() -> None:
    clock, began = SlowClock(), []

    def run(_candidates: object) -> None:
        began.append(clock.now)
        clock.now += 0.3

    schedule = RunSchedule(clock, 1.0, run)
    schedule.start()
    while len(began) < 3:
        clock.step()
    assert began == pytest.approx([1.0, 2.3, 3.6])


def test_3_and_an_interval_after_the_request_while_paused() -> None:
    clock = SlowClock()
    schedule = RunSchedule(clock, 1.0, lambda _: None)
    schedule.start()
    schedule.is_paused = True
    for _ in range(3):
        clock.step()
    assert clock.now == pytest.approx(3.0)


def test_11_the_latency_is_what_a_run_was_waited_for() -> None:
    clock = SlowClock()
    schedule = RunSchedule(clock, 10.0, lambda _: None)
    schedule.ask_all()
    clock.now += 0.25
    schedule.ask_all()
    clock.step()
    assert schedule.latency == pytest.approx(0.25)


# --- 3: the pause after a failover ---


def recovering(expected: int, quotas: dict[str, Quota], factor: float = 0.8) -> Playground:
    world = Playground(AllocatorOptions(allocator_agent_recovery_factor=factor, allocator_recovery_timeout=600))
    world.allocator.recover(expected, quotas)
    world.add_framework("F", ["b"])
    return world


def test_3_without_a_quota_there_is_no_pause() -> None:
    world = recovering(10, {})
    assert len(world.add_agent("A", SMALL)) == 1


@pytest.mark.parametrize(("expected", "factor"), [(1, 0.8), (0, 0.8), (10, 0.05)])
def test_3_without_an_agent_to_wait_for_there_is_no_pause(expected: int, factor: float) -> None:
    world = recovering(expected, {"a": Quota({"cpus": 1})}, factor)
    assert len(world.add_agent("A", "cpus:2;mem:1024")) == 1


def test_3_the_agent_that_is_enough_starts_a_run_for_itself_and_the_others_wait() -> None:
    world = recovering(3, {"a": Quota({"cpus": 1})})
    assert world.add_agent("A", SMALL) == []
    assert [held.agent_id for held in world.add_agent("B", SMALL)] == ["B"]
    assert [held.agent_id for held in world.advance(1)] == ["A"]


def test_3_the_end_of_the_pause_by_its_timeout_starts_no_run() -> None:
    world = recovering(30, {"a": Quota({"cpus": 1})})
    world.add_agent("A", SMALL)
    assert world.advance(599.5) == []
    before = runs(world)
    assert [held.at for held in world.advance(1)] == [600.0]  # a periodic run falls on the very moment
    assert runs(world) == before + 1


def test_3_a_pause_that_agents_ended_is_not_ended_again_by_its_timeout() -> None:
    world = recovering(2, {"a": Quota({"cpus": 1})})
    world.add_agent("A", SMALL)
    world.allocator.pause()
    world.decline(world.offered[0], 0)
    assert world.advance(700) == []


# --- 4: the run ---


def test_4_a_framework_hears_of_all_its_offers_of_a_run_at_once() -> None:
    heard: list[str] = []

    class Listener:
        def offers(self, framework_id: str, offers: Any) -> None:
            heard.append(framework_id)

        def inverse_offers(self, framework_id: str, offers: Any) -> None:
            raise AssertionError("nothing is in maintenance")

    actor = SimulatedActor()
    allocator = HierarchicalAllocator(actor.clock, Random(0), Listener(), AllocatorOptions())
    for framework_id in ("F", "G"):
        allocator.add_framework(framework_id, FrameworkOptions(["a", "b"], capabilities=["MULTI_ROLE"]))
    for number in range(8):
        allocator.add_agent(f"A{number}", AgentOptions("h"), Resources.parse(SMALL + ";cpus(a):1;mem(b):32"))
    actor.settle()
    actor.advance(0)
    assert sorted(heard) == ["F", "G"]


def test_4_a_limit_leaves_names_that_it_does_not_mention() -> None:
    world = Playground()
    world.allocator.update_quota("a", {}, {"cpus": 1})
    world.add_framework("F", ["a"])
    world.add_agent("A", "cpus:4;mem:512;disk:100;ports:[31000-31009]")
    assert world.held_by("F") == Resources.parse("cpus:1;mem:512;disk:100;ports:[31000-31009]")


def test_4_a_limit_of_nothing_lets_nothing_through() -> None:
    world = Playground()
    world.allocator.update_quota("a", {}, {"cpus": 0})
    world.add_framework("F", ["a"])
    world.add_agent("A", SMALL)
    assert world.held_by("F") == Resources.parse("mem:1024")


def test_4_a_reservation_of_a_role_above_is_for_those_below_only_in_the_second_stage() -> None:
    world = Playground()
    world.allocator.update_quota("a", {"cpus": 2}, {})
    world.add_framework("F", ["a"])
    world.add_framework("X", ["a/x"])
    world.add_agent("A", Resources.parse(SMALL) + reserved("cpus:1;mem:64", "a"))
    assert world.held_by("F") == Resources.parse(SMALL) + reserved("cpus:1;mem:64", "a")
    assert world.held_by("X") == Resources()


# --- 5: eligibility ---


def test_5_gpus_hide_nothing_if_the_flag_says_so() -> None:
    world = Playground(AllocatorOptions(filter_gpu_resources=False))
    world.add_framework("F", ["a"])
    world.add_agent("A", "cpus:2;mem:512;gpus:1")
    assert world.held_by("F").gpus() == 1


@pytest.mark.parametrize(
    ("capabilities", "offered_to"),
    [
        ({"MULTI_ROLE", "HIERARCHICAL_ROLE"}, "nested"),
        ({"MULTI_ROLE"}, "flat"),
        ({"HIERARCHICAL_ROLE"}, None),
    ],
)
def test_5_what_an_agent_does_not_understand_is_not_offered_there(
    capabilities: set[str], offered_to: str | None
) -> None:
    world = Playground()
    world.add_framework("nested", ["a/x"])
    world.add_framework("flat", ["b"])
    world.add_agent("A", SMALL, AgentOptions("A", capabilities=capabilities))
    assert [held.framework_id for held in world.offered] == ([offered_to] if offered_to is not None else [])


def test_5_refined_reservations_are_stripped_and_the_rest_goes_on() -> None:
    world = Playground()
    world.add_framework("F", ["a/x"])
    world.add_agent("A", Resources.parse(SMALL) + reserved("cpus:1;mem:64", "a", "a/x"))
    assert world.held_by("F") == Resources.parse(SMALL)


# --- 6: offer filters ---


def test_6_filters_are_independent_of_each_other() -> None:
    world = one_offer()
    offer = world.offered[0]
    task = world.launch(offer, "cpus:1;mem:512", refuse_seconds=3)  # half of it is refused for 3 s
    world.finish(task)
    world.advance(1)
    world.decline(world.offered[0], 9)  # and all of it for 9
    task_offers = world.advance(5)
    assert task_offers == []
    assert len(world.advance(5)) == 1


def test_6_an_agent_that_comes_again_is_not_filtered() -> None:
    world = one_offer()
    world.decline(world.offered[0], LONG)
    world.remove_agent("A")
    assert len(world.add_agent("A", SMALL)) == 1


def test_6_a_framework_that_comes_again_has_no_filters() -> None:
    world = one_offer()
    world.decline(world.offered[0], LONG)
    world.remove_framework("F")
    assert len(world.add_framework("F", ["a"])) == 1


def test_6_a_role_that_is_left_loses_its_filters() -> None:
    world = one_offer()
    world.decline(world.offered[0], LONG)
    world.allocator.update_framework("F", FrameworkOptions(["b"], suppressed_roles=["b"]))
    world.allocator.update_framework("F", FrameworkOptions(["a"]))
    assert len(world.advance(1)) == 1


def test_6_a_change_of_total_or_hostname_leaves_filters_alone() -> None:
    world = one_offer()
    world.decline(world.offered[0], LONG)
    world.update_total("A", "cpus:1;mem:1024")
    world.allocator.update_agent("A", options=AgentOptions("other"))
    assert world.advance(2) == []
    world.update_total("A", "cpus:3;mem:1024")
    assert len(world.offered) == 1  # more than was refused


def test_6_a_reservation_leaves_filters_alone() -> None:
    world = one_offer()
    world.decline(world.offered[0], LONG)
    plain = Resources.parse("cpus:1;mem:64")
    world.allocator.update_available("A", [Conversion(plain, reserved("cpus:1;mem:64", "b"))])
    assert world.advance(2) == []


def test_6_a_stopped_allocator_leaves_no_timer_whatever_it_is_told_afterwards() -> None:
    world = one_offer()
    world.decline(world.offered[0], 5)
    world.advance(10)
    offer = world.offered[0]
    world.allocator.stop()
    world.allocator.recover_resources("F", "A", "a", offer.resources, filters=Filters(5))
    assert world.actor.clock.next_due() is None


# --- 7 and 8: suppression, inverse offers ---


def leaving(**given: Any) -> Playground:
    """F holds something on A, which goes into maintenance, and has been asked to leave."""
    world = one_offer(AllocatorOptions(**given))
    world.launch(world.offered[0], "cpus:1;mem:512", refuse_seconds=LONG)
    world.allocator.update_unavailability("A", Unavailability(LONG))
    world.advance()
    assert len(world.inverse_offers) == 1
    return world


def refuse(world: Playground, seconds: float = LONG) -> None:
    world.answer(world.inverse_offers[0], InverseOfferResponse.DECLINE, seconds)
    assert world.inverse_offers == []


def test_7_suppressed_frameworks_are_asked_to_leave_all_the_same() -> None:
    world = one_offer()
    world.launch(world.offered[0], "cpus:1;mem:512")
    world.allocator.suppress_offers("F")
    world.allocator.update_unavailability("A", Unavailability(LONG))
    world.advance()
    assert [offer.framework_id for offer in world.inverse_offers] == ["F"]


def test_8_deactivated_frameworks_are_not_asked_before_they_are_back() -> None:
    world = one_offer()
    world.launch(world.offered[0])
    world.allocator.deactivate_framework("F")
    world.allocator.update_unavailability("A", Unavailability(LONG))
    world.advance(2)
    assert world.inverse_offers == []
    world.allocator.activate_framework("F")
    world.advance()
    assert len(world.inverse_offers) == 1


def test_8_only_those_who_hold_something_are_asked() -> None:
    world = leaving()
    world.add_framework("G", ["b"], suppressed=["b"])
    world.advance(2)
    assert [offer.framework_id for offer in world.inverse_offers] == ["F"]


def test_8_an_inverse_filter_may_be_shorter_than_the_interval() -> None:
    world = leaving(allocation_interval=10)
    refuse(world, 1)
    world.advance(2)
    world.allocator.update_agent("A", total=Resources.parse("cpus:2;mem:1025"))  # a run for A
    world.advance()
    assert len(world.inverse_offers) == 1


def test_8_a_refused_inverse_offer_stays_away_for_the_time_given() -> None:
    world = leaving()
    refuse(world, 3.5)
    world.advance(3)
    assert world.inverse_offers == []
    world.advance(2)
    assert len(world.inverse_offers) == 1


def test_8_an_answer_without_filter_brings_the_next_run_to_ask_again() -> None:
    world = leaving()
    world.answer(world.inverse_offers[0], InverseOfferResponse.ACCEPT, 0)
    world.advance(1)
    assert len(world.inverse_offers) == 1
    assert world.allocator.inverse_offer_statuses() == {"A": {"F": InverseOfferResponse.ACCEPT}}


CLEARING: dict[str, Event] = {
    "REVIVE": lambda w: w.allocator.revive_offers("F"),
    "UPDATE_FRAMEWORK that changes nothing": lambda w: w.allocator.update_framework("F", w.frameworks["F"]),
    "another unavailability": lambda w: w.allocator.update_unavailability("A", Unavailability(LONG + 1)),
    "the same unavailability": lambda w: w.allocator.update_unavailability("A", Unavailability(LONG)),
    "attributes": lambda w: w.allocator.update_agent("A", options=AgentOptions("A", parse_attributes("x:y"))),
    "deactivation": lambda w: (w.allocator.deactivate_framework("F"), w.allocator.activate_framework("F")),
}


@pytest.mark.parametrize("event", [pytest.param(event, id=name) for name, event in CLEARING.items()])
def test_8_what_clears_inverse_filters(event: Event) -> None:
    world = leaving()
    refuse(world)
    world.advance(3)
    assert world.inverse_offers == []
    event(world)
    world.advance(1)
    assert len(world.inverse_offers) == 1


KEEPING: dict[str, Event] = {
    "SUPPRESS": lambda w: w.allocator.suppress_offers("F"),
    "a total": lambda w: w.allocator.update_agent("A", total=Resources.parse("cpus:9;mem:1024")),
    "a hostname": lambda w: w.allocator.update_agent("A", options=AgentOptions("B")),
    "another framework's REVIVE": lambda w: (w.add_framework("G", ["b"]), w.allocator.revive_offers("G")),
}


@pytest.mark.parametrize("event", [pytest.param(event, id=name) for name, event in KEEPING.items()])
def test_8_what_does_not(event: Event) -> None:
    world = leaving()
    refuse(world)
    event(world)
    world.advance(3)
    assert [offer for offer in world.inverse_offers if offer.framework_id == "F"] == []


def test_8_an_agent_that_comes_again_is_asked_about_again() -> None:
    world = leaving()
    refuse(world)
    world.remove_agent("A")
    world.add_agent("A", SMALL, unavailability=Unavailability(LONG))
    world.advance(1)
    assert [offer.framework_id for offer in world.inverse_offers] == ["F"]


# --- 10: how resources move ---


def test_10_what_a_resource_provider_has_in_use_is_not_offered() -> None:
    world = one_offer()
    used = Resources.parse("disk:40")
    world.allocator.add_resource_provider("A", Resources.parse("disk:100;mem:64"), {"F": {"a": used}})
    made = world.advance(1)
    assert [held.resources for held in made] == [Resources.parse("disk:60;mem:64")]
    assert metric(world, "resources/disk/offered_or_allocated") == 100
    world.allocator.recover_resources("F", "A", "a", used, allocated=True)
    assert metric(world, "resources/disk/offered_or_allocated") == 60


def test_10_what_an_unknown_framework_uses_is_held_but_charged_to_nobody() -> None:
    world = Playground()
    used = Resources.parse("cpus:3;mem:64")
    world.allocator.update_quota("a", {}, {"cpus": 3, "mem": 64})
    world.allocator.add_agent("A", AgentOptions("A"), Resources.parse("cpus:8;mem:1024"), used={"F": {"a": used}})
    world.add_framework("G", ["a"])
    assert world.held_by("G").cpus() == 3  # the limit does not know of F's
    assert metric(world, "roles/a/shares/dominant") == 3 / 8
    assert metric(world, "resources/cpus/offered_or_allocated") == 6
    world.allocator.recover_resources("F", "A", "a", used)
    assert metric(world, "resources/cpus/offered_or_allocated") == 6
    world.allocator.add_framework("F", FrameworkOptions(["a"]), used={"A": {"a": used}})
    assert metric(world, "roles/a/shares/dominant") == 6 / 8
    world.allocator.recover_resources("F", "A", "a", used, allocated=True)
    assert metric(world, "resources/cpus/offered_or_allocated") == 3


@pytest.mark.parametrize("gone", ["framework", "agent"])
def test_10_resources_of_those_that_are_gone_come_back_to_nobody(gone: str) -> None:
    world = one_offer()
    resources = world.offered[0].resources
    world.add_agent("B", SMALL)
    if gone == "framework":
        world.remove_framework("F")
    else:
        world.remove_agent("A")
    before = metric(world, "resources/cpus/offered_or_allocated")
    world.allocator.recover_resources("F", "A", "a", resources, filters=Filters(LONG))
    assert metric(world, "resources/cpus/offered_or_allocated") == before


def test_10_revocable_resources_count_for_no_quota() -> None:
    spare = Resources(Resource(r.name, r.type, r.value, revocable=True) for r in Resources.parse("cpus:8"))
    world = Playground()
    world.allocator.update_quota("a", {}, {"cpus": 1})
    world.add_framework("F", ["a"], ["MULTI_ROLE", "REVOCABLE_RESOURCES"])
    world.add_agent("A", Resources.parse(SMALL) + spare)
    assert world.held_by("F") == Resources.parse("cpus:1;mem:1024") + spare


# --- 11: metrics ---


def test_11_consumed_is_there_for_roles_with_reservations_without_a_quota_and_for_those_above() -> None:
    world = Playground()
    world.add_framework("F", ["b"])
    world.add_agent("A", Resources.parse(SMALL) + reserved("cpus:1;mem:64", "a/x"))
    offer = world.offered[0]
    assert {name: value for name, value in world.allocator.metrics().items() if name.endswith("/cpus/consumed")} == {
        "allocator/mesos/quota/roles/a/resources/cpus/consumed": 1,
        "allocator/mesos/quota/roles/a/x/resources/cpus/consumed": 1,
        "allocator/mesos/quota/roles//resources/cpus/consumed": 1,
    }
    world.launch(offer, "cpus:2")
    assert metric(world, "quota/roles/b/resources/cpus/consumed") == 2
    assert metric(world, "quota/roles//resources/cpus/consumed") == 3


def test_11_offered_or_allocated_is_the_roles_own_and_only_for_names_with_a_quota() -> None:
    world = Playground()
    world.allocator.update_quota("a", {"cpus": 1}, {"disk": 10})
    world.add_framework("X", ["a/x"])
    world.add_agent("A", "cpus:2;mem:1024;disk:5")
    assert metric(world, "quota/roles/a/resources/cpus/offered_or_allocated") == 0
    assert metric(world, "quota/roles/a/resources/disk/offered_or_allocated") == 0
    assert metric(world, "quota/roles/a/resources/mem/offered_or_allocated") is None
    world.add_framework("F", ["a"])
    world.add_agent("B", "cpus:2;mem:1024")
    assert world.held_in("a").cpus() == 3
    assert metric(world, "quota/roles/a/resources/cpus/offered_or_allocated") == 3
    assert metric(world, "quota/roles/a/resources/cpus/guarantee") == 1
    assert metric(world, "quota/roles/a/resources/cpus/limit") is None
    assert metric(world, "quota/roles/a/resources/disk/limit") == 10


def test_11_the_share_of_a_role_with_children_is_its_own_without_its_weight() -> None:
    world = Playground()
    world.allocator.update_weights({"a": 2.0})
    world.add_framework("F", ["a"])
    world.add_agent("A", "cpus:2;mem:100")
    world.add_agent("B", "cpus:2;mem:100")
    world.allocator.suppress_offers("F")
    assert metric(world, "roles/a/shares/dominant") == 0.5
    world.decline(world.offered[0], 0)
    assert metric(world, "roles/a/shares/dominant") == 0.25
    world.add_framework("X", ["a/x"])
    assert world.held_by("X").cpus() == 2
    assert metric(world, "roles/a/shares/dominant") == 0.5
    assert metric(world, "roles/a/x/shares/dominant") == 0.5


def test_11_active_filters_are_counted_by_role() -> None:
    world = Playground()
    world.add_framework("F", ["a", "b"])
    world.add_agent("A", SMALL)
    first: Held = world.offered[0]
    world.decline(first, 10)
    second: Held = world.advance(1)[0]
    assert {first.role, second.role} == {"a", "b"}
    world.decline(second, LONG)
    assert metric(world, "offer_filters/roles/a/active") == 1
    world.advance(12)
    assert metric(world, f"offer_filters/roles/{first.role}/active") == 0
    assert metric(world, f"offer_filters/roles/{second.role}/active") == 1


def test_11_totals_and_what_is_held_are_there_for_three_names() -> None:
    world = one_offer()
    shown = {name for name in world.allocator.metrics() if "/resources/" in name and "/quota/" not in name}
    assert shown == {
        f"allocator/mesos/resources/{name}/{what}"
        for name in ("cpus", "mem", "disk")
        for what in ("total", "offered_or_allocated")
    }
    assert metric(world, "resources/disk/total") == 0
