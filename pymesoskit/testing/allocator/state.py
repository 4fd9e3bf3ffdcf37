"""What the allocator knows of agents, frameworks and the frameworks' roles.

`Agent` computes what is available on it; `Client` is a framework in one of its roles, with what it holds. How these are
charged to sorters and quotas is the ledger's business (`ledger`). Source: docs/reference/allocator.md, sections 1 and
10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from pymesoskit.resources import Resources
from pymesoskit.testing.allocator.bundle import EMPTY, KINDS, Bundle, Minimum
from pymesoskit.testing.allocator.units import Units, credit, minus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymesoskit.testing.allocator.api import (
        AgentOptions,
        FaultDomain,
        FrameworkOptions,
        InverseOfferResponse,
        Unavailability,
    )
    from pymesoskit.testing.allocator.sorter import Node, Sorter

#: The weight of a role for which none was set.
DEFAULT_WEIGHT = 1.0

#: Without these an agent does not go to every framework.
_ROLE_CAPABILITIES = frozenset({"MULTI_ROLE", "HIERARCHICAL_ROLE"})


@define(eq=False)
class Maintenance:
    """An agent's scheduled unavailability, and what frameworks said to it."""

    unavailability: Unavailability
    statuses: dict[str, InverseOfferResponse] = field(factory=dict)
    outstanding: set[str] = field(factory=set)


@define(eq=False)
class Agent:
    """An agent and what is held on it.

    ``blocked`` is the set (as bits, see `Client.bit`) of clients for which it is known that nothing can be offered
    while no more becomes available than ``blocked_level``. It saves looking at them again and again; whatever could
    change the answer takes the bits out.
    """

    id: str
    options: AgentOptions
    total: Bundle
    is_active: bool = True
    maintenance: Maintenance | None = None
    clients: dict[Client, Bundle] = field(factory=dict)
    """What each client holds here."""
    strangers: dict[tuple[str, str], Bundle] = field(factory=dict)
    """What frameworks hold here that are not known yet: (framework, role) → resources."""
    launched: dict[str, Units] = field(factory=dict)
    """What tasks and executors use and counts for quota, by role."""
    shared_copies: dict[tuple[str, str], int] = field(factory=dict)
    """(role, key of a shared resource) → the copies that known frameworks of the role hold."""
    available: Bundle = EMPTY
    """What nobody holds, and all shared resources."""
    refusals: dict[Resources, int] = field(factory=dict)
    """Resources that were refused here → the clients (as bits) that have a filter for just them."""
    blocked: int = 0
    blocked_level: Bundle | None = None
    is_special: bool = field(init=False)
    """Whether not every framework may have it: GPUs, a domain, missing capabilities."""
    _compared: Bundle | None = None
    """What was available when `refusals` were last compared with it."""
    _spent: Bundle | None = None
    """What became an offer as a whole and left nothing: if it comes back as it was, it is used again."""
    _taken: Resources = Resources()  # noqa: RUF009  # immutable
    """What is held and not shared, in the order in which it was taken: it decides the order of what is left."""

    def __attrs_post_init__(self) -> None:
        self.recount()

    @property
    def has_gpus(self) -> bool:
        """Whether it has graphics processors, in whatever state."""
        return self.total.units.get("gpus", 0) > 0

    def held(self) -> Resources:
        """All that is held here."""
        result = Resources()
        for bundle in (*self.clients.values(), *self.strangers.values()):
            result += bundle.resources
        return result

    def recount(self) -> None:
        """Computes what is available from nothing: needed when options, total, or anything but offers changed."""
        self._taken = self.held().non_shared()
        self._spent = None
        self.is_special = (
            self.has_gpus or self.options.domain is not None or not self.options.capabilities >= _ROLE_CAPABILITIES
        )
        self._subtract()

    def take(self, bundle: Bundle) -> None:
        """Takes what somebody holds from now on out of what is available."""
        self._taken += bundle.non_shared().resources
        available = self.available
        if (bundle is available or bundle is available.ordered) and not bundle.shared:
            self._spent = available
            self.available = EMPTY
            return
        self._spent = None
        self._subtract()

    def give(self, bundle: Bundle) -> None:
        """Makes available what somebody no longer holds (it must have been taken out of ``clients`` already)."""
        self._taken -= bundle.non_shared().resources
        spent, self._spent = self._spent, None
        if spent is not None and (bundle is spent or bundle is spent.ordered or bundle.resources == spent.resources):
            self.available = spent
        else:
            self._subtract()

    def _subtract(self) -> None:
        # As Mesos does it each time anew, from the total: the order of the resources depends on it.
        total, taken = self.total, self._taken
        if total.shared:
            self.available = Bundle((total.resources.non_shared() - taken) + total.resources.shared())
        else:
            self.available = Bundle(total.resources - taken) if taken else total

    def open_to(self, clients: int) -> int:
        """Those of the clients (as bits) that might be offered something that is available."""
        open_bits = clients & ~self.blocked
        available = self.available
        if open_bits and self.refusals and self._compared is not available:
            self._compared = available
            refused = 0
            for resources, bits in self.refusals.items():
                if bits & open_bits and (resources is available.resources or resources.contains(available.resources)):
                    refused |= bits
            if refused:
                self.block(refused)
                open_bits &= ~refused
        return open_bits

    def refuse(self, resources: Resources, bit: int) -> None:
        """A client refused resources."""
        self.refusals[resources] = self.refusals.get(resources, 0) | bit
        self._compared = None

    def block(self, bits: int) -> None:
        """Nothing that is available now can be offered to these clients."""
        self.blocked |= bits
        self.blocked_level = self.available

    def grew(self) -> None:
        """More may be available than before: forgets what is blocked unless that was known for as much."""
        level = self.blocked_level
        if level is not None and level is not self.available and not level.resources.contains(self.available.resources):
            self.unblock_all()

    def unblock(self, bits: int) -> None:
        """These clients have to be looked at again."""
        self.blocked &= ~bits
        self._compared = None

    def unblock_all(self) -> None:
        """Everybody has to be looked at again."""
        self.blocked = 0
        self.blocked_level = None
        self._compared = None


@define(eq=False)
class Framework:
    """A framework and its clients: in each of its roles, and in each in which it still holds something."""

    id: str
    options: FrameworkOptions
    is_active: bool
    default_minimum: Minimum
    suppressed: set[str] = field(factory=set)
    clients: dict[str, Client] = field(factory=dict)
    inverse_filters: dict[str, tuple[InverseFilter, ...]] = field(factory=dict)
    """Agent id → live filters for inverse offers."""
    filters: dict[str, dict[Agent, tuple[OfferFilter, ...]]] = field(factory=dict)
    """Live filters for offers, by role."""
    lacking: int = 0
    minimums: dict[str, Minimum] = field(factory=dict)

    def configure(self, options: FrameworkOptions) -> None:
        """Takes over all but the suppressed roles."""
        self.options = options
        self.lacking = sum(bit for name, bit in KINDS.items() if name not in options.capabilities)
        self.minimums = {role: Minimum(sets) for role, sets in options.min_allocatable.items()}
        for client in self.clients.values():
            client.minimum = self.minimum(client.role.path)

    def filters_for(self, role: str) -> dict[Agent, tuple[OfferFilter, ...]]:
        """The filters for a role, to be changed in place."""
        return self.filters.setdefault(role, {})

    def minimum(self, role: str) -> Minimum:
        """What an offer for a role must contain."""
        return self.minimums.get(role, self.default_minimum)

    def can_use(self, agent: Agent, domain: FaultDomain | None, *, filter_gpus: bool) -> bool:
        """Whether the agent as a whole may be offered to it: GPUs, other regions."""
        capabilities = self.options.capabilities
        if filter_gpus and agent.has_gpus and "GPU_RESOURCES" not in capabilities:
            return False
        region = agent.options.domain
        return region is None or domain is None or region.region == domain.region or "REGION_AWARE" in capabilities

    def understands(self, agent: Agent, role: str) -> bool:
        """Whether agent and framework speak of roles in the same way."""
        known = agent.options.capabilities
        if "MULTI_ROLE" not in known and "MULTI_ROLE" in self.options.capabilities:
            return False
        return "HIERARCHICAL_ROLE" in known or "/" not in role


@define(eq=False)
class Client:
    """A framework in one role.

    ``bit`` stands for it in sets of clients that are kept as integers.
    """

    framework: Framework
    role: Role
    bit: int
    minimum: Minimum
    filters: dict[Agent, tuple[OfferFilter, ...]]
    """The framework's filters for the role (the same object as in the framework)."""
    node: Node[Client] = field(init=False)
    agents: dict[Agent, None] = field(factory=dict)
    """Where it holds something."""
    is_active: bool = False
    """Whether it is in the order of its sorter."""


@define(eq=False)
class Role:
    """One role. Amounts are its own, without its children's."""

    path: str
    parent: Role | None
    children: dict[str, Role] = field(factory=dict)
    clients: dict[str, Client] = field(factory=dict)
    """Framework id → the framework in this role."""
    sorter: Sorter[Client] | None = None
    """Orders the frameworks; there is one while there are frameworks."""
    node: Node[Role] | None = None
    """Its place in the sorter of the roles, while there are frameworks."""
    active_bits: int = 0
    """The active clients (see `Client.bit`)."""
    guarantees: Units = field(factory=dict)
    limits: Units = field(factory=dict)
    weight: float = DEFAULT_WEIGHT
    reservations: Units = field(factory=dict)
    """All that is reserved to it, on all agents."""
    held_reserved: Units = field(factory=dict)
    """The reserved resources that its frameworks hold."""
    held_revocable: Units = field(factory=dict)
    launched: Units = field(factory=dict)
    """What its frameworks run on and counts for quota."""

    @property
    def has_quota(self) -> bool:
        """Whether its quota is not the default."""
        return bool(self.guarantees or self.limits)

    def exists(self) -> bool:
        """Whether anything speaks for it."""
        return bool(
            self.children or self.clients or self.reservations or self.has_quota or self.weight != DEFAULT_WEIGHT
        )

    def subtree(self) -> Iterator[Role]:
        """It and all below it."""
        yield self
        for child in self.children.values():
            yield from child.subtree()

    def held_plain(self) -> Units:
        """What its frameworks hold and counts for quota: neither reserved nor revocable."""
        if self.node is None:
            return {}
        return minus(minus(self.node.allocation, self.held_reserved), self.held_revocable)

    def quota_offered_or_consumed(self) -> Units:
        """What counts against the quota: what the subtree holds, and all its reservations."""
        total: Units = {}
        for role in self.subtree():
            credit(total, role.held_plain())
            credit(total, role.reservations)
        return total

    def quota_consumed(self) -> Units:
        """What the subtree runs on, and all its reservations."""
        total: Units = {}
        for role in self.subtree():
            credit(total, role.launched)
            credit(total, role.reservations)
        return total


@define(eq=False)
class OfferFilter:
    """Resources of an agent that a framework refused for a role. What lies within them is not offered to it again."""

    framework: Framework
    role: str
    agent: Agent
    refused: Resources
    is_live: bool = True

    def covers(self, offer: Resources) -> bool:
        """Whether the offer is part of what was refused."""
        return self.refused is offer or self.refused.contains(offer)


@define(eq=False)
class InverseFilter:
    """An agent that a framework does not want to be asked to leave, for a while."""

    framework_id: str
    agent_id: str
    is_live: bool = True
