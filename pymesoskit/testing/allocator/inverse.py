"""Inverse offers: frameworks are asked to leave agents in maintenance (docs/reference/allocator.md, section 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.allocator.api import Filters, InverseOfferResponse, Unavailability
from pymesoskit.testing.allocator.filters import Expiries, filter_seconds
from pymesoskit.testing.allocator.state import InverseFilter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymesoskit.testing.allocator.state import Agent, Framework

#: Framework id → agent id → unavailability.
InverseOffers = dict[str, dict[str, Unavailability]]


def inverse_offers(agents: Iterable[Agent], frameworks: Mapping[str, Framework]) -> InverseOffers:
    """Asks every active framework that holds something on an agent in maintenance, unless it has been asked or does not
    want to be.
    """
    result: InverseOffers = {}
    for agent in agents:
        maintenance = agent.maintenance
        if maintenance is None:
            continue
        holders = dict.fromkeys(client.framework.id for client in agent.clients)
        for framework_id in (*holders, *dict.fromkeys(stranger for stranger, _ in agent.strangers)):
            framework = frameworks.get(framework_id)
            if (
                framework is None
                or not framework.is_active
                or framework_id in maintenance.outstanding
                or agent.id in framework.inverse_filters
            ):
                continue
            maintenance.outstanding.add(framework_id)
            result.setdefault(framework_id, {})[agent.id] = maintenance.unavailability
    return result


def answer_inverse_offer(
    agent: Agent,
    framework: Framework,
    status: InverseOfferResponse | None,
    filters: Filters | None,
    expiries: Expiries,
) -> None:
    """The framework said something (``status`` None: nothing any more); it may be asked again from the next run on."""
    maintenance = agent.maintenance
    if maintenance is not None and framework.id in maintenance.outstanding:
        maintenance.outstanding.discard(framework.id)
        if status is not None:
            maintenance.statuses[framework.id] = status
    seconds = filter_seconds(filters.refuse_seconds) if filters is not None else 0
    if seconds:
        inverse_filter = InverseFilter(framework.id, agent.id)
        framework.inverse_filters[agent.id] = (*framework.inverse_filters.get(agent.id, ()), inverse_filter)
        expiries.add(seconds, inverse_filter)


def end_inverse_filter(ended: InverseFilter, frameworks: Mapping[str, Framework]) -> None:
    """An inverse filter's time is over."""
    framework = frameworks.get(ended.framework_id)
    if framework is not None:
        left = tuple(f for f in framework.inverse_filters.get(ended.agent_id, ()) if f is not ended)
        if left:
            framework.inverse_filters[ended.agent_id] = left
        else:
            framework.inverse_filters.pop(ended.agent_id, None)


def forget_inverse_filters(framework: Framework, agent_id: str | None, expiries: Expiries) -> None:
    """The framework's inverse filters for an agent (None: for all) no longer count."""
    if agent_id is None:
        gone = list(framework.inverse_filters.values())
        framework.inverse_filters.clear()
    else:
        gone = [framework.inverse_filters.pop(agent_id, ())]
    for filters in gone:
        for inverse_filter in filters:
            expiries.discard(inverse_filter)
