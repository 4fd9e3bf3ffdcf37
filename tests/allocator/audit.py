"""Compares everything that the allocator keeps with what it would be if it were computed from nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Resources, ValueType
from pymesoskit.testing.allocator.bundle import Bundle
from pymesoskit.testing.allocator.run import Run
from pymesoskit.testing.allocator.sorter import DrfSorter, Node, Sorter
from pymesoskit.testing.allocator.units import Units, credit

if TYPE_CHECKING:
    from pymesoskit.testing.allocator.api import AllocatorOptions
    from pymesoskit.testing.allocator.hierarchical import HierarchicalAllocator
    from pymesoskit.testing.allocator.ledger import Ledger
    from pymesoskit.testing.allocator.state import Agent


def audit(allocator: HierarchicalAllocator, options: AllocatorOptions) -> None:
    """Fails with what is not as it should be."""
    ledger = allocator._ledger
    check_agents(ledger)
    check_charges(ledger)
    check_reservations(ledger)
    check_sorters(ledger)
    check_activity(ledger)
    check_refusals(allocator)
    check_blocked(allocator, options)


def check_agents(ledger: Ledger) -> None:
    totals: Units = {}
    for agent in ledger.agents.values():
        credit(totals, agent.total.units)
        held = agent.held().non_shared()
        total = agent.total.resources
        expected = (total.non_shared() - held) + total.shared()
        assert agent.available.resources == expected, f"available on {agent.id}"
        for client in agent.clients:
            assert agent in client.agents
    assert ledger.totals.units == totals


def distinct_units(held: list[Resources]) -> tuple[Units, Units]:
    """The scalars (all, reserved) of what is held on one agent; a shared resource counts once."""
    everything: Units = {}
    reserved: Units = {}
    seen: set[str] = set()
    for resources in held:
        for resource in resources:
            if resource.type is not ValueType.SCALAR or (resource.shared and resource.key in seen):
                continue
            seen.add(resource.key)
            credit(everything, {resource.name: resource.measure})
            if resource.is_reserved:
                credit(reserved, {resource.name: resource.measure})
    return everything, reserved


def check_charges(ledger: Ledger) -> None:
    reserved_in_all: Units = {}
    for role in ledger.tree:
        in_role: Units = {}
        reserved_in_role: Units = {}
        for agent in ledger.agents.values():
            here = [bundle.resources for client, bundle in agent.clients.items() if client.role is role]
            everything, reserved = distinct_units(here)
            credit(in_role, everything)
            credit(reserved_in_role, reserved)
        for client in role.clients.values():
            alone: Units = {}
            for agent in client.agents:
                credit(alone, distinct_units([agent.clients[client].resources])[0])
            assert client.node.allocation == alone, f"{client.framework.id} in {role.path}"
        assert (role.node.allocation if role.node is not None else {}) == in_role, role.path
        assert role.held_reserved == reserved_in_role, role.path
        credit(reserved_in_all, reserved_in_role)
        launched: Units = {}
        for agent in ledger.agents.values():
            credit(launched, agent.launched.get(role.path, {}))
        assert role.launched == launched
    assert ledger.tree.held_reserved == reserved_in_all


def check_reservations(ledger: Ledger) -> None:
    expected: dict[str, Units] = {}
    for agent in ledger.agents.values():
        for role, resources in agent.total.resources.by_reservation_role().items():
            units = Bundle(resources).units
            if units:
                credit(expected.setdefault(role, {}), units)
    assert {role.path: role.reservations for role in ledger.tree if role.reservations} == expected
    assert ledger.tree.top_level == {role.path: role for role in ledger.tree if role.parent is None}
    for role in ledger.tree:
        assert role.exists(), f"nothing speaks for {role.path}"
        assert role.parent is None or role.parent.exists()


def check_sorters(ledger: Ledger) -> None:
    check_sorter(ledger.role_sorter)
    for role in ledger.tree:
        assert (role.sorter is not None) == bool(role.clients)
        if role.sorter is not None:
            check_sorter(role.sorter)


def check_sorter(sorter: Sorter[object]) -> None:  # type: ignore[type-arg]
    if not isinstance(sorter, DrfSorter):
        return
    sorter.settle()
    expected = live_leaves(sorter, sorter._root)
    assert list(sorter.clients()) == expected


def live_leaves(sorter: DrfSorter[object], node: Node[object]) -> list[object]:
    """The order, computed anew from allocations, counts and weights."""
    if node.children is None:
        return [node.client] if node.is_live else []
    children = list(node.children.by_name.values())
    if node.parent is not None:
        total: Units = {}
        for child in children:
            credit(total, child.allocation)
        assert node.allocation == total, node.path
    children.sort(
        key=lambda n: (sorter._totals.share(n.allocation) / (1.0 if n.weight is None else n.weight), n.count, n.path)
    )
    return [leaf for child in children for leaf in live_leaves(sorter, child)]


def check_activity(ledger: Ledger) -> None:
    bits = 0
    for role in ledger.tree:
        in_role = 0
        for client in role.clients.values():
            assert not client.bit & bits
            if client.is_active:
                in_role |= client.bit
            assert client.node.is_live == client.is_active
        assert role.active_bits == in_role
        assert role.node is None or role.node.is_live == bool(in_role)
        bits |= in_role
    assert ledger.active_bits == bits


def check_refusals(allocator: HierarchicalAllocator) -> None:
    expected: dict[tuple[str, Resources], int] = {}
    for framework in allocator._frameworks.values():
        for role, by_agent in framework.filters.items():
            client = framework.clients.get(role)
            for agent, refusals in by_agent.items():
                assert agent.id in allocator._ledger.agents
                for refusal in refusals:
                    assert refusal.is_live
                    if client is not None:
                        key = (agent.id, refusal.refused)
                        expected[key] = expected.get(key, 0) | client.bit
    actual = {
        (agent.id, refused): bits
        for agent in allocator._ledger.agents.values()
        for refused, bits in agent.refusals.items()
    }
    assert actual == expected


def check_blocked(allocator: HierarchicalAllocator, options: AllocatorOptions) -> None:
    """Who is passed over could really be offered nothing."""
    ledger = allocator._ledger
    run = Run(ledger, options, allocator._rng)
    for agent in ledger.agents.values():
        idle = agent not in ledger.fertile and agent not in ledger.held_back
        for role in ledger.tree:
            for client in role.clients.values():
                if client.is_active and (idle or client.bit & agent.blocked):
                    assert not could_be_offered(run, client, agent), (
                        f"{agent.id} to {client.framework.id} in {role.path}"
                    )


def could_be_offered(run: Run, client: object, agent: Agent) -> bool:
    whole = agent.available.for_role(client.role.path)  # type: ignore[attr-defined]
    return not whole.is_empty and run._view(client, agent, whole) is not None  # type: ignore[arg-type]
