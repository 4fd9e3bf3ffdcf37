"""The hierarchical DRF allocator of Mesos 1.11: what each event changes (docs/reference/allocator.md).

Here events come in and runs are started. Who is charged for what lives in `ledger`, a run in `run`, its moments in
`schedule`, filters in `filters`, inverse offers in `inverse`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from pymesoskit.resources import Conversion, Resources, ResourcesError
from pymesoskit.testing.allocator.api import (
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
from pymesoskit.testing.allocator.bundle import Bundle, Minimum
from pymesoskit.testing.allocator.filters import Expiries, Filter, OfferFilters, filter_seconds
from pymesoskit.testing.allocator.inverse import (
    answer_inverse_offer,
    end_inverse_filter,
    forget_inverse_filters,
    inverse_offers,
)
from pymesoskit.testing.allocator.ledger import Ledger
from pymesoskit.testing.allocator.metrics import PREFIX, TimerMetric, read_metrics
from pymesoskit.testing.allocator.run import Run
from pymesoskit.testing.allocator.schedule import RunSchedule
from pymesoskit.testing.allocator.state import Agent, Client, Framework, Maintenance, OfferFilter
from pymesoskit.testing.allocator.units import limits as limit_units
from pymesoskit.testing.allocator.units import quantities as quantity_units

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from random import Random

    from pymesoskit.testing.runtime.clock import Clock, Timer


class HierarchicalAllocator:
    """Mesos's allocation policy. Keeps the `Allocator` protocol.

    ``clock`` runs its timers (in the caller's turn), ``rng`` decides what Mesos leaves to chance, ``listener`` receives
    the offers. Everything happens in one thread.
    """

    def __init__(self, clock: Clock, rng: Random, listener: Listener, options: AllocatorOptions | None = None) -> None:
        self._clock = clock
        self._rng = rng
        self._listener = listener
        self._options = options = options if options is not None else AllocatorOptions()
        self._ledger = Ledger(options, rng)
        self._frameworks: dict[str, Framework] = {}
        self._minimum = Minimum(options.min_allocatable_resources)
        self._whitelist: frozenset[str] | None = None
        self._expected_agents: int | None = None
        self._recovery: Timer | None = None
        self._maintained: dict[Agent, None] = {}
        self._with_strangers: dict[Agent, None] = {}
        self._held_back_version = -1
        self._runs = 0
        self._run_time = TimerMetric("allocation_run_ms")
        self._run_latency = TimerMetric("allocation_run_latency_ms")
        self._schedule = RunSchedule(clock, options.allocation_interval, self._run)
        self._expiries = Expiries(clock, self._expire, self._schedule)
        self._filters = OfferFilters(self._expiries)

    # --- life ---

    def start(self) -> None:
        """Begins the periodic runs: the first is one interval from now."""
        self._schedule.start()

    def stop(self) -> None:
        """Ends all timers; nothing is offered any more."""
        self._schedule.stop()
        self._expiries.stop()
        if self._recovery is not None:
            self._recovery.cancel()

    def recover(self, expected_agents: int, quotas: Mapping[str, Quota]) -> None:
        """After a failover: with any quota, no offers until enough agents are back or it has taken too long."""
        if self._ledger.agents:
            raise ValueError("recover() comes before all agents")
        for role, quota in quotas.items():
            self.update_quota(role, quota.guarantees, quota.limits)
        expected = int(expected_agents * self._options.allocator_agent_recovery_factor)
        if quotas and expected:
            self._expected_agents = expected
            self.pause()
            self._recovery = self._clock.call_later(self._options.allocator_recovery_timeout, self._end_recovery)

    def _end_recovery(self) -> None:
        if self._recovery is not None:
            self._recovery.cancel()
        self._recovery = None
        self._expected_agents = None
        self.resume()

    def pause(self) -> None:
        """No runs from now on; what asks for one is dropped."""
        self._schedule.is_paused = True

    def resume(self) -> None:
        """Ends a pause. It starts no run of its own."""
        self._schedule.is_paused = False

    # --- frameworks ---

    def add_framework(
        self, framework_id: str, options: FrameworkOptions, *, active: bool = True, used: Holdings | None = None
    ) -> None:
        """A framework subscribes; ``used`` (agent → role → resources) is what it already runs on known agents."""
        if framework_id in self._frameworks:
            raise ValueError(f"Framework '{framework_id}' is known already")
        framework = Framework(framework_id, options, active, self._minimum)
        framework.configure(options)
        framework.suppressed = set(options.suppressed_roles & options.roles)
        self._frameworks[framework_id] = framework
        for role in sorted(options.roles):
            client = self._ledger.track(framework, role)
            self._ledger.set_active(client, is_active=role not in framework.suppressed)
        for agent_id, holdings in (used or {}).items():
            agent = self._ledger.agents.get(agent_id)
            if agent is not None:
                self._recognise(framework, agent, holdings)
        if active:
            self._schedule.ask_all()
        else:
            self.deactivate_framework(framework_id)

    def _recognise(self, framework: Framework, agent: Agent, holdings: Mapping[str, Resources]) -> None:
        """The agent told of what the framework holds there before the framework itself was known."""
        for role, resources in holdings.items():
            known = agent.strangers.pop((framework.id, role), None)
            bundle = Bundle(resources) if known is None or not known.resources.contains(resources) else known
            client = self._ledger.track(framework, role)
            self._ledger.charge(client, agent, bundle)
            self._ledger.launch(agent, role, bundle)
            if bundle is not known:
                self._ledger.refresh(agent)

    def update_framework(self, framework_id: str, options: FrameworkOptions) -> None:
        """Replaces all options of a framework. Starts no run."""
        framework = self._frameworks[framework_id]
        before = framework.options.roles
        suppressed_before = set(framework.suppressed)
        for role in sorted(options.roles - before):
            client = self._ledger.track(framework, role)
            self._ledger.set_active(client, is_active=True)
        framework.configure(options)
        for role in sorted(before - options.roles):
            client = framework.clients[role]
            self._ledger.set_active(client, is_active=False)
            self._filters.forget(framework, role)
            framework.suppressed.discard(role)
            self._ledger.untrack_if_idle(client)
        suppressed = options.suppressed_roles & options.roles
        self._suppress(framework, suppressed - suppressed_before)
        self._revive(framework, (suppressed_before - suppressed) & options.roles)
        for client in framework.clients.values():
            self._ledger.reconsider(client)

    def remove_framework(self, framework_id: str) -> None:
        """The framework is gone for good; what it still holds becomes available."""
        framework = self._frameworks[framework_id]
        for client in list(framework.clients.values()):
            for agent in list(client.agents):
                self._ledger.release(client, agent, agent.clients[client])
        self._forget_filters(framework)
        for client in list(framework.clients.values()):
            self._ledger.untrack_if_idle(client)
        for agent in self._with_strangers:
            for key in [key for key in agent.strangers if key[0] == framework_id]:
                del agent.strangers[key]
                self._ledger.refresh(agent)
        forget_inverse_filters(framework, None, self._expiries)
        del self._frameworks[framework_id]

    def activate_framework(self, framework_id: str) -> None:
        """The framework is connected again."""
        framework = self._frameworks[framework_id]
        framework.is_active = True
        for role in sorted(framework.options.roles - framework.suppressed):
            self._ledger.set_active(framework.clients[role], is_active=True)
        self._schedule.ask_all()

    def deactivate_framework(self, framework_id: str) -> None:
        """The framework is disconnected: no offers, filters are forgotten, what it holds stays held."""
        framework = self._frameworks[framework_id]
        framework.is_active = False
        for role in framework.options.roles:
            self._ledger.set_active(framework.clients[role], is_active=False)
        self._forget_filters(framework)
        forget_inverse_filters(framework, None, self._expiries)

    def suppress_offers(self, framework_id: str, roles: Iterable[str] = ()) -> None:
        """No offers for these roles (none given: all roles of the framework)."""
        framework = self._frameworks[framework_id]
        self._suppress(framework, self._named_roles(framework, roles))

    def revive_offers(self, framework_id: str, roles: Iterable[str] = ()) -> None:
        """Offers again for these roles (none given: all), and their filters are forgotten."""
        framework = self._frameworks[framework_id]
        self._revive(framework, self._named_roles(framework, roles))
        self._schedule.ask_all()

    @staticmethod
    def _named_roles(framework: Framework, roles: Iterable[str]) -> frozenset[str]:
        # Roles that the framework does not have (anymore) are passed over; the real allocator ends there.
        named = frozenset(roles)
        return named & framework.options.roles if named else framework.options.roles

    def _suppress(self, framework: Framework, roles: Iterable[str]) -> None:
        for role in sorted(roles):
            self._ledger.set_active(framework.clients[role], is_active=False)
            framework.suppressed.add(role)

    def _revive(self, framework: Framework, roles: Iterable[str]) -> None:
        forget_inverse_filters(framework, None, self._expiries)
        for role in sorted(roles):
            client = framework.clients[role]
            self._filters.forget(framework, role)
            self._ledger.set_active(client, is_active=True)
            self._ledger.reconsider(client)
            framework.suppressed.discard(role)

    def request_resources(self, framework_id: str, requests: Sequence[object]) -> None:
        """Ignored, as in Mesos."""

    # --- agents ---

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
        if agent_id in self._ledger.agents:
            raise ValueError(f"Agent '{agent_id}' is known already")
        agent = Agent(agent_id, options, Bundle(total))
        self._ledger.add_agent(agent)
        if unavailability is not None:
            agent.maintenance = Maintenance(unavailability)
            self._maintained[agent] = None
        self._hold(agent, used or {}, are_launched=True)
        agent.recount()
        if self._expected_agents is not None and len(self._ledger.agents) >= self._expected_agents:
            self._end_recovery()
        self._schedule.ask([agent])

    def _hold(self, agent: Agent, used: Holdings, *, are_launched: bool) -> None:
        """What frameworks already use on an agent that is new, or has grown."""
        for framework_id, holdings in used.items():
            framework = self._frameworks.get(framework_id)
            for role, resources in holdings.items():
                bundle = Bundle(resources)
                if not bundle:
                    continue
                if framework is not None:
                    self._ledger.charge(self._ledger.track(framework, role), agent, bundle)
                    if are_launched:
                        self._ledger.launch(agent, role, bundle)
                elif are_launched:
                    agent.strangers[framework_id, role] = bundle
                    self._with_strangers[agent] = None

    def update_agent(
        self, agent_id: str, *, options: AgentOptions | None = None, total: Resources | None = None
    ) -> None:
        """An agent changed; None means unchanged. New attributes forget the filters for it."""
        agent = self._ledger.agents[agent_id]
        is_changed = False
        if options is not None:
            before, agent.options = agent.options, options
            if not options.has_same_attributes(before):
                self._forget_agent_filters(agent)
                is_changed = True
            if evolve(options, attributes=before.attributes) != before:
                is_changed = True
            self._ledger.refresh(agent)
        if total is not None and total != agent.total.resources:
            self._ledger.change_total(agent, Bundle(total))
            is_changed = True
        if is_changed:
            self._schedule.ask([agent])

    def add_resource_provider(self, agent_id: str, total: Resources, used: Holdings | None = None) -> None:
        """``total`` is added to the agent's; ``used`` (framework → role → resources) of it is in use. Starts no run."""
        agent = self._ledger.agents[agent_id]
        self._hold(agent, used or {}, are_launched=False)
        self._ledger.change_total(agent, Bundle(agent.total.resources + total))

    def remove_agent(self, agent_id: str) -> None:
        """The agent is gone, and with it everything held there."""
        agent = self._ledger.agents[agent_id]
        self._ledger.remove_agent(agent)
        self._maintained.pop(agent, None)
        self._with_strangers.pop(agent, None)
        self._schedule.forget(agent)
        self._forget_agent_filters(agent)

    def activate_agent(self, agent_id: str) -> None:
        """The agent's resources are offered again (from the next periodic run on)."""
        self._ledger.agents[agent_id].is_active = True

    def deactivate_agent(self, agent_id: str) -> None:
        """The agent's resources are no longer offered."""
        self._ledger.agents[agent_id].is_active = False

    def update_whitelist(self, hostnames: Iterable[str] | None) -> None:
        """Only agents on these hosts are offered; None: all."""
        self._whitelist = None if hostnames is None else frozenset(hostnames)

    # --- resources ---

    def transition_offered_to_allocated(
        self, framework_id: str, agent_id: str, role: str, resources: Resources
    ) -> None:
        """Offered resources are now used by tasks or executors."""
        del framework_id  # what is launched is counted by role
        self._ledger.launch(self._ledger.agents[agent_id], role, Bundle(resources))

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
        """The framework gives resources back: offered ones, or (``allocated``) used ones. Ignored if framework or agent
        is gone.

        Raises ``ValueError`` if the framework does not hold them.
        """
        agent = self._ledger.agents.get(agent_id)
        if agent is None or not resources:
            return
        framework = self._frameworks.get(framework_id)
        if framework is None:
            if allocated:
                self._ledger.unlaunch(agent, role, Bundle(resources))
            # Otherwise as in Mesos: what an unknown framework holds stays held until the framework is known or the
            # agent gone.
            return
        client, bundle = self._held(framework, agent, role, resources)
        if allocated:
            self._ledger.unlaunch(agent, role, bundle)
        self._ledger.release(client, agent, bundle)
        seconds = filter_seconds(filters.refuse_seconds) if filters is not None else 0
        if seconds:
            seconds = max(self._options.allocation_interval, seconds)
            self._filters.add(framework, role, agent, bundle.resources, seconds)

    def _held(self, framework: Framework, agent: Agent, role: str, resources: Resources) -> tuple[Client, Bundle]:
        """The client, and the resources (as the very bundle that it holds, if they are all of it)."""
        client = framework.clients.get(role)
        held = agent.clients.get(client) if client is not None else None
        if client is not None and held is not None:
            if resources is held.resources or resources == held.resources:
                return client, held
            if held.resources.contains(resources):
                return client, Bundle(resources)
        raise ValueError(
            f"Framework '{framework.id}' in role '{role}' does not hold {resources} on agent '{agent.id}', but "
            f"{held.resources if held is not None else Resources()}"
        )

    def update_allocation(
        self, framework_id: str, agent_id: str, role: str, offered: Resources, conversions: Sequence[Conversion]
    ) -> None:
        """Applies the conversions of an operation to what the framework holds and to the agent's total."""
        framework, agent = self._frameworks[framework_id], self._ledger.agents[agent_id]
        client, before = self._held(framework, agent, role, offered)
        converted, total = offered, agent.total.resources
        for conversion in conversions:
            converted = conversion.apply(converted)
            if conversion.consumed:
                total = _replace(total, conversion)
        self._ledger.convert(client, agent, before, Bundle(converted))
        self._ledger.change_total(agent, Bundle(total))

    def update_available(self, agent_id: str, conversions: Sequence[Conversion]) -> None:
        """Applies the conversions of an operator's operations to what nobody holds on the agent, all or none.

        Raises ``ResourcesError`` (with the text for the operator) if the resources are not available.
        """
        agent = self._ledger.agents[agent_id]
        available, total = agent.available.resources, agent.total.resources
        for conversion in conversions:
            available = conversion.apply(available)
            total = _replace(total, conversion)
        self._ledger.change_total(agent, Bundle(total))

    # --- roles ---

    def update_weights(self, weights: Mapping[str, float]) -> None:
        """New weights of roles."""
        for role, weight in weights.items():
            self._ledger.tree.set_weight(role, weight)
            self._ledger.role_sorter.update_weight(role, weight)

    def update_quota(self, role: str, guarantees: Amounts, limits: Amounts) -> None:
        """Sets a role's quota; both empty: no quota."""
        self._ledger.tree.set_quota(role, quantity_units(guarantees), limit_units(limits))
        self._ledger.version += 1

    # --- maintenance ---

    def update_unavailability(self, agent_id: str, unavailability: Unavailability | None) -> None:
        """Maintenance of the agent was scheduled, changed or called off."""
        agent = self._ledger.agents[agent_id]
        for framework in self._frameworks.values():
            forget_inverse_filters(framework, agent_id, self._expiries)
        agent.maintenance = None
        self._maintained.pop(agent, None)
        if unavailability is not None:
            agent.maintenance = Maintenance(unavailability)
            self._maintained[agent] = None
        self._schedule.ask([agent])

    def update_inverse_offer(
        self,
        agent_id: str,
        framework_id: str,
        unavailability: Unavailability | None,
        status: InverseOfferResponse | None,
        filters: Filters | None = None,
    ) -> None:
        """An inverse offer is no longer outstanding: answered, or (``status`` None) rescinded."""
        del unavailability  # there is one for the whole agent
        agent, framework = self._ledger.agents[agent_id], self._frameworks[framework_id]
        answer_inverse_offer(agent, framework, status, filters, self._expiries)

    def inverse_offer_statuses(self) -> dict[str, dict[str, InverseOfferResponse]]:
        """Agent in maintenance → framework → its last answer."""
        return {
            agent.id: dict(agent.maintenance.statuses) for agent in self._maintained if agent.maintenance is not None
        }

    # --- filters ---

    def _forget_filters(self, framework: Framework) -> None:
        for role in framework.filters:
            self._filters.forget(framework, role)

    def _forget_agent_filters(self, agent: Agent) -> None:
        for framework in self._frameworks.values():
            forget_inverse_filters(framework, agent.id, self._expiries)
        self._filters.forget_agent(agent, self._frameworks.values())
        agent.unblock_all()

    def _expire(self, ended: Filter) -> None:
        if not isinstance(ended, OfferFilter):
            end_inverse_filter(ended, self._frameworks)
            return
        self._filters.end(ended)
        client = ended.framework.clients.get(ended.role)
        if client is not None:
            self._ledger.reconsider_agent(client, ended.agent)

    # --- runs ---

    def _run(self, candidates: dict[Agent, None] | None) -> None:
        started = self._clock.monotonic()
        self._runs += 1
        self._run_latency.record(self._schedule.latency)
        ledger = self._ledger
        if self._held_back_version != ledger.version:
            ledger.fertile.update(ledger.held_back)
            ledger.held_back.clear()
        fertile = ledger.fertile if ledger.active_bits else {}
        if candidates is None:
            agents = [agent for agent in fertile if self._is_offerable(agent)]
            maintained = list(self._maintained)
        else:
            agents = [agent for agent in candidates if agent in fertile and self._is_offerable(agent)]
            maintained = [agent for agent in candidates if agent in self._maintained]
        everybody: Iterable[Agent] = ledger.agents.values() if candidates is None else candidates
        if ledger.role_sorter.has_unread_weights and any(map(self._is_offerable, everybody)):
            ledger.role_sorter.read_weights()
        all_offers = Run(ledger, self._options, self._rng).execute(agents) if agents else {}
        self._held_back_version = ledger.version
        for framework_id, offers in all_offers.items():
            self._listener.offers(framework_id, offers)
        for framework_id, unavailabilities in inverse_offers(maintained, self._frameworks).items():
            self._listener.inverse_offers(framework_id, unavailabilities)
        self._run_time.record(self._clock.monotonic() - started)

    def _is_offerable(self, agent: Agent) -> bool:
        return agent.is_active and (self._whitelist is None or agent.options.hostname in self._whitelist)

    # --- what can be seen ---

    def metrics(self) -> dict[str, float]:
        """All metrics, by name (``allocator/mesos/…``)."""
        values = {
            "allocation_runs": float(self._runs),
            "event_queue_dispatches": 0.0,
            **self._run_time.read(),
            **self._run_latency.read(),
            **read_metrics(self._ledger, self._frameworks.values()),
        }
        return {PREFIX + name: value for name, value in values.items()}

    def constraints_debug(self) -> dict[str, Any]:
        """The JSON of ``/allocator/offer_constraints_debug``."""
        return {"frameworks": {framework.id: self._debug(framework) for framework in self._frameworks.values()}}

    def _debug(self, framework: Framework) -> dict[str, Any]:
        constraints = framework.options.constraints
        agents = self._ledger.agents.values() if constraints is not None else ()
        return {
            "suppressed_roles": sorted(framework.suppressed),
            "excluded_by_attribute_constraints": {
                role: [agent.id for agent in agents if constraints and constraints.excludes(role, agent.options)]
                for role in sorted(framework.options.roles)
            },
        }


def _replace(total: Resources, conversion: Conversion) -> Resources:
    """The agent's total after a conversion; a volume's further copies do not matter here."""
    if not total.contains(conversion.consumed):
        raise ResourcesError(f"{total} does not contain {conversion.consumed}")
    return total - conversion.consumed + conversion.converted
