"""The resources that an agent checkpoints: dynamic reservations and persistent volumes.

Source: docs/reference/agent-executor.md 12.
"""

from __future__ import annotations

from pymesoskit.resources import Resources, ResourcesError
from pymesoskit.wire.v1 import mesos


def needs_checkpoint(resource: mesos.Resource) -> bool:
    """Returns whether an agent must checkpoint the resource: a dynamic reservation, or a persistent volume."""
    dynamic = mesos.Resource.ReservationInfo.DYNAMIC
    return resource.disk.HasField("persistence") or any(item.type == dynamic for item in resource.reservations)


def checkpointed(total: Resources) -> list[mesos.Resource]:
    """Returns those of the resources that only the agent knows."""
    return [resource for resource in total.to_messages() if needs_checkpoint(resource)]


def with_checkpointed(total: Resources, known: Resources) -> Resources:
    """Returns the agent's resources with those reservations and volumes in place of what they were made of.

    Raises ``ResourcesError`` if they do not fit.
    """
    for resource in known:
        plain = resource.with_disk(None, False) if resource.is_persistent_volume else resource
        while plain.is_dynamically_reserved:
            plain = plain.with_popped_reservation()
        if not total.contains(plain):
            raise ResourcesError(f"Checkpointed resources {known} are incompatible with agent resources {total}")
        total = total - plain + resource
    return total
