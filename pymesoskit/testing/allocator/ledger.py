"""Who is charged for what: the one place where sorters, roles and agents change together.

Here live tracking of frameworks under roles, charging and releasing what clients hold, and the set of agents that a run
has to look at. Source: docs/reference/allocator.md, sections 1, 2 and 10; shared resources as in its measured lines:
they count once per agent, for a framework in a role and for a role.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pymesoskit.resources import Resource, Resources, ValueType
from pymesoskit.testing.allocator.bundle import EMPTY, Bundle
from pymesoskit.testing.allocator.filters import list_refusals, unlist_refusals
from pymesoskit.testing.allocator.roles import RoleTree
from pymesoskit.testing.allocator.sorter import ClusterTotals, DrfSorter, RandomSorter, Sorter
from pymesoskit.testing.allocator.state import Agent, Client, Framework, Role
from pymesoskit.testing.allocator.units import Units, credit, debit, minus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from pymesoskit.testing.allocator.api import AllocatorOptions

#: Sums of scalars: all, the reserved ones, the revocable ones that are not reserved.
_Sums: TypeAlias = tuple[Units, Units, Units]

SORTERS = ("drf", "random")


class Ledger:
    """Totals, roles, sorters, and who holds what."""

    def __init__(self, options: AllocatorOptions, rng: Random) -> None:
        for flag, kind in (("role_sorter", options.role_sorter), ("framework_sorter", options.framework_sorter)):
            if kind not in SORTERS:
                raise ValueError(f"Unknown --{flag} '{kind}': expecting one of {', '.join(SORTERS)}")
        self._options = options
        self._rng = rng
        self.totals: ClusterTotals = ClusterTotals(options.fair_sharing_excluded_resource_names)
        self.tree: RoleTree = RoleTree()
        self.role_sorter: Sorter[Role] = (
            DrfSorter(self.totals) if options.role_sorter == "drf" else RandomSorter(self.totals, rng)
        )
        self.agents: dict[str, Agent] = {}
        self.version: int = 0
        """Grows with every change that may change quota consumption or headroom."""
        self.active_bits: int = 0
        self.fertile: dict[Agent, None] = {}
        """The agents of which something could be offered, as far as is known; all others can be left out of a run."""
        self.held_back: dict[Agent, None] = {}
        """Agents of which quota alone holds something back: to be looked at again when `version` has changed."""
        self._free_bits: list[int] = []
        self._bit_count = 0

    # --- frameworks in roles ---

    def track(self, framework: Framework, path: str) -> Client:
        """The framework's client in a role; made if there is none, and not active then."""
        client = framework.clients.get(path)
        if client is not None:
            return client
        role = self.tree.grow(path)
        if role.sorter is None:
            if self._options.framework_sorter == "drf":
                role.sorter = DrfSorter(self.totals)
            else:
                role.sorter = RandomSorter(self.totals, self._rng)
            role.node = self.role_sorter.add(path, role)
        client = Client(framework, role, self._take_bit(), framework.minimum(path), framework.filters_for(path))
        client.node = role.sorter.add(framework.id, client)
        role.clients[framework.id] = client
        framework.clients[path] = client
        list_refusals(client)
        return client

    def untrack_if_idle(self, client: Client) -> None:
        """The framework leaves the role unless it holds something in it."""
        if client.agents:
            return
        role, framework = client.role, client.framework
        self.set_active(client, is_active=False)
        unlist_refusals(client)
        del framework.clients[role.path]
        del role.clients[framework.id]
        assert role.sorter is not None
        role.sorter.remove(framework.id)
        if not role.clients:
            self.role_sorter.remove(role.path)
            role.sorter = None
            role.node = None
        self._free_bits.append(client.bit)
        self.tree.prune(role)

    def set_active(self, client: Client, *, is_active: bool) -> None:
        """Whether offers are made to the client; one that becomes active is looked at afresh on all agents."""
        if client.is_active == is_active:
            return
        client.is_active = is_active
        role = client.role
        assert role.sorter is not None
        assert role.node is not None
        role.sorter.set_live(client.node, is_live=is_active)
        role.active_bits ^= client.bit
        self.active_bits ^= client.bit
        self.role_sorter.set_live(role.node, is_live=bool(role.active_bits))
        if is_active:
            self.reconsider(client)

    def reconsider(self, client: Client) -> None:
        """Whatever was found out about the client may have changed: all agents are open to it."""
        for agent in self.agents.values():
            agent.unblock(client.bit)
        self.fertile.update(dict.fromkeys(self.agents.values()))

    def reconsider_agent(self, client: Client, agent: Agent) -> None:
        """The agent is open to the client again."""
        agent.unblock(client.bit)
        self.fertile[agent] = None

    def _take_bit(self) -> int:
        if self._free_bits:
            return self._free_bits.pop()
        bit = 1 << self._bit_count
        self._bit_count += 1
        return bit

    # --- agents ---

    def add_agent(self, agent: Agent) -> None:
        """A new agent, with its total."""
        self.agents[agent.id] = agent
        self._exchange_totals(EMPTY, agent.total)
        self.fertile[agent] = None

    def remove_agent(self, agent: Agent) -> None:
        """The agent goes, with all that is held and launched there."""
        for client, held in list(agent.clients.items()):
            self.release(client, agent, held)
        for path, units in agent.launched.items():
            self._unlaunch(path, units)
        self._exchange_totals(agent.total, EMPTY)
        del self.agents[agent.id]
        self.fertile.pop(agent, None)
        self.held_back.pop(agent, None)

    def change_total(self, agent: Agent, total: Bundle) -> None:
        """The agent's total is another one (whatever is held)."""
        self._exchange_totals(agent.total, total)
        agent.total = total
        self.refresh(agent)

    def refresh(self, agent: Agent) -> None:
        """Anything may have changed about the agent."""
        agent.recount()
        agent.unblock_all()
        self.fertile[agent] = None

    def _exchange_totals(self, old: Bundle, new: Bundle) -> None:
        self.tree.unreserve(_reservations(old.resources))
        self.tree.reserve(_reservations(new.resources))
        self.totals.change(old.units, new.units)
        self.version += 1

    # --- what clients hold ---

    def charge(self, client: Client, agent: Agent, bundle: Bundle) -> None:
        """The client holds more on the agent. (What is available there is the caller's business: `Agent.take`.)"""
        role = client.role
        held = agent.clients.get(client)
        if held is None:
            agent.clients[client] = bundle
            client.agents[agent] = None
            units = bundle.units
        else:
            now = Bundle(held.resources + bundle.resources)
            agent.clients[client] = now
            units = minus(now.units, held.units)
        charged, reserved, revocable = self._enter(role, agent, bundle)
        assert role.sorter is not None
        assert role.node is not None
        role.sorter.charge(client.node, units)
        self.role_sorter.charge(role.node, charged)
        if reserved:
            credit(role.held_reserved, reserved)
            credit(self.tree.held_reserved, reserved)
        if revocable:
            credit(role.held_revocable, revocable)
        self.version += 1

    def release(self, client: Client, agent: Agent, bundle: Bundle) -> None:
        """The client gives some of what it holds back, and the agent has it again."""
        self._exchange(client, agent, bundle, EMPTY)
        agent.give(bundle)
        agent.grew()
        self.fertile[agent] = None
        if client.role.path not in client.framework.options.roles:
            self.untrack_if_idle(client)

    def convert(self, client: Client, agent: Agent, old: Bundle, new: Bundle) -> None:
        """Some of what the client holds becomes something else (the agent's total follows: `change_total`)."""
        self._exchange(client, agent, old, new)

    def _exchange(self, client: Client, agent: Agent, old: Bundle, new: Bundle) -> None:
        role = client.role
        held = agent.clients[client]
        left = new if old.resources is held.resources else Bundle(held.resources - old.resources + new.resources)
        if left:
            agent.clients[client] = left
        else:
            del agent.clients[client]
            del client.agents[agent]
        charged, reserved, revocable = self._enter(role, agent, new)
        discharged, unreserved, unrevocable = self._leave(role, agent, old)
        assert role.sorter is not None
        assert role.node is not None
        role.sorter.convert(client.node, held.units, left.units)
        self.role_sorter.convert(role.node, discharged, charged)
        if reserved or unreserved:
            for ledger in (role.held_reserved, self.tree.held_reserved):
                credit(ledger, reserved)
                debit(ledger, unreserved)
        if revocable or unrevocable:
            credit(role.held_revocable, revocable)
            debit(role.held_revocable, unrevocable)
        self.version += 1

    def _enter(self, role: Role, agent: Agent, bundle: Bundle) -> _Sums:
        """What the role is charged for: shared resources only if no framework of the role holds a copy yet."""
        if not bundle.shared:
            return bundle.units, bundle.reserved, bundle.revocable
        first: list[Resource] = []
        for resource in bundle.shared:
            key = (role.path, resource.key)
            copies = agent.shared_copies.get(key, 0)
            agent.shared_copies[key] = copies + resource.copies
            if not copies:
                first.append(resource)
        return _sums(bundle, first)

    def _leave(self, role: Role, agent: Agent, bundle: Bundle) -> _Sums:
        """What the role is no longer charged for: shared resources only with the last copy."""
        if not bundle.shared:
            return bundle.units, bundle.reserved, bundle.revocable
        last: list[Resource] = []
        for resource in bundle.shared:
            key = (role.path, resource.key)
            copies = agent.shared_copies.get(key, 0) - resource.copies
            if copies > 0:
                agent.shared_copies[key] = copies
            else:
                agent.shared_copies.pop(key, None)
                last.append(resource)
        return _sums(bundle, last)

    # --- what is launched ---

    def launch(self, agent: Agent, path: str, bundle: Bundle) -> None:
        """What is held becomes used by tasks and executors."""
        role = self.tree.get(path)
        if role is not None and bundle.plain:
            credit(agent.launched.setdefault(path, {}), bundle.plain)
            credit(role.launched, bundle.plain)

    def unlaunch(self, agent: Agent, path: str, bundle: Bundle) -> None:
        """Tasks and executors no longer use it."""
        launched = agent.launched.get(path)
        if launched is not None:
            debit(launched, bundle.plain)
            self._unlaunch(path, bundle.plain)

    def _unlaunch(self, path: str, units: Units) -> None:
        role = self.tree.get(path)
        if role is not None:
            debit(role.launched, units)


def _sums(bundle: Bundle, counted: Iterable[Resource]) -> _Sums:
    """The sums of what is not shared, and of the shared resources that count."""
    rest = bundle.non_shared()
    part = Bundle(Resources(counted))
    return _plus(rest.units, part.units), _plus(rest.reserved, part.reserved), _plus(rest.revocable, part.revocable)


def _plus(left: Units, right: Units) -> Units:
    if not right:
        return left
    result = dict(left)
    credit(result, right)
    return result


def _reservations(resources: Resources) -> dict[str, Units]:
    """The reserved scalars, by the role of the innermost reservation."""
    result: dict[str, Units] = {}
    for resource in resources:
        reservations = resource.kind.reservations
        if reservations and resource.kind.type is ValueType.SCALAR:
            ledger = result.setdefault(reservations[-1].role, {})
            ledger[resource.name] = ledger.get(resource.name, 0) + resource.measure
    return result
