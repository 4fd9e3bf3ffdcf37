"""Checks of lists of resources: validity of messages, and what tasks and operations may combine.

Each returns Mesos's text of what is wrong, or None. The caller adds whose resources they are (``Task uses invalid
resources: …``, ``Invalid task resources: …``, ``Not a persistent volume: …``). Rules:
docs/reference/scheduler-api.md 4.4 (item 8), 4.5 and 4.6.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from pymesoskit.resources.algebra import Resources
from pymesoskit.resources.errors import ResourcesError
from pymesoskit.resources.kind import VolumeMode
from pymesoskit.resources.messages import message_error, messages_error, resources_from_messages
from pymesoskit.resources.values import ValueType
from pymesoskit.wire.v1 import mesos_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.resources.kind import Disk
    from pymesoskit.resources.resource import Resource


def validation_error(resources: pb.Resource | Iterable[pb.Resource]) -> str | None:
    """Returns the error of one message, or of a list (``Resource '<r>' is invalid: …``); None if all are valid."""
    if isinstance(resources, pb.Resource):
        return message_error(resources)
    return messages_error(resources)


def validate(resources: pb.Resource | Iterable[pb.Resource]) -> None:
    """Raises ``ResourcesError`` with the text of ``validation_error``, if there is one."""
    error = validation_error(resources)
    if error is not None:
        raise ResourcesError(error)


def used_resources_error(resources: Iterable[pb.Resource]) -> str | None:
    """Returns why a task, an executor or an operation cannot use these resources, or None.

    They must be valid, gpus must be whole, disk info must be complete, and revocable resources must not be reserved.
    """
    try:
        values = resources_from_messages(resources)
    except ResourcesError as error:
        return str(error)
    for prefix, check in _USE:
        found = check(values)
        if found is not None:
            return prefix + found
    return None


def gpus_error(resources: Iterable[Resource]) -> str | None:
    """Returns an error if gpus are not whole numbers."""
    units = sum(one.measure for one in resources if one.name == "gpus" and one.type is ValueType.SCALAR)
    return "The 'gpus' resource must be an unsigned integer" if units % 1000 else None


def disk_info_error(resources: Iterable[Resource]) -> str | None:
    """Returns an error unless volumes are on reserved, non-revocable disk and name a container path."""
    for resource in resources:
        disk = resource.disk
        error = None if disk is None else _disk_info_error(resource, disk)
        if error is not None:
            return error
    return None


def _disk_info_error(resource: Resource, disk: Disk) -> str | None:
    if disk.persistence is None:
        if disk.volume is not None:
            return "Non-persistent volume not supported"
        return "DiskInfo is set but empty" if disk.source is None else None
    if resource.revocable:
        return "Persistent volumes cannot be created from revocable resources"
    if not resource.is_reserved:
        return "Persistent volumes cannot be created from unreserved resources"
    if disk.volume is None:
        return "Expecting 'volume' to be set for persistent volume"
    if disk.volume.host_path is not None:
        return "Expecting 'host_path' to be unset for persistent volume"
    error = _id_error(disk.persistence.id)
    return None if error is None else f"Invalid persistence ID for persistent volume: {error}"


_ID_LIMIT: Final = 255


def _id_error(text: str) -> str | None:
    # The rule for all ids (scheduler-api.md, section 4); the id becomes the name of a directory.
    if not text:
        return "ID must not be empty"
    if len(text.encode()) > _ID_LIMIT:
        return f"ID must not be greater than {_ID_LIMIT} characters"
    if text in {".", ".."}:
        return f"'{text}' is disallowed"
    if any(
        character in "/\\" or (character < "\x80" and unicodedata.category(character) == "Cc") for character in text
    ):
        return f"'{text}' contains invalid characters"
    return None


def reservation_info_error(resources: Iterable[Resource]) -> str | None:
    """Returns an error if a revocable resource is dynamically reserved."""
    for resource in resources:
        if resource.is_dynamically_reserved and resource.revocable:
            return f"Dynamically reserved resource {resource.print_one()} cannot be created from revocable resources"
    return None


_USE: Final = (
    ("Invalid 'gpus' resource: ", gpus_error),
    ("Invalid DiskInfo: ", disk_info_error),
    ("Invalid ReservationInfo: ", reservation_info_error),
)


def persistent_volumes_error(volumes: Iterable[Resource]) -> str | None:
    """Returns an error unless all resources are persistent volumes that can be written to."""
    for volume in volumes:
        disk = volume.disk
        if disk is None:
            return f"Resource {volume.print_one()} does not have DiskInfo"
        if disk.persistence is None:
            return "'persistence' is not set in DiskInfo"
        if disk.volume is None:
            return "Expecting 'volume' to be set for persistent volume"
        if disk.volume.mode is VolumeMode.RO:
            return "Read-only persistent volume not supported"
    return None


def unique_persistence_error(resources: Iterable[Resource]) -> str | None:
    """Returns an error if a persistence id occurs twice among the volumes reserved for one role."""
    seen: set[tuple[str | None, str]] = set()
    for volume in Resources(resources).persistent_volumes():
        persistence_id = volume.persistence_id or ""
        volume_id = (volume.reservation_role, persistence_id)
        if volume_id in seen:
            return f"Persistence ID '{persistence_id}' is not unique"
        seen.add(volume_id)
    return None


def allocation_role_error(resources: Iterable[Resource]) -> str | None:
    """Returns an error if the resources are not all allocated to one role."""
    first: str | None = None
    for resource in Resources(resources):
        role = resource.allocation_role
        if role is None:
            return "The resources are not allocated to a role"
        if first is None:
            first = role
        elif role != first:
            return (
                f"The resources have multiple allocation roles ('{role}' and '{first}') but only one allocation role is"
                " allowed"
            )
    return None


def revocable_mix_error(resources: Iterable[Resource]) -> str | None:
    """Returns an error if resources of one name are partly revocable."""
    revocable: dict[str, bool] = {}
    for resource in Resources(resources):
        if revocable.setdefault(resource.name, resource.revocable) is not resource.revocable:
            return f"Cannot use both revocable and non-revocable '{resource.name}' at the same time"
    return None


def single_provider_error(resources: Iterable[Resource]) -> str | None:
    """Returns an error unless there are resources, all of one provider or all of the agent itself."""
    providers = dict.fromkeys(resource.provider_id for resource in resources)
    if len(providers) == 1:
        return None
    if None in providers:
        return "Some resources have a resource provider and some do not"
    return f"The resources have multiple resource providers: {', '.join(map(str, providers))}"
