"""What the allocator knows of frameworks and agents, from their messages. Source: docs/reference/allocator.md 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Attributes, Resources
from pymesoskit.testing.allocator import (
    AgentOptions,
    FaultDomain,
    Filters,
    FrameworkOptions,
    Unavailability,
)
from pymesoskit.testing.engine.master.state import Agent, Capability, Framework

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymesoskit.wire.v1 import mesos

_CAPABILITY_NAMES: dict[int, str] = {number: name for name, number in Capability.Type.items()}


def framework_options(framework: Framework) -> FrameworkOptions:
    """A framework's roles, capabilities, filters and constraints."""
    return FrameworkOptions(
        roles=framework.roles,
        suppressed_roles=framework.suppressed_roles,
        capabilities=frozenset(
            _CAPABILITY_NAMES[number] for number in framework.capabilities if number in _CAPABILITY_NAMES
        ),
        min_allocatable={
            role: [
                {name: scalar.value for name, scalar in quantities.quantities.items()}
                for quantities in filters.min_allocatable_resources.quantities
            ]
            for role, filters in framework.info.offer_filters.items()
            if filters.HasField("min_allocatable_resources")
        },
        constraints=framework.constraints,
    )


def agent_options(agent: Agent) -> AgentOptions:
    """An agent's host, attributes, domain and capabilities."""
    return AgentOptions(
        hostname=agent.info.hostname,
        attributes=Attributes.from_messages(agent.info.attributes),
        domain=fault_domain(agent.info.domain) if agent.info.HasField("domain") else None,
        capabilities=frozenset(agent.capabilities),
    )


def fault_domain(domain: mesos.DomainInfo) -> FaultDomain | None:
    """Region and zone, if they are given."""
    if not domain.HasField("fault_domain"):
        return None
    return FaultDomain(domain.fault_domain.region.name, domain.fault_domain.zone.name)


def filters_of(filters: mesos.Filters) -> Filters:
    """The filters of a call; the default of ``refuse_seconds`` is 5."""
    return Filters(filters.refuse_seconds)


def unavailability_of(message: mesos.Unavailability) -> Unavailability:
    """An unavailability in seconds."""
    duration = message.duration.nanoseconds / 1e9 if message.HasField("duration") else None
    return Unavailability(message.start.nanoseconds / 1e9, duration)


def unallocated_by_role(by_key: Mapping[str, Resources]) -> dict[str, dict[str, Resources]]:
    """Holdings as the allocator wants them: key → role → resources without allocation info."""
    return {
        key: {role: resources.unallocated() for role, resources in held.allocations().items()}
        for key, held in by_key.items()
    }
