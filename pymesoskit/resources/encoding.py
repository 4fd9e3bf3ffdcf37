"""Conversion of resources to ``mesos.v1.Resource`` messages, in each of the three formats.

Messages are read in ``messages``. Rules: docs/reference/json-and-resources.md and scheduler-api.md 4.5.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, cast

from pymesoskit.resources.errors import ResourcesError
from pymesoskit.resources.kind import DiskType, ReservationType, VolumeMode
from pymesoskit.resources.resource import remember_encoding
from pymesoskit.resources.roles import DEFAULT_ROLE
from pymesoskit.resources.values import ValueType
from pymesoskit.wire.v1 import mesos_pb2 as pb

if TYPE_CHECKING:
    from pymesoskit.resources.kind import Disk, DiskSource, Labels, Reservation
    from pymesoskit.resources.resource import Resource
    from pymesoskit.resources.values import Items, Ranges, Value


class Format(Enum):
    """How a message expresses reservations."""

    POST_REFINEMENT = "post"
    """The stack only: what the v1 API speaks to frameworks that can refine reservations."""
    ENDPOINT = "endpoint"
    """The stack, with ``role`` and ``reservation`` where they can express it: for the older HTTP endpoints."""
    PRE_REFINEMENT = "pre"
    """Only ``role`` and ``reservation``: for frameworks without the capability RESERVATION_REFINEMENT."""


def resource_to_message(resource: Resource, format: Format = Format.POST_REFINEMENT) -> pb.Resource:  # noqa: A002
    """Returns a new message for a resource; messages do not count the copies of a shared one.

    Raises ``ResourcesError`` if the format cannot express a refined reservation.
    """
    message = pb.Resource()
    message.MergeFromString(_encoding(resource))
    if format is Format.POST_REFINEMENT:
        return message
    reservations = resource.reservations
    if len(reservations) > 1:
        if format is Format.PRE_REFINEMENT:
            raise ResourcesError("Cannot downgrade resources containing refined reservations")
        return message
    if not reservations:
        message.role = DEFAULT_ROLE
        return message
    message.role = reservations[0].role
    if reservations[0].type is ReservationType.DYNAMIC:
        message.reservation.SetInParent()
        _fill_reservation(message.reservation, reservations[0])
    if format is Format.PRE_REFINEMENT:
        message.ClearField("reservations")
    return message


def _encoding(resource: Resource) -> bytes:
    encoded = resource.encoded
    if encoded is None:
        encoded = _build(resource).SerializePartialToString()
        remember_encoding(resource, encoded)
    return encoded


def _build(resource: Resource) -> pb.Resource:
    kind = resource.kind
    message = pb.Resource(name=kind.name, type=kind.type.value)
    _fill_value(message, kind.type, resource.value)
    for reservation in kind.reservations:
        layer = message.reservations.add(type=reservation.type.value, role=reservation.role)
        _fill_reservation(layer, reservation)
    if kind.disk is not None:
        message.disk.SetInParent()
        _fill_disk(message.disk, kind.disk)
    if kind.is_shared:
        message.shared.SetInParent()
    if kind.is_revocable:
        message.revocable.SetInParent()
    if kind.provider_id is not None:
        message.provider_id.value = kind.provider_id
    if kind.allocation_role is not None:
        message.allocation_info.role = kind.allocation_role
    return message


def _fill_value(message: pb.Resource, type_: ValueType, value: Value) -> None:
    if type_ is ValueType.SCALAR:
        message.scalar.value = cast("float", value)
    elif type_ is ValueType.RANGES:
        message.ranges.SetInParent()
        for begin, end in cast("Ranges", value):
            message.ranges.range.add(begin=begin, end=end)
    else:
        message.set.SetInParent()
        message.set.item.extend(cast("Items", value))


def _fill_reservation(message: pb.Resource.ReservationInfo, reservation: Reservation) -> None:
    # Principal and labels only: the older format has type and role in other fields.
    if reservation.principal is not None:
        message.principal = reservation.principal
    if reservation.labels is not None:
        _fill_labels(message.labels, reservation.labels)


def _fill_labels(message: pb.Labels, labels: Labels) -> None:
    message.SetInParent()
    for key, value in labels:
        label = message.labels.add(key=key)
        if value is not None:
            label.value = value


def _fill_disk(message: pb.Resource.DiskInfo, disk: Disk) -> None:
    if disk.persistence is not None:
        message.persistence.id = disk.persistence.id
        if disk.persistence.principal is not None:
            message.persistence.principal = disk.persistence.principal
    if disk.volume is not None:
        message.volume.MergeFromString(disk.volume.rest)
        message.volume.container_path = disk.volume.container_path
        message.volume.mode = _MODES[disk.volume.mode]
        if disk.volume.host_path is not None:
            message.volume.host_path = disk.volume.host_path
    if disk.source is not None:
        _fill_source(message.source, disk.source)


def _fill_source(message: pb.Resource.DiskInfo.Source, source: DiskSource) -> None:
    message.type = _DISK_TYPES[source.type]
    for field, place in ((message.path, source.path), (message.mount, source.mount)):
        if place is not None:
            field.SetInParent()
            if place.root is not None:
                field.root = place.root
    if source.vendor is not None:
        message.vendor = source.vendor
    if source.id is not None:
        message.id = source.id
    if source.metadata is not None:
        _fill_labels(message.metadata, source.metadata)
    if source.profile is not None:
        message.profile = source.profile


_MODES = {VolumeMode.RW: pb.Volume.RW, VolumeMode.RO: pb.Volume.RO}

_DISK_TYPES = {
    DiskType.UNKNOWN: pb.Resource.DiskInfo.Source.UNKNOWN,
    DiskType.PATH: pb.Resource.DiskInfo.Source.PATH,
    DiskType.MOUNT: pb.Resource.DiskInfo.Source.MOUNT,
    DiskType.BLOCK: pb.Resource.DiskInfo.Source.BLOCK,
    DiskType.RAW: pb.Resource.DiskInfo.Source.RAW,
}
