"""An allocator to play with: virtual time, offers as a list, and who holds what; for notebooks, and for tests of
policies.

It does for an allocator what a master does: it keeps the outstanding offers, declines and uses them, and gives
resources back. See docs/allocator.md.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

from pymesoskit.resources import Conversion, Resources
from pymesoskit.testing.allocator.api import (
    AgentOptions,
    Allocator,
    AllocatorFactory,
    AllocatorOptions,
    Filters,
    FrameworkOptions,
    InverseOfferResponse,
    Unavailability,
)
from pymesoskit.testing.allocator.hierarchical import HierarchicalAllocator
from pymesoskit.testing.runtime.actor import SimulatedActor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pymesoskit.testing.runtime.clock import Clock


@frozen
class Held:
    """Resources of an agent that a framework holds: offered, or used."""

    framework_id: str
    role: str
    agent_id: str
    resources: Resources
    at: float
    """When it was offered, in seconds since the start."""

    def __str__(self) -> str:
        return f"{self.framework_id} ({self.role}) {self.agent_id}: {self.resources}"


@frozen
class InverseOffer:
    """A request to leave an agent."""

    framework_id: str
    agent_id: str
    unavailability: Unavailability


@define
class _Inbox:
    """The listener: what came and has not been looked at."""

    clock: Clock
    offers_: list[Held] = field(factory=list)
    inverse: list[InverseOffer] = field(factory=list)

    def offers(self, framework_id: str, offers: Mapping[str, Mapping[str, Resources]]) -> None:
        """Keeps offers."""
        now = self.clock.monotonic()
        for role, by_agent in offers.items():
            for agent_id, resources in by_agent.items():
                self.offers_.append(Held(framework_id, role, agent_id, resources, now))

    def inverse_offers(self, framework_id: str, offers: Mapping[str, Unavailability]) -> None:
        """Keeps inverse offers."""
        for agent_id, unavailability in offers.items():
            self.inverse.append(InverseOffer(framework_id, agent_id, unavailability))


class Playground:
    """An allocator, virtual time, and what frameworks hold.

    ``offered`` are the offers nobody has answered, ``used`` what frameworks run on, ``inverse_offers`` the unanswered
    requests to leave. `advance` lets time pass, and nothing else does; each method that changes something returns the
    offers that it brought about.
    """

    def __init__(
        self,
        options: AllocatorOptions | None = None,
        *,
        factory: AllocatorFactory = HierarchicalAllocator,
        seed: int = 0,
    ) -> None:
        self.actor: SimulatedActor = SimulatedActor()
        self._inbox = _Inbox(self.actor.clock)
        self.options: AllocatorOptions = options if options is not None else AllocatorOptions()
        self.allocator: Allocator = factory(
            self.actor.clock,
            Random(seed),  # noqa: S311 - a seeded history
            self._inbox,
            self.options,
        )
        self.totals: dict[str, Resources] = {}
        self.frameworks: dict[str, FrameworkOptions] = {}
        self.offered: list[Held] = []
        self.used: list[Held] = []
        self.inverse_offers: list[InverseOffer] = []
        self.allocator.start()

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return self.actor.clock.monotonic()

    def advance(self, seconds: float = 0.0) -> list[Held]:
        """Lets time pass; the offers that were made meanwhile."""
        self.actor.advance(seconds)
        made, self._inbox.offers_ = self._inbox.offers_, []
        self.offered += made
        self.inverse_offers += self._inbox.inverse
        self._inbox.inverse = []
        return made

    # --- agents and frameworks ---

    def add_agent(
        self,
        agent_id: str,
        total: Resources | str,
        options: AgentOptions | None = None,
        *,
        unavailability: Unavailability | None = None,
    ) -> list[Held]:
        """A new agent, with resources in Mesos's text syntax or as values; its host is named as it is, unless options
        say otherwise.
        """
        self.totals[agent_id] = _resources(total)
        self.allocator.add_agent(
            agent_id,
            options if options is not None else AgentOptions(agent_id),
            self.totals[agent_id],
            unavailability=unavailability,
        )
        return self.advance()

    def remove_agent(self, agent_id: str) -> list[Held]:
        """The agent is lost, and all that was held on it."""
        self.allocator.remove_agent(agent_id)
        del self.totals[agent_id]
        self.offered = [held for held in self.offered if held.agent_id != agent_id]
        self.used = [held for held in self.used if held.agent_id != agent_id]
        self.inverse_offers = [offer for offer in self.inverse_offers if offer.agent_id != agent_id]
        return self.advance()

    def update_total(self, agent_id: str, total: Resources | str) -> list[Held]:
        """The agent has other resources."""
        self.totals[agent_id] = _resources(total)
        self.allocator.update_agent(agent_id, total=self.totals[agent_id])
        return self.advance()

    def add_framework(
        self,
        framework_id: str,
        roles: Iterable[str],
        capabilities: Iterable[str] = ("MULTI_ROLE",),
        *,
        suppressed: Iterable[str] = (),
    ) -> list[Held]:
        """A new framework, active."""
        return self.add_framework_with(
            framework_id,
            FrameworkOptions(frozenset(roles), frozenset(suppressed), frozenset(capabilities)),
        )

    def add_framework_with(self, framework_id: str, options: FrameworkOptions) -> list[Held]:
        """A new framework with all its options, active."""
        self.frameworks[framework_id] = options
        self.allocator.add_framework(framework_id, options)
        return self.advance()

    def remove_framework(self, framework_id: str) -> list[Held]:
        """The framework is gone for good; what it used is given back first, as a master does."""
        for held in [held for held in self.used if held.framework_id == framework_id]:
            self.finish(held)
        self.allocator.remove_framework(framework_id)
        del self.frameworks[framework_id]
        self.offered = [held for held in self.offered if held.framework_id != framework_id]
        self.inverse_offers = [offer for offer in self.inverse_offers if offer.framework_id != framework_id]
        return self.advance()

    # --- offers ---

    def decline(self, offer: Held, refuse_seconds: float = 5.0) -> None:
        """The framework refuses the offer for a while (0: without a filter)."""
        self.offered.remove(offer)
        self._recover(offer, Filters(refuse_seconds))

    def launch(self, offer: Held, resources: Resources | str | None = None, refuse_seconds: float = 0.0) -> Held:
        """The framework uses some of the offer (None: all of it) and refuses the rest."""
        wanted = offer.resources if resources is None else _resources(resources)
        if not offer.resources.contains(wanted):
            raise ValueError(f"The offer of {offer.resources} does not contain {wanted}")
        self.offered.remove(offer)
        used = evolve(offer, resources=wanted)
        self.used.append(used)
        self.allocator.transition_offered_to_allocated(offer.framework_id, offer.agent_id, offer.role, wanted)
        rest = offer.resources - wanted
        if rest:
            self._recover(evolve(offer, resources=rest), Filters(refuse_seconds))
        return used

    def finish(self, used: Held) -> None:
        """What was used is given back."""
        self.used.remove(used)
        self.allocator.recover_resources(
            used.framework_id, used.agent_id, used.role, used.resources, filters=None, allocated=True
        )

    def convert(self, offer: Held, conversions: Sequence[Conversion]) -> Held:
        """An operation turns some of the offer into something else; the offer as it is then."""
        self.allocator.update_allocation(offer.framework_id, offer.agent_id, offer.role, offer.resources, conversions)
        resources = offer.resources
        for conversion in conversions:
            resources = conversion.apply(resources)
            if conversion.consumed:
                total = self.totals[offer.agent_id]
                self.totals[offer.agent_id] = total - conversion.consumed + conversion.converted
        self.offered.remove(offer)
        converted = evolve(offer, resources=resources)
        self.offered.append(converted)
        return converted

    def answer(self, inverse_offer: InverseOffer, status: InverseOfferResponse | None, refuse_seconds: float) -> None:
        """The framework says something to an inverse offer (None: it is rescinded)."""
        self.inverse_offers.remove(inverse_offer)
        self.allocator.update_inverse_offer(
            inverse_offer.agent_id,
            inverse_offer.framework_id,
            inverse_offer.unavailability,
            status,
            Filters(refuse_seconds),
        )

    def _recover(self, held: Held, filters: Filters | None) -> None:
        self.allocator.recover_resources(held.framework_id, held.agent_id, held.role, held.resources, filters=filters)

    # --- who holds what ---

    def holdings(self) -> Iterator[Held]:
        """All that is offered or used."""
        yield from self.offered
        yield from self.used

    def held_by(self, framework_id: str) -> Resources:
        """All that a framework holds."""
        return _sum(held.resources for held in self.holdings() if held.framework_id == framework_id)

    def held_in(self, role: str) -> Resources:
        """All that is held in a role."""
        return _sum(held.resources for held in self.holdings() if held.role == role)

    def held_on(self, agent_id: str) -> Resources:
        """All that is held on an agent."""
        return _sum(held.resources for held in self.holdings() if held.agent_id == agent_id)

    def dominant_share(self, framework_id: str) -> float:
        """The largest part of any one scalar that a framework holds."""
        totals = _sum(self.totals.values()).scalar_quantities()
        held = self.held_by(framework_id).scalar_quantities()
        return max((held.get(name) / totals.get(name) for name in held if totals.get(name)), default=0.0)


def _resources(resources: Resources | str) -> Resources:
    return Resources.parse(resources) if isinstance(resources, str) else resources


def _sum(parts: Iterable[Resources]) -> Resources:
    return sum(parts, Resources())
