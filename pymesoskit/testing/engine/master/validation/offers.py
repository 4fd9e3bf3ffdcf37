"""The offers that an ACCEPT names. Source: docs/reference/scheduler-api.md 4.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymesoskit.testing.engine.master.state import Framework, MasterState


def offers_error(offer_ids: Sequence[str], framework: Framework, state: MasterState) -> str | None:
    """The first reason not to accept these offers together. Each rule is applied to all offers before the next rule."""
    if not offer_ids:
        return "No offers specified"
    seen: set[str] = set()
    for offer_id in offer_ids:
        if offer_id in seen:
            return f"Duplicate offer {offer_id} in offer list"
        seen.add(offer_id)
    for offer_id in offer_ids:
        if offer_id not in state.offers:
            return f"Offer {offer_id} is no longer valid"
    offers = [state.offers[offer_id] for offer_id in offer_ids]
    for offer in offers:
        if offer.framework_id != framework.id:
            return (
                f"Offer {offer.id} has invalid framework {offer.framework_id} "
                f"while framework {framework.id} is expected"
            )
    one = offers[0]
    for offer in offers:
        if offer.role != one.role:  # the quotes are Mesos's
            return (
                "Aggregated offers must be allocated to the same role. "
                f"Offer {offer.id} uses role '{offer.role} but another is using role '{one.role}"
            )
    for offer in offers:
        if offer.agent_id != one.agent_id:
            return (
                "Aggregated offers must belong to one single agent. "
                f"Offer {offer.id} uses agent {offer.agent_id} and agent {one.agent_id}"
            )
    return None
