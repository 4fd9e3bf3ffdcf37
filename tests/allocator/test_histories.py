"""What holds in every history: nothing is offered twice, nothing gets lost, and all that is kept equals what is recomputed."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pymesoskit.resources import Conversion, Disk, Persistence, Reservation, Resources, ResourcesError, Volume
from pymesoskit.testing.allocator import AgentOptions, FrameworkOptions, InverseOfferResponse, Unavailability
from pymesoskit.testing.allocator.api import AllocatorOptions
from pymesoskit.testing.allocator.hierarchical import HierarchicalAllocator
from pymesoskit.testing.allocator.playground import Held, Playground
from tests.allocator.audit import audit

ROLES = ("a", "b", "a/x", "a/y", "a/x/z")
CAPABILITIES = (
    "MULTI_ROLE",
    "GPU_RESOURCES",
    "REVOCABLE_RESOURCES",
    "SHARED_RESOURCES",
    "RESERVATION_REFINEMENT",
    "REGION_AWARE",
)

roles = st.sampled_from(ROLES)
role_sets = st.sets(roles, min_size=1, max_size=3)
capability_sets = st.sets(st.sampled_from(CAPABILITIES[1:])).map(lambda names: {"MULTI_ROLE", *names})


@st.composite
def totals(draw: st.DrawFn) -> Resources:
    """What an agent may have."""
    cpus = draw(st.integers(1, 64)) / 8
    text = f"cpus:{cpus};mem:{draw(st.integers(1, 64)) * 16}"
    if draw(st.booleans()):
        text += f";disk:{draw(st.integers(1, 20))};ports:[31000-{31000 + draw(st.integers(0, 20))}]"
    if draw(st.integers(0, 5)) == 0:
        text += ";gpus:2"
    if draw(st.booleans()):
        text += f";cpus({draw(roles)}):1;mem({draw(roles)}):64"
    resources = Resources.parse(text)
    if draw(st.integers(0, 4)) == 0:
        resources += Resources(evolve_revocable(resource) for resource in Resources.parse("cpus:2"))
    if draw(st.integers(0, 3)) == 0:
        resources += shared_volume(draw(roles), f"v{draw(st.integers(1, 3))}")
    return resources


def evolve_revocable(resource: Any) -> Any:
    return type(resource)(resource.name, resource.type, resource.value, revocable=True)


def shared_volume(role: str, volume: str) -> Resources:
    kind = type(next(iter(Resources.parse("disk:1"))))
    return Resources(
        [
            kind(
                "disk",
                "SCALAR",
                16.0,
                reservations=(Reservation.dynamic(role, "p"),),
                disk=Disk(Persistence(volume, "p"), Volume(volume)),
                shared=True,
            )
        ]
    )


def part_of(resources: Resources) -> Resources:
    """Some of it that can be used: half of each plain scalar, everything else left."""
    return Resources(
        resource.with_value(resource.value / 2)
        for resource in resources
        if resource.type == "SCALAR" and not resource.kind.is_exclusive and resource.measure > 2
    )


class Limited(Playground):
    """A playground that looks at each offer whether it keeps its role within its limit of CPUs."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.limits: dict[str, dict[str, float]] = {}  # by top-level role
        super().__init__(*args, **more)

    def advance(self, seconds: float = 0.0) -> list[Held]:
        before = {role: self.consumed(role) for role in self.limits}
        made = super().advance(seconds)
        for role, limits in self.limits.items():
            limit = limits.get("cpus")
            offered = sum(plain(held.resources).cpus() for held in made if held.role == role)
            if limit is not None and offered:
                assert before[role] + offered <= limit + 1e-9, f"{role} is above its limit"
        return made

    def consumed(self, role: str) -> float:
        """CPUs that count for the role's quota: what is held in it and below, and all reservations for it and below."""

        def is_within(other: str | None) -> bool:
            return other is not None and f"{other}/".startswith(f"{role}/")

        held = sum(plain(one.resources).cpus() for one in self.holdings() if is_within(one.role))
        reserved = sum(
            resource.value
            for total in self.totals.values()
            for resource in total
            if resource.name == "cpus" and is_within(resource.reservation_role)
        )
        return held + reserved


def plain(resources: Resources) -> Resources:
    """What counts for quota."""
    return resources.unreserved().non_revocable()


class Histories(RuleBasedStateMachine):
    """Frameworks and agents come and go, offers are used, refused and changed."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    @initialize(
        seed=st.integers(0, 3),
        excluded=st.sampled_from([frozenset(), frozenset({"mem"})]),
        gpus=st.booleans(),
    )
    def start(self, seed: int, excluded: frozenset[str], gpus: bool) -> None:
        options = AllocatorOptions(fair_sharing_excluded_resource_names=excluded, filter_gpu_resources=gpus)
        self.world = Limited(options, seed=seed)
        assert isinstance(self.world.allocator, HierarchicalAllocator)

    def pick(self, data: st.DataObject, things: Any) -> Any:
        return data.draw(st.sampled_from(sorted(things)))

    # --- frameworks ---

    @rule(roles=role_sets, capabilities=capability_sets, active=st.booleans())
    def add_framework(self, roles: set[str], capabilities: set[str], active: bool) -> None:
        if len(self.world.frameworks) < 5:
            self.count += 1
            self.world.add_framework(f"F{self.count}", roles, capabilities)
            if not active:
                self.world.allocator.deactivate_framework(f"F{self.count}")

    @precondition(lambda self: self.world.frameworks)
    @rule(data=st.data(), roles=role_sets, capabilities=capability_sets, anything=st.booleans())
    def update_framework(self, data: st.DataObject, roles: set[str], capabilities: set[str], anything: bool) -> None:
        framework_id = self.pick(data, self.world.frameworks)
        suppressed = data.draw(st.sets(st.sampled_from(sorted(roles))))
        minimum = dict.fromkeys(roles, ()) if anything else {}
        options = FrameworkOptions(frozenset(roles), frozenset(suppressed), frozenset(capabilities), minimum)
        self.world.frameworks[framework_id] = options
        self.world.allocator.update_framework(framework_id, options)

    @precondition(lambda self: self.world.frameworks)
    @rule(data=st.data(), what=st.sampled_from(["suppress", "revive", "deactivate", "activate"]))
    def change_activity(self, data: st.DataObject, what: str) -> None:
        framework_id = self.pick(data, self.world.frameworks)
        allocator = self.world.allocator
        if what == "suppress":
            allocator.suppress_offers(framework_id, data.draw(st.sets(roles)))
        elif what == "revive":
            allocator.revive_offers(framework_id, data.draw(st.sets(roles)))
        elif what == "deactivate":
            allocator.deactivate_framework(framework_id)
        else:
            allocator.activate_framework(framework_id)
        self.world.advance()

    @precondition(lambda self: self.world.frameworks)
    @rule(data=st.data())
    def remove_framework(self, data: st.DataObject) -> None:
        self.world.remove_framework(self.pick(data, self.world.frameworks))

    # --- agents ---

    @rule(total=totals(), capable=st.booleans(), maintained=st.booleans())
    def add_agent(self, total: Resources, capable: bool, maintained: bool) -> None:
        if len(self.world.totals) < 5:
            self.count += 1
            name = f"A{self.count}"
            options = AgentOptions(name) if capable else AgentOptions(name, capabilities=frozenset())
            unavailability = Unavailability(1000.0) if maintained else None
            self.world.add_agent(name, total, options, unavailability=unavailability)

    @precondition(lambda self: self.world.totals)
    @rule(data=st.data(), more=totals())
    def grow_agent(self, data: st.DataObject, more: Resources) -> None:
        agent_id = self.pick(data, self.world.totals)
        volumes = more.persistent_volumes()
        self.world.update_total(agent_id, self.world.totals[agent_id] + (more - volumes))

    @precondition(lambda self: self.world.totals)
    @rule(data=st.data())
    def shrink_agent_to_what_is_held(self, data: st.DataObject) -> None:
        agent_id = self.pick(data, self.world.totals)
        held = self.world.held_on(agent_id)
        shared = self.world.totals[agent_id].shared()
        self.world.update_total(agent_id, held.non_shared() + shared)

    @precondition(lambda self: self.world.totals)
    @rule(data=st.data(), what=st.sampled_from(["activate", "deactivate", "remove"]))
    def change_agent(self, data: st.DataObject, what: str) -> None:
        agent_id = self.pick(data, self.world.totals)
        if what == "remove":
            self.world.remove_agent(agent_id)
        elif what == "activate":
            self.world.allocator.activate_agent(agent_id)
        else:
            self.world.allocator.deactivate_agent(agent_id)

    @precondition(lambda self: self.world.totals)
    @rule(data=st.data(), role=roles, reserve=st.booleans())
    def operate(self, data: st.DataObject, role: str, reserve: bool) -> None:
        agent_id = self.pick(data, self.world.totals)
        total = self.world.totals[agent_id]
        if reserve:
            consumed = Resources.parse("cpus:1")
            converted = Resources(r.with_reservations((Reservation.dynamic(role, "p"),)) for r in consumed)
        else:
            dynamic = total.reserved(role).filter(lambda r: r.is_dynamically_reserved and not r.is_persistent_volume)
            if not dynamic:
                return
            consumed = dynamic
            converted = Resources(r.with_reservations(r.reservations[:-1]) for r in dynamic)
        try:
            self.world.allocator.update_available(agent_id, [Conversion(consumed, converted)])
        except ResourcesError:
            return
        self.world.totals[agent_id] = total - consumed + converted

    # --- offers ---

    @precondition(lambda self: self.world.offered)
    @rule(data=st.data(), refuse_seconds=st.sampled_from([0.0, 0.5, 3.0, 60.0]))
    def decline(self, data: st.DataObject, refuse_seconds: float) -> None:
        self.world.decline(data.draw(st.sampled_from(self.world.offered)), refuse_seconds)

    @precondition(lambda self: self.world.offered)
    @rule(data=st.data(), whole=st.booleans(), refuse_seconds=st.sampled_from([0.0, 2.0, 60.0]))
    def launch(self, data: st.DataObject, whole: bool, refuse_seconds: float) -> None:
        offer = data.draw(st.sampled_from(self.world.offered))
        wanted = offer.resources if whole else part_of(offer.resources)
        if wanted:
            self.world.launch(offer, wanted, refuse_seconds)

    @precondition(lambda self: self.world.used)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        self.world.finish(data.draw(st.sampled_from(self.world.used)))

    @precondition(lambda self: self.world.offered)
    @rule(data=st.data())
    def reserve_offered(self, data: st.DataObject) -> None:
        offer: Held = data.draw(st.sampled_from(self.world.offered))
        consumed = part_of(offer.resources.unreserved().non_revocable())
        if consumed:
            converted = Resources(r.with_reservations((Reservation.dynamic(offer.role, "p"),)) for r in consumed)
            self.world.convert(offer, [Conversion(consumed, converted)])

    @precondition(lambda self: self.world.inverse_offers)
    @rule(data=st.data(), status=st.sampled_from([None, *InverseOfferResponse]), seconds=st.sampled_from([0.0, 3.0]))
    def answer(self, data: st.DataObject, status: InverseOfferResponse | None, seconds: float) -> None:
        self.world.answer(data.draw(st.sampled_from(self.world.inverse_offers)), status, seconds)

    # --- operators, time ---

    @rule(role=roles, weight=st.sampled_from([0.5, 1.0, 2.0, 3.0]))
    def set_weight(self, role: str, weight: float) -> None:
        self.world.allocator.update_weights({role: weight})

    @rule(role=st.sampled_from(["a", "b"]), guarantee=st.integers(0, 8), limit=st.none() | st.integers(0, 16))
    def set_quota(self, role: str, guarantee: int, limit: int | None) -> None:
        limits = {} if limit is None else {"cpus": float(max(guarantee, limit))}
        guarantees = {"cpus": float(guarantee), "mem": 16.0 * guarantee} if guarantee else {}
        self.world.allocator.update_quota(role, guarantees, limits)
        self.world.limits[role] = limits

    @rule(seconds=st.sampled_from([0.25, 1.0, 4.0]))
    def pass_time(self, seconds: float) -> None:
        self.world.advance(seconds)

    @invariant()
    def nothing_is_given_twice(self) -> None:
        for agent_id, total in self.world.totals.items():
            held = self.world.held_on(agent_id).non_shared()
            assert total.non_shared().contains(held), f"{agent_id} has {total}, and {held} is held there"

    @invariant()
    def nothing_gets_lost(self) -> None:
        """What each agent has is what frameworks were told that they hold, and what is idle."""
        assert isinstance(self.world.allocator, HierarchicalAllocator)
        agents = self.world.allocator._ledger.agents
        assert agents.keys() == self.world.totals.keys()
        for agent_id, total in self.world.totals.items():
            held = self.world.held_on(agent_id)
            assert agents[agent_id].total.resources == total, agent_id
            assert agents[agent_id].held().non_shared() == held.non_shared(), agent_id
            idle = agents[agent_id].available.resources.non_shared()
            assert idle == total.non_shared() - held.non_shared(), agent_id

    @invariant()
    def offers_are_for_the_frameworks_own_roles(self) -> None:
        for held in self.world.offered:
            for resource in held.resources:
                assert resource.is_allocatable_to(held.role)

    @invariant()
    def all_that_is_kept_equals_what_is_recomputed(self) -> None:
        assert isinstance(self.world.allocator, HierarchicalAllocator)
        audit(self.world.allocator, self.world.options)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.allocator.stop()


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=100, stateful_step_count=40, deadline=None, derandomize=True)


def test_the_strategies_make_what_they_say() -> None:
    held = Held("F", "a", "A", Resources.parse("cpus:3"), 0.0)
    assert part_of(held.resources).cpus() == 1.5
    assert evolve(held, at=1.0).at == 1.0
