"""A policy that owes nothing to the hierarchical one: whoever came first gets all that it may have.

It keeps every rule that is not about order (the contract), in the simplest way there is, and no metrics but three. It
is here to show that the protocol and its contract can be met from outside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from pymesoskit.resources import Conversion, Resources, ResourcesError
from pymesoskit.testing.allocator import (
    AgentOptions,
    AllocatorOptions,
    Amounts,
    Filters,
    FrameworkOptions,
    Holdings,
    InverseOfferResponse,
    Listener,
    Quota,
    Unavailability,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from random import Random

    from pymesoskit.testing.runtime.clock import Clock, Timer


@define(eq=False)
class Framework:
    options: FrameworkOptions
    active: bool
    suppressed: set[str] = field(factory=set)
    refused: list[tuple[float, str, str, Resources]] = field(factory=list)  # until, role, agent, what
    stays: dict[str, float] = field(factory=dict)  # agent -> until when it does not want to be asked to leave


@define(eq=False)
class Agent:
    options: AgentOptions
    total: Resources
    unavailability: Unavailability | None = None
    active: bool = True
    held: dict[tuple[str, str], Resources] = field(factory=dict)  # by framework and role
    asked: set[str] = field(factory=set)
    answers: dict[str, InverseOfferResponse] = field(factory=dict)

    @property
    def idle(self) -> Resources:
        return self.total - sum(self.held.values(), Resources())


class FirstCome:
    """An allocation policy that offers everything to the framework that came first."""

    def __init__(self, clock: Clock, rng: Random, listener: Listener, options: AllocatorOptions) -> None:
        del rng  # nothing is left to chance
        self.clock, self.listener, self.options = clock, listener, options
        self.frameworks: dict[str, Framework] = {}
        self.agents: dict[str, Agent] = {}
        self.quotas: dict[str, Quota] = {}
        self.hostnames: frozenset[str] | None = None
        self.paused = False
        self.awaited: int | None = None  # agents that have to come back after a failover
        self.runs = 0
        self.timers: list[Timer] = []

    # When

    def start(self) -> None:
        self.tick()

    def tick(self) -> None:
        self.timers = [self.clock.call_later(self.options.allocation_interval, self.tick)]
        self.run()

    def stop(self) -> None:
        for timer in self.timers:
            timer.cancel()

    def recover(self, expected_agents: int, quotas: Mapping[str, Quota]) -> None:
        self.quotas.update(quotas)
        self.awaited = int(expected_agents * self.options.allocator_agent_recovery_factor) if quotas else None

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    # Who

    def run(self) -> None:
        if self.paused or (self.awaited is not None and len(self.agents) < self.awaited):
            return
        self.awaited = None
        self.runs += 1
        made: dict[str, dict[str, dict[str, Resources]]] = {}
        by_guarantee = sorted(self.frameworks.items(), key=lambda entry: not self.is_guaranteed(entry[1]))
        for framework_id, framework in by_guarantee:
            for role in sorted(framework.options.roles - framework.suppressed) if framework.active else ():
                for agent_id, agent in self.agents.items():
                    offer = self.what(framework, role, agent_id, agent)
                    if offer:
                        key = (framework_id, role)
                        agent.held[key] = agent.held.get(key, Resources()) + offer
                        made.setdefault(framework_id, {}).setdefault(role, {})[agent_id] = offer
        for framework_id, offers in made.items():
            self.listener.offers(framework_id, offers)
        self.ask_to_leave()

    def is_guaranteed(self, framework: Framework) -> bool:
        return any(self.quotas.get(role, Quota()).guarantees for role in framework.options.roles)

    def what(self, framework: Framework, role: str, agent_id: str, agent: Agent) -> Resources:
        """What the framework is offered there."""
        nothing = Resources()
        options, able = framework.options, framework.options.capabilities
        if not agent.active or (self.hostnames is not None and agent.options.hostname not in self.hostnames):
            return nothing
        if self.options.filter_gpu_resources and agent.total.gpus() and "GPU_RESOURCES" not in able:
            return nothing
        here, there = self.options.domain, agent.options.domain
        if here and there and here.region != there.region and "REGION_AWARE" not in able:
            return nothing
        if options.constraints is not None and options.constraints.excludes(role, agent.options):
            return nothing
        offer = agent.idle.filter(lambda resource: resource.is_allocatable_to(role))
        if "REVOCABLE_RESOURCES" not in able:
            offer = offer.non_revocable()
        offer = self.within_quota(role, offer)
        minimum = options.min_allocatable.get(role, self.options.min_allocatable_resources or ())
        has = offer.scalar_quantities()
        if minimum and not any(all(has.get(n) >= amount for n, amount in one.items()) for one in minimum):
            return nothing
        now = self.clock.monotonic()
        framework.refused = [refusal for refusal in framework.refused if refusal[0] > now]
        mine = [what for _, of, where, what in framework.refused if (of, where) == (role, agent_id)]
        return nothing if any(what.contains(offer) for what in mine) else offer

    def within_quota(self, role: str, offer: Resources) -> Resources:
        """Cut to the role's limits, and to what the guarantees of others do not need."""
        kept = []
        for resource in offer:
            if resource.type != "SCALAR" or resource.is_reserved or resource.kind.is_revocable:
                kept.append(resource)
                continue
            name = resource.name
            most = [resource.value]
            limits = self.quotas.get(role, Quota()).limits
            if name in limits:
                most.append(limits[name] - self.held(role, name))
            idle = sum(agent.idle.unreserved().scalar_quantities().get(name) for agent in self.agents.values())
            others = [
                max(0.0, quota.guarantees.get(name, 0.0) - self.held(other, name))
                for other, quota in self.quotas.items()
                if other != role
            ]
            most.append(idle - sum(others))
            if min(most) > 0:
                kept.append(resource.with_value(min(most)))
        return Resources(kept)

    def held(self, role: str, name: str) -> float:
        return sum(
            resources.scalar_quantities().get(name)
            for agent in self.agents.values()
            for (_, of), resources in agent.held.items()
            if of == role
        )

    # Frameworks

    def add_framework(
        self, framework_id: str, options: FrameworkOptions, *, active: bool = True, used: Holdings | None = None
    ) -> None:
        self.frameworks[framework_id] = Framework(options, active, set(options.suppressed_roles))
        for agent_id, by_role in (used or {}).items():
            for role, resources in by_role.items():
                self.agents[agent_id].held[framework_id, role] = resources
        self.clock.call_later(0, self.run)

    def update_framework(self, framework_id: str, options: FrameworkOptions) -> None:
        framework = self.frameworks[framework_id]
        framework.options, framework.suppressed = options, set(options.suppressed_roles)

    def remove_framework(self, framework_id: str) -> None:
        del self.frameworks[framework_id]
        for agent in self.agents.values():
            agent.held = {key: held for key, held in agent.held.items() if key[0] != framework_id}

    def activate_framework(self, framework_id: str) -> None:
        self.frameworks[framework_id].active = True
        self.clock.call_later(0, self.run)

    def deactivate_framework(self, framework_id: str) -> None:
        framework = self.frameworks[framework_id]
        framework.active = False
        framework.refused.clear()
        framework.stays.clear()

    def suppress_offers(self, framework_id: str, roles: Iterable[str] = ()) -> None:
        framework = self.frameworks[framework_id]
        framework.suppressed |= set(roles) or framework.options.roles

    def revive_offers(self, framework_id: str, roles: Iterable[str] = ()) -> None:
        framework = self.frameworks[framework_id]
        revived = set(roles) or framework.options.roles
        framework.suppressed -= revived
        framework.refused = [refusal for refusal in framework.refused if refusal[1] not in revived]
        framework.stays.clear()
        self.clock.call_later(0, self.run)

    def request_resources(self, framework_id: str, requests: Sequence[object]) -> None:
        pass

    # Agents

    def add_agent(
        self,
        agent_id: str,
        options: AgentOptions,
        total: Resources,
        *,
        unavailability: Unavailability | None = None,
        used: Holdings | None = None,
    ) -> None:
        self.agents[agent_id] = agent = Agent(options, total, unavailability)
        for framework_id, by_role in (used or {}).items():
            for role, resources in by_role.items():
                agent.held[framework_id, role] = resources
        self.clock.call_later(0, self.run)

    def update_agent(
        self, agent_id: str, *, options: AgentOptions | None = None, total: Resources | None = None
    ) -> None:
        agent = self.agents[agent_id]
        agent.options, agent.total = options or agent.options, total if total is not None else agent.total
        self.clock.call_later(0, self.run)

    def add_resource_provider(self, agent_id: str, total: Resources, used: Holdings | None = None) -> None:
        agent = self.agents[agent_id]
        agent.total += total
        for framework_id, by_role in (used or {}).items():
            for role, resources in by_role.items():
                agent.held[framework_id, role] = agent.held.get((framework_id, role), Resources()) + resources

    def remove_agent(self, agent_id: str) -> None:
        del self.agents[agent_id]

    def activate_agent(self, agent_id: str) -> None:
        self.agents[agent_id].active = True

    def deactivate_agent(self, agent_id: str) -> None:
        self.agents[agent_id].active = False

    def update_whitelist(self, hostnames: Iterable[str] | None) -> None:
        self.hostnames = None if hostnames is None else frozenset(hostnames)

    # Resources

    def transition_offered_to_allocated(
        self, framework_id: str, agent_id: str, role: str, resources: Resources
    ) -> None:
        pass

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
        agent, framework = self.agents.get(agent_id), self.frameworks.get(framework_id)
        if agent is None or framework is None:
            return
        agent.held[framework_id, role] -= resources
        if not agent.held[framework_id, role]:
            del agent.held[framework_id, role]
        if filters is not None and filters.refuse_seconds:
            until = self.clock.monotonic() + max(filters.refuse_seconds, self.options.allocation_interval)
            framework.refused.append((until, role, agent_id, resources))

    def update_allocation(
        self, framework_id: str, agent_id: str, role: str, offered: Resources, conversions: Sequence[Conversion]
    ) -> None:
        agent = self.agents[agent_id]
        for conversion in conversions:
            agent.held[framework_id, role] = conversion.apply(agent.held[framework_id, role])
            agent.total = conversion.apply(agent.total)

    def update_available(self, agent_id: str, conversions: Sequence[Conversion]) -> None:
        agent = self.agents[agent_id]
        total = agent.total
        for conversion in conversions:
            if not agent.idle.contains(conversion.consumed):
                raise ResourcesError(f"{agent.idle} does not contain {conversion.consumed}")
            total = conversion.apply(total)
        agent.total = total

    # Operators

    def update_weights(self, weights: Mapping[str, float]) -> None:
        pass

    def update_quota(self, role: str, guarantees: Amounts, limits: Amounts) -> None:
        self.quotas[role] = Quota(guarantees, limits)

    def update_unavailability(self, agent_id: str, unavailability: Unavailability | None) -> None:
        agent = self.agents[agent_id]
        agent.unavailability = unavailability
        agent.asked.clear()
        agent.answers.clear()
        self.clock.call_later(0, self.run)

    def ask_to_leave(self) -> None:
        now = self.clock.monotonic()
        for agent_id, agent in self.agents.items():
            if agent.unavailability is None:
                continue
            for framework_id in dict.fromkeys(framework_id for framework_id, _ in agent.held):
                framework = self.frameworks.get(framework_id)
                if framework is None or not framework.active or framework_id in agent.asked:
                    continue
                if framework.stays.get(agent_id, 0.0) <= now:
                    agent.asked.add(framework_id)
                    self.listener.inverse_offers(framework_id, {agent_id: agent.unavailability})

    def update_inverse_offer(
        self,
        agent_id: str,
        framework_id: str,
        unavailability: Unavailability | None,
        status: InverseOfferResponse | None,
        filters: Filters | None = None,
    ) -> None:
        agent = self.agents[agent_id]
        agent.asked.discard(framework_id)
        if status is not None:
            agent.answers[framework_id] = status
        if filters is not None:
            self.frameworks[framework_id].stays[agent_id] = self.clock.monotonic() + filters.refuse_seconds

    def inverse_offer_statuses(self) -> Mapping[str, Mapping[str, InverseOfferResponse]]:
        return {
            agent_id: dict(agent.answers) for agent_id, agent in self.agents.items() if agent.unavailability is not None
        }

    # What can be seen

    def metrics(self) -> dict[str, float]:
        total = sum((agent.total for agent in self.agents.values()), Resources())
        idle = sum((agent.idle for agent in self.agents.values()), Resources())
        return {
            "allocator/mesos/allocation_runs": float(self.runs),
            "allocator/mesos/resources/cpus/total": total.cpus(),
            "allocator/mesos/resources/cpus/offered_or_allocated": total.cpus() - idle.cpus(),
        }

    def constraints_debug(self) -> dict[str, Any]:
        return {
            "frameworks": {
                framework_id: {
                    "suppressed_roles": sorted(framework.suppressed),
                    "excluded_by_attribute_constraints": {
                        role: [
                            agent_id
                            for agent_id, agent in self.agents.items()
                            if framework.options.constraints is not None
                            and framework.options.constraints.excludes(role, agent.options)
                        ]
                        for role in sorted(framework.options.roles)
                    },
                }
                for framework_id, framework in self.frameworks.items()
            }
        }
