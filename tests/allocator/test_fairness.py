"""What dominant resource fairness and quotas promise, on generated workloads."""

from __future__ import annotations

from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from pymesoskit.resources import Resources
from pymesoskit.testing.allocator import AgentOptions, AllocatorOptions, HierarchicalAllocator
from pymesoskit.testing.allocator.playground import Held, Playground
from tests.allocator.audit import audit

SETTINGS = settings(max_examples=25, deadline=None, derandomize=True)


@frozen
class Demand:
    """What each task of a framework needs."""

    cpus: int  # hundredths
    mem: int

    @property
    def resources(self) -> Resources:
        return Resources.parse(f"cpus:{self.cpus / 100};mem:{self.mem}")


#: Tasks of 0.1 to 2 % of a cluster with 100 CPUs and 10,000 MB.
demands = st.builds(Demand, cpus=st.integers(10, 200), mem=st.integers(10, 200))

TASK = 0.02  # the largest dominant share of a task


def fill(world: Playground, wanted: dict[str, Demand]) -> dict[str, int]:
    """Every framework takes one task of each offer until none can place another; how many each has."""
    tasks = dict.fromkeys(wanted, 0)
    while made := world.advance(1):
        for offer in made:
            task = wanted[offer.framework_id].resources
            if offer.resources.contains(task):
                world.launch(offer, task)
                tasks[offer.framework_id] += 1
            else:
                world.decline(offer, 1e6)
    return tasks


def divisible_cluster(wanted: dict[str, Demand], *, one_role: bool) -> Playground:
    options = AllocatorOptions(min_allocatable_resources=None)
    world = Playground(options)
    for framework_id in wanted:
        world.add_framework(framework_id, ["all" if one_role else f"role-of-{framework_id}"])
    world.add_agent("A", "cpus:100;mem:10000")
    for offer in list(world.offered):
        world.decline(offer, 0)
    return world


@SETTINGS
@given(wanted=st.lists(demands, min_size=2, max_size=4), one_role=st.booleans())
def test_everybody_gets_at_least_an_equal_part_of_something(wanted: list[Demand], one_role: bool) -> None:
    """Sharing incentive: nobody would be better off with a cluster of their own, a part of the size."""
    frameworks = {f"F{number}": demand for number, demand in enumerate(wanted)}
    world = divisible_cluster(frameworks, one_role=one_role)
    fill(world, frameworks)
    for framework_id in frameworks:
        assert world.dominant_share(framework_id) >= 1 / len(frameworks) - 2 * TASK


@SETTINGS
@given(wanted=st.lists(demands, min_size=2, max_size=4), one_role=st.booleans())
def test_nobody_could_run_more_with_what_another_has(wanted: list[Demand], one_role: bool) -> None:
    """Envy-freeness, within the size of a task."""
    frameworks = {f"F{number}": demand for number, demand in enumerate(wanted)}
    world = divisible_cluster(frameworks, one_role=one_role)
    tasks = fill(world, frameworks)
    for one, demand in frameworks.items():
        for other in frameworks:
            theirs = world.held_by(other)
            possible = min(theirs.cpus() / (demand.cpus / 100), theirs.mem() / demand.mem)
            # They have at most a task more than the order by shares would give them.
            slack = 2 * TASK * 100 / min(demand.cpus / 100, demand.mem / 100)
            assert possible <= tasks[one] + slack, f"{one} would rather have what {other} has"


@SETTINGS
@given(weights=st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_equal_demands_share_by_weight(weights: list[int]) -> None:
    frameworks = {f"F{number}": Demand(50, 50) for number in range(len(weights))}
    world = divisible_cluster(frameworks, one_role=False)
    world.allocator.update_weights({f"role-of-F{number}": float(weight) for number, weight in enumerate(weights)})
    fill(world, frameworks)
    for number, weight in enumerate(weights):
        assert abs(world.dominant_share(f"F{number}") - weight / sum(weights)) <= 2 * TASK


agent_sizes = st.lists(st.tuples(st.integers(1, 8), st.integers(1, 8)), min_size=1, max_size=8)


@SETTINGS
@given(data=st.data(), sizes=agent_sizes, seed=st.integers(0, 9))
def test_guarantees_are_met_whenever_there_is_enough(
    data: st.DataObject, sizes: list[tuple[int, int]], seed: int
) -> None:
    """In one run, whoever else wants something, however the cluster is cut into agents."""
    cpus, mem = sum(c for c, _ in sizes), sum(m for _, m in sizes)
    guarantees: dict[str, dict[str, float]] = {}
    for role in ("a", "b", "c"):
        part = {"cpus": data.draw(st.integers(0, cpus)), "mem": 64 * data.draw(st.integers(0, mem))}
        cpus, mem = cpus - int(part["cpus"]), mem - int(part["mem"]) // 64
        guarantees[role] = {name: float(amount) for name, amount in part.items() if amount}
    world = Playground(seed=seed)
    world.allocator.pause()
    for number, role in enumerate(("a", "b", "c", "greedy", "more-greedy")):
        world.add_framework(f"F{number}", [role])
        world.allocator.update_quota(role, guarantees.get(role, {}), {})
    for number, (agent_cpus, agent_mem) in enumerate(sizes):
        world.add_agent(f"A{number}", f"cpus:{agent_cpus};mem:{64 * agent_mem}")
    world.allocator.resume()
    world.advance(1)
    for role, guarantee in guarantees.items():
        held = world.held_in(role)
        assert held.cpus() >= guarantee.get("cpus", 0), role
        assert held.mem() >= guarantee.get("mem", 0), role


@SETTINGS
@given(data=st.data(), sizes=agent_sizes, limit=st.integers(0, 20), seed=st.integers(0, 9))
def test_no_role_goes_above_its_limit_in_any_number_of_runs(
    data: st.DataObject, sizes: list[tuple[int, int]], limit: int, seed: int
) -> None:
    world = Playground(seed=seed)
    for number in range(3):
        world.add_framework(f"F{number}", ["a"])
    world.allocator.update_quota("a", {"cpus": float(limit // 2)}, {"cpus": float(limit)})
    for number, (cpus, mem) in enumerate(sizes):
        world.add_agent(f"A{number}", f"cpus:{cpus};mem:{64 * mem}")
        for offer in list(world.offered):
            if data.draw(st.booleans()):
                world.decline(offer, data.draw(st.sampled_from([0.0, 2.0])))
        world.advance(1)
        assert world.held_in("a").cpus() <= limit


def rebuilt(world: Playground, weights: dict[str, float]) -> Playground:
    """Another allocator that is told at once what this one was told step by step."""
    twin = Playground(world.options)
    twin.allocator.pause()
    twin.allocator.update_weights(weights)
    for framework_id, options in world.frameworks.items():
        twin.allocator.add_framework(framework_id, options)
    for agent_id, total in world.totals.items():
        twin.totals[agent_id] = total
    allocator = twin.allocator
    allocator.resume()
    for framework_id, options in world.frameworks.items():
        allocator.suppress_offers(framework_id, options.roles)
    for agent_id, total in world.totals.items():
        used: dict[str, dict[str, Resources]] = {}
        for held in world.holdings():
            if held.agent_id == agent_id:
                by_role = used.setdefault(held.framework_id, {})
                by_role[held.role] = by_role.get(held.role, Resources()) + held.resources
        allocator.add_agent(agent_id, AgentOptions(agent_id), total, used=used)
    twin.advance()
    return twin


@SETTINGS
@given(data=st.data(), seed=st.integers(0, 5))
def test_an_allocator_told_at_once_sees_the_same_shares(data: st.DataObject, seed: int) -> None:
    """The state after a history equals the one made from its end alone."""
    weights = {"a": 2.0, "a/x": 3.0}
    world = Playground(seed=seed)
    world.allocator.update_weights(weights)
    for number, roles in enumerate((["a"], ["a/x", "b"], ["b", "a/y"])):
        world.add_framework(f"F{number}", roles)
    for number in range(4):
        world.add_agent(f"A{number}", f"cpus:{number + 1};mem:{256 * (number + 1)};cpus(a):1;mem(a/x):32")
    for _ in range(data.draw(st.integers(1, 15))):
        if world.offered and data.draw(st.booleans()):
            offer: Held = data.draw(st.sampled_from(world.offered))
            if data.draw(st.booleans()):
                world.decline(offer, 2.0)
            else:
                world.launch(offer)
        elif world.used and data.draw(st.booleans()):
            world.finish(data.draw(st.sampled_from(world.used)))
        world.advance(0.5)
    twin = rebuilt(world, weights)
    for allocator in (world.allocator, twin.allocator):
        assert isinstance(allocator, HierarchicalAllocator)
        audit(allocator, world.options)
    assert shown(twin) == shown(world)


def shown(world: Playground) -> dict[str, float]:
    """The metrics that do not tell how the state came about."""
    return {
        name: round(value, 9)
        for name, value in world.allocator.metrics().items()
        if name.endswith(("/total", "/offered_or_allocated", "/dominant"))
    }
