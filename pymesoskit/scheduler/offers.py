"""What is left of an offer while tasks are put on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.wire.v1 import mesos


class OfferPool:
    """The resources of an offer (or of several of one agent and role), taken out piece by piece."""

    def __init__(self, *offers: mesos.Offer) -> None:
        # Without the role they are allocated to: the master puts that in again.
        self._left = Resources.from_messages(r for offer in offers for r in offer.resources).unallocated()

    @property
    def left(self) -> Resources:
        """What has not been taken."""
        return self._left

    def take(self, wanted: str | Resources) -> list[mesos.Resource] | None:
        """Takes ``wanted`` (text as ``cpus:0.5;mem:64;ports:[8080-8080]``) out, unreserved resources first, and
        returns it as it must stand in a task. None if there is not so much left; nothing is taken then. Raises
        ``ResourcesError`` for bad text.
        """
        target = Resources.parse(wanted) if isinstance(wanted, str) else wanted
        found = self._left.find(target)
        if found is None:
            return None
        self._left = self._left - found
        return found.to_messages()


def resource_messages(resources: str | Resources | Iterable[mesos.Resource]) -> list[mesos.Resource]:
    """Resources, as people have them, as messages. Raises ``ResourcesError`` for bad text."""
    if isinstance(resources, str):
        resources = Resources.parse(resources)
    return resources.to_messages() if isinstance(resources, Resources) else list(resources)
