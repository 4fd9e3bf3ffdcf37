"""What an allocation policy and its user say to each other, as plain values.

The protocol `Allocator` (any policy), `Listener` (who receives the offers) and the values that travel between them.
Nothing here knows HTTP, messages or a master. Source: docs/reference/allocator.md.

Names: frameworks, agents and roles are texts. Amounts of quantities are in the unit of their resource (CPUs, MB); times
are in seconds. Resources that cross this interface carry no allocation info: the role is beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from random import Random
from typing import Any, Protocol, TypeAlias

from attrs import field, frozen

from pymesoskit.resources import Attributes, Conversion, Resources
from pymesoskit.testing.runtime.clock import Clock

#: Amounts by name of resource, as in a quota: ``{"cpus": 4, "mem": 1024}``.
Amounts: TypeAlias = Mapping[str, float]

#: What frameworks hold: agent (or framework) → role → resources.
Holdings: TypeAlias = Mapping[str, Mapping[str, Resources]]


def _texts(values: Iterable[str]) -> frozenset[str]:
    return frozenset(values)


class OfferConstraints(Protocol):
    """Compiled offer constraints of a framework (see `constraints.compile_constraints`)."""

    def excludes(self, role: str, agent: AgentOptions) -> bool:
        """Whether the agent must not be offered to the framework for this role."""


@frozen
class Unavailability:
    """When an agent goes into maintenance, in seconds since the epoch, and for how long (None: for ever)."""

    start: float
    duration: float | None = None


@frozen
class Filters:
    """How long a framework does not want to see what it refuses.

    ``refuse_seconds`` is as it came: more than 365 days count as 365 days, what is negative or no number as 5 seconds,
    0 as no filter.
    """

    refuse_seconds: float = 5.0


class InverseOfferResponse(StrEnum):
    """What a framework says to an inverse offer."""

    ACCEPT = "ACCEPT"
    DECLINE = "DECLINE"


@frozen
class FaultDomain:
    """Where an agent or a master stands."""

    region: str
    zone: str


@frozen
class FrameworkOptions:
    """What of a framework counts for allocation."""

    roles: frozenset[str] = field(converter=_texts)
    suppressed_roles: frozenset[str] = field(default=frozenset(), converter=_texts)
    capabilities: frozenset[str] = field(default=frozenset(), converter=_texts)
    """Names as in FrameworkInfo.Capability (``MULTI_ROLE``, ``GPU_RESOURCES``, …)."""
    min_allocatable: Mapping[str, Sequence[Amounts]] = field(factory=dict)
    """By role, instead of the flag: at least one of the sets must be in an offer; an empty list admits anything."""
    constraints: OfferConstraints | None = None


#: What an agent of Mesos 1.11 can do.
AGENT_CAPABILITIES = frozenset({
    "MULTI_ROLE", "HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT", "RESOURCE_PROVIDER", "RESIZE_VOLUME",
    "AGENT_OPERATION_FEEDBACK", "AGENT_DRAINING", "TASK_RESOURCE_LIMITS",
})  # fmt: skip


@frozen
class AgentOptions:
    """What of an agent, beside its resources, counts for allocation."""

    hostname: str
    attributes: Attributes = field(factory=Attributes)
    domain: FaultDomain | None = None
    capabilities: frozenset[str] = field(default=AGENT_CAPABILITIES, converter=_texts)
    """Names as in AgentInfo.Capability; those that count are ``MULTI_ROLE`` and ``HIERARCHICAL_ROLE``."""

    def has_same_attributes(self, other: AgentOptions) -> bool:
        """Whether the attributes are the same, in whatever order."""
        return sorted(map(str, self.attributes)) == sorted(map(str, other.attributes))


@frozen
class Quota:
    """What a role is guaranteed and limited to; a name that is absent has no guarantee and no limit."""

    guarantees: Amounts = field(factory=dict)
    limits: Amounts = field(factory=dict)


@frozen
class AllocatorOptions:
    """The master's flags that concern allocation (names and defaults as in Mesos 1.11)."""

    allocation_interval: float = 1.0
    min_allocatable_resources: Sequence[Amounts] | None = ({"cpus": 0.01}, {"mem": 32.0})
    """At least one of the sets must be in an offer; None or empty: anything may be offered."""
    filter_gpu_resources: bool = True
    fair_sharing_excluded_resource_names: frozenset[str] = field(default=frozenset(), converter=_texts)
    role_sorter: str = "drf"
    """``drf`` or ``random``."""
    framework_sorter: str = "drf"
    domain: FaultDomain | None = None
    """Of the master: agents of another region go to REGION_AWARE frameworks only."""
    allocator_recovery_timeout: float = 600.0
    allocator_agent_recovery_factor: float = 0.8


class Listener(Protocol):
    """Who receives the offers.

    Called in the turn of the run, once per framework; it must not call the allocator back at once.
    """

    def offers(self, framework_id: str, offers: Mapping[str, Mapping[str, Resources]]) -> None:
        """New offers to a framework: role → agent id → resources, held by the framework from now on."""

    def inverse_offers(self, framework_id: str, offers: Mapping[str, Unavailability]) -> None:
        """Agents (by id) that a framework is asked to leave, and when."""


class Allocator(Protocol):
    """An allocation policy.

    It decides alone when it runs; the user tells it what happens. Unknown ids are errors of the user (``KeyError``)
    unless a method says otherwise.
    """

    def start(self) -> None:
        """Begins the periodic runs: the first is one interval from now."""

    def stop(self) -> None:
        """Ends all timers; nothing is offered any more."""

    def recover(self, expected_agents: int, quotas: Mapping[str, Quota]) -> None:
        """After a master's failover, before any agent comes: sets the quotas. If there are any, offers pause until
        enough of the agents are back or the recovery timeout is over.
        """

    def pause(self) -> None:
        """No runs from now on; what asks for one is dropped."""

    def resume(self) -> None:
        """Ends a pause. It starts no run of its own."""

    def add_framework(
        self, framework_id: str, options: FrameworkOptions, *, active: bool = True, used: Holdings | None = None
    ) -> None:
        """A framework subscribes; ``used`` (agent → role → resources) is what it already runs on known agents."""

    def update_framework(self, framework_id: str, options: FrameworkOptions) -> None:
        """Replaces all options of a framework. Starts no run."""

    def remove_framework(self, framework_id: str) -> None:
        """The framework is gone for good; what it still holds becomes available."""

    def activate_framework(self, framework_id: str) -> None:
        """The framework is connected again."""

    def deactivate_framework(self, framework_id: str) -> None:
        """The framework is disconnected: no offers, filters are forgotten, what it holds stays held."""

    def add_agent(
        self,
        agent_id: str,
        options: AgentOptions,
        total: Resources,
        *,
        unavailability: Unavailability | None = None,
        used: Holdings | None = None,
    ) -> None:
        """An agent registers; ``used`` (framework → role → resources) is what runs there already."""

    def update_agent(
        self, agent_id: str, *, options: AgentOptions | None = None, total: Resources | None = None
    ) -> None:
        """An agent changed; None means unchanged. New attributes forget the filters for it."""

    def add_resource_provider(self, agent_id: str, total: Resources, used: Holdings | None = None) -> None:
        """``total`` is added to the agent's; ``used`` (framework → role → resources) of it is in use."""

    def remove_agent(self, agent_id: str) -> None:
        """The agent is gone, and with it everything held there."""

    def activate_agent(self, agent_id: str) -> None:
        """The agent's resources are offered again (from the next periodic run on)."""

    def deactivate_agent(self, agent_id: str) -> None:
        """The agent's resources are no longer offered."""

    def transition_offered_to_allocated(
        self, framework_id: str, agent_id: str, role: str, resources: Resources
    ) -> None:
        """Offered resources are now used by tasks or executors. Changes no later offer, only metrics."""

    def recover_resources(
        self,
        framework_id: str,
        agent_id: str,
        role: str,
        resources: Resources,
        *,
        filters: Filters | None = None,
        allocated: bool = False,
    ) -> None:
        """The framework gives resources back: offered ones, or (``allocated``) used ones.

        Ignored if framework or agent is gone.
        """

    def update_allocation(
        self,
        framework_id: str,
        agent_id: str,
        role: str,
        offered: Resources,
        conversions: Sequence[Conversion],
    ) -> None:
        """Applies the conversions of an operation to what the framework holds and to the agent's total.

        A conversion that consumes nothing is one more copy of a shared volume: it changes no total.
        """

    def update_available(self, agent_id: str, conversions: Sequence[Conversion]) -> None:
        """Applies the conversions of an operator's operations to what nobody holds on the agent, all or none.

        Raises ``ResourcesError`` (with the text for the operator) if the resources are not available.
        """

    def suppress_offers(self, framework_id: str, roles: Iterable[str] = ()) -> None:
        """No offers for these roles (none given: all roles of the framework)."""

    def revive_offers(self, framework_id: str, roles: Iterable[str] = ()) -> None:
        """Offers again for these roles (none given: all), and their filters are forgotten."""

    def request_resources(self, framework_id: str, requests: Sequence[object]) -> None:
        """REQUEST calls; the hierarchical policy ignores them."""

    def update_weights(self, weights: Mapping[str, float]) -> None:
        """New weights of roles."""

    def update_quota(self, role: str, guarantees: Amounts, limits: Amounts) -> None:
        """Sets a role's quota; both empty: no quota."""

    def update_unavailability(self, agent_id: str, unavailability: Unavailability | None) -> None:
        """Maintenance of the agent was scheduled, changed or called off."""

    def update_inverse_offer(
        self,
        agent_id: str,
        framework_id: str,
        unavailability: Unavailability | None,
        status: InverseOfferResponse | None,
        filters: Filters | None = None,
    ) -> None:
        """An inverse offer is no longer outstanding: answered, or (``status`` None) rescinded."""

    def inverse_offer_statuses(self) -> Mapping[str, Mapping[str, InverseOfferResponse]]:
        """Agent in maintenance → framework → its last answer."""

    def update_whitelist(self, hostnames: Iterable[str] | None) -> None:
        """Only agents on these hosts are offered; None: all."""

    def metrics(self) -> dict[str, float]:
        """All metrics, by name (``allocator/mesos/…``)."""

    def constraints_debug(self) -> dict[str, Any]:
        """The JSON of ``/allocator/offer_constraints_debug``."""


#: Makes a policy: out of the clock that it may ask and set timers of, a seeded generator for all its choices of chance,
#: who receives the offers, and the flags.
AllocatorFactory: TypeAlias = Callable[[Clock, Random, Listener, AllocatorOptions], Allocator]
