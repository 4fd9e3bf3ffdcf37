"""Offers and inverse offers: from the allocator to frameworks, and back when nobody uses them.

What the allocator gives becomes one offer per role and agent and one event per framework; here offers also expire
(--offer_timeout) and are rescinded. What accepting one means is in ``accept.py``. Source:
docs/reference/scheduler-api.md 5 and 11, allocator.md 8 and 9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Format, Resources
from pymesoskit.testing.allocator import Filters, InverseOfferResponse, Unavailability
from pymesoskit.testing.engine.master import events
from pymesoskit.testing.engine.master.entities import InverseOffer, Offer
from pymesoskit.testing.engine.master.options import filters_of, unavailability_of
from pymesoskit.testing.engine.master.state import Agent, Capability, Framework
from pymesoskit.wire.v1 import mesos
from pymesoskit.wire.v1.allocator_pb2 import InverseOfferStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymesoskit.testing.engine.master.core import Core

_ANSWERS = {
    InverseOfferResponse.ACCEPT: InverseOfferStatus.ACCEPT,
    InverseOfferResponse.DECLINE: InverseOfferStatus.DECLINE,
}

#: Resources of this name are the agent's own affair and are never shown to frameworks.
_HIDDEN = "ephemeral_ports"


class AllocationListener:
    """Receives what the allocator gives."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def offers(self, framework_id: str, offers: Mapping[str, Mapping[str, Resources]]) -> None:
        """Makes offers of it and sends them in one event."""
        make_offers(self._core, framework_id, offers)

    def inverse_offers(self, framework_id: str, offers: Mapping[str, Unavailability]) -> None:
        """Makes inverse offers of it and sends them in one event."""
        make_inverse_offers(self._core, framework_id, offers)


def make_offers(core: Core, framework_id: str, given: Mapping[str, Mapping[str, Resources]]) -> None:
    """Offers what the allocator gave a framework: role → agent → resources."""
    framework = core.state.frameworks.get(framework_id)
    made: list[Offer] = []
    for role, by_agent in given.items():
        for agent_id, resources in by_agent.items():
            agent = core.state.agents.get(agent_id)
            if framework is None or not framework.active or agent is None or not agent.active:
                core.allocator.recover_resources(framework_id, agent_id, role, resources)
                continue
            made.append(_make_offer(core, framework, agent, role, resources))
    if not made or framework is None:
        return
    framework.counters["offers/sent"] += len(made)
    core.tell(framework, events.offers(_as_sent(framework, offer) for offer in made))


def _make_offer(core: Core, framework: Framework, agent: Agent, role: str, resources: Resources) -> Offer:
    allocated = resources.allocated(role)
    message = mesos.Offer(
        id=mesos.OfferID(value=core.state.new_offer_id()),
        framework_id=mesos.FrameworkID(value=framework.id),
        agent_id=mesos.AgentID(value=agent.id),
        hostname=agent.hostname,
        url=_url(agent),
        resources=allocated.to_messages(),
        attributes=agent.info.attributes,
        executor_ids=[mesos.ExecutorID(value=each) for each in agent.executors.get(framework.id, ())],
        allocation_info=mesos.Resource.AllocationInfo(role=role),
    )
    if agent.info.HasField("domain"):
        message.domain.CopyFrom(agent.info.domain)
    machine = core.registry.machines.get(agent.machine)
    if machine is not None and machine.unavailability is not None:
        message.unavailability.CopyFrom(machine.unavailability)
    offer = Offer(message, allocated)
    core.state.add_offer(offer)
    if core.flags.offer_timeout is not None:
        offer.timer = core.call_later(core.flags.offer_timeout, rescind, core, offer)
    return offer


def _as_sent(framework: Framework, offer: Offer) -> mesos.Offer:
    """The offer in the words that the framework understands."""
    refined = framework.has(Capability.RESERVATION_REFINEMENT)
    multi_role = framework.has(Capability.MULTI_ROLE)
    visible = not any(resource.name == _HIDDEN for resource in offer.resources)
    if refined and multi_role and visible:
        return offer.message
    resources = offer.resources.filter(lambda resource: resource.name != _HIDDEN)
    if not multi_role:
        resources = resources.unallocated()
    message = mesos.Offer()
    message.CopyFrom(offer.message)
    message.ClearField("resources")
    message.resources.extend(resources.to_messages(Format.POST_REFINEMENT if refined else Format.PRE_REFINEMENT))
    if not multi_role:
        message.ClearField("allocation_info")
    return message


def _url(agent: Agent) -> mesos.URL:
    return mesos.URL(
        scheme="http",
        address=mesos.Address(hostname=agent.hostname, ip=agent.ip, port=agent.port),
        path="/" + agent.address.partition("@")[0],
    )


def take(core: Core, offer: Offer) -> None:
    """Makes the offer no longer outstanding. The caller decides what happens to its resources."""
    if offer.timer is not None:
        offer.timer.cancel()
    core.state.forget_offer(offer)


def give_back(core: Core, offer: Offer, filters: Filters | None = None) -> None:
    """The offer is outstanding no longer, and its resources are the allocator's again; its framework is not told."""
    core.allocator.recover_resources(
        offer.framework_id, offer.agent_id, offer.role, offer.resources.unallocated(), filters=filters
    )
    take(core, offer)


def rescind(core: Core, offer: Offer, filters: Filters | None = None) -> None:
    """Takes an offer back and tells its framework."""
    framework = core.state.frameworks[offer.framework_id]
    give_back(core, offer, filters)
    framework.counters["offers/rescinded"] += 1
    core.tell(framework, events.rescind(offer.id))


def rescind_all(core: Core, offers: Iterable[Offer]) -> None:
    """Takes these offers back and tells their frameworks."""
    for offer in list(offers):
        rescind(core, offer)


def decline(core: Core, framework: Framework, offer_ids: Iterable[str], filters: mesos.Filters) -> None:
    """DECLINE: gives back each offer that is still valid, with the filters. Whose offers they are is not checked."""
    core.count("messages_decline_offers")
    for offer_id in offer_ids:
        offer = core.state.offers.get(offer_id)
        if offer is not None:
            framework.counters["offers/declined"] += 1
            give_back(core, offer, filters_of(filters))


# Inverse offers


def make_inverse_offers(core: Core, framework_id: str, given: Mapping[str, Unavailability]) -> None:
    """Asks a framework to leave agents."""
    framework = core.state.frameworks.get(framework_id)
    if framework is None or not framework.active:
        return
    made: list[InverseOffer] = []
    for agent_id in given:
        agent = core.state.agents.get(agent_id)
        machine = core.registry.machines.get(agent.machine) if agent is not None else None
        if agent is None or not agent.active or machine is None or machine.unavailability is None:
            continue  # the allocator is not told: it asks again only after a change of the unavailability
        offer = InverseOffer(
            mesos.InverseOffer(
                id=mesos.OfferID(value=core.state.new_offer_id()),
                framework_id=mesos.FrameworkID(value=framework.id),
                agent_id=mesos.AgentID(value=agent.id),
                url=_url(agent),
                unavailability=machine.unavailability,
            )
        )
        core.state.add_inverse_offer(offer)
        if core.flags.offer_timeout is not None:
            offer.timer = core.call_later(core.flags.offer_timeout, rescind_inverse, core, offer)
        made.append(offer)
    if made:
        core.tell(framework, events.inverse_offers(offer.message for offer in made))


def discard_inverse(
    core: Core, offer: InverseOffer, response: InverseOfferResponse | None = None, filters: Filters | None = None
) -> None:
    """The inverse offer is outstanding no longer: it was answered, or (no response) taken back."""
    if response is not None:
        core.state.inverse_answers[offer.agent_id, offer.framework_id] = core.now()
    core.allocator.update_inverse_offer(
        offer.agent_id, offer.framework_id, unavailability_of(offer.message.unavailability), response, filters
    )
    take_inverse(core, offer)


def take_inverse(core: Core, offer: InverseOffer) -> None:
    """The inverse offer is outstanding no longer; the allocator is not told."""
    if offer.timer is not None:
        offer.timer.cancel()
    core.state.forget_inverse_offer(offer)


def rescind_inverse(core: Core, offer: InverseOffer) -> None:
    """Takes an inverse offer back and tells its framework."""
    discard_inverse(core, offer)
    core.tell(core.state.frameworks[offer.framework_id], events.rescind_inverse_offer(offer.id))


def answer_inverse(
    core: Core, offer_ids: Iterable[str], response: InverseOfferResponse, filters: mesos.Filters
) -> None:
    """ACCEPT_INVERSE_OFFERS and DECLINE_INVERSE_OFFERS: records the answer; unknown ids are ignored."""
    for offer_id in offer_ids:
        offer = core.state.inverse_offers.get(offer_id)
        if offer is not None:
            core.state.agents[offer.agent_id].inverse_answers[offer.framework_id] = core.now()
            discard_inverse(core, offer, response, filters_of(filters))


# All at once


def rescind_of_agent(core: Core, agent: Agent) -> None:
    """Takes back all offers and inverse offers of an agent."""
    rescind_all(core, agent.offers.values())
    for inverse in list(agent.inverse_offers.values()):
        rescind_inverse(core, inverse)


def rescind_of_removed_agent(core: Core, agent: Agent) -> None:
    """The same for an agent that the allocator does not know any more."""
    rescind_all(core, agent.offers.values())
    for inverse in list(agent.inverse_offers.values()):
        take_inverse(core, inverse)
        core.tell(core.state.frameworks[inverse.framework_id], events.rescind_inverse_offer(inverse.id))


def rescind_of_framework(core: Core, framework: Framework) -> None:
    """Takes back all offers and inverse offers of a framework."""
    rescind_all(core, framework.offers.values())
    for inverse in list(framework.inverse_offers.values()):
        rescind_inverse(core, inverse)


def discard_of_framework(core: Core, framework: Framework) -> None:
    """Takes back all offers of a framework that has failed over or is removed; it is not notified."""
    for offer in list(framework.offers.values()):
        give_back(core, offer)
    for inverse in list(framework.inverse_offers.values()):
        discard_inverse(core, inverse)
