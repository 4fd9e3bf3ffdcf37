"""Resources on the wire: `mesos.v1.Resource` messages to values and back, in each of the three formats.

Formats differ in how reservations are written: as a stack (`reservations`), or, before refinement of reservations existed,
as `role` and `reservation`. Any of them is read; values hold stacks. Rules: docs/reference/json-and-resources.md and
scheduler-api.md 4.5.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from functools import lru_cache

import attrs

from ..wire.v1 import mesos_pb2 as pb
from . import values
from .checks import disk_error, refinement_error, reservation_role_error, shared_error, value_error
from .errors import ResourcesError
from .kind import (
    Disk,
    DiskRoot,
    DiskSource,
    DiskType,
    Kind,
    Label,
    Labels,
    Persistence,
    Reservation,
    ReservationType,
    Volume,
    print_labels,
    sorted_labels,
)
from .resource import Resource, make_resource, remember_encoding
from .roles import DEFAULT_ROLE, role_error
from .values import Value, ValueType


class Format(Enum):
    """How reservations are written in a message."""

    POST_REFINEMENT = "post"
    """The stack only: what the v1 API speaks to frameworks that can refine reservations."""
    ENDPOINT = "endpoint"
    """The stack, and `role` and `reservation` beside it where these can say the same: the older HTTP endpoints."""
    PRE_REFINEMENT = "pre"
    """`role` and `reservation` only: for frameworks that cannot refine reservations."""


# --- from messages -----------------------------------------------------------------------------------------------------


def message_error(message: pb.Resource) -> str | None:
    """What is wrong with one resource, in Mesos's words without the wrapper; None if it is valid."""
    decoded = _decode(message.SerializePartialToString())
    return decoded if isinstance(decoded, str) else None


def messages_error(messages: Iterable[pb.Resource]) -> str | None:
    """What is wrong with the first invalid resource of a list: ``Resource '<r>' is invalid: …``; None if all are valid."""
    for message in messages:
        error = message_error(message)
        if error is not None:
            return wrap_error(message, error)
    return None


def resource_from_message(message: pb.Resource) -> Resource:
    """The value that a message stands for, whatever its format. Raises ResourcesError without the wrapper."""
    decoded = _decode(message.SerializePartialToString())
    if isinstance(decoded, str):
        raise ResourcesError(decoded)
    return decoded


def resources_from_messages(messages: Iterable[pb.Resource]) -> list[Resource]:
    """The values of a list of messages, one each, empty ones too. Raises ResourcesError as `messages_error` says it."""
    result: list[Resource] = []
    for message in messages:
        decoded = _decode(message.SerializePartialToString())
        if isinstance(decoded, str):
            raise ResourcesError(wrap_error(message, decoded))
        result.append(decoded)
    return result


def wrap_error(message: pb.Resource, error: str) -> str:
    """An error on one resource as it reads on a list of them."""
    return f"Resource '{print_message(message)}' is invalid: {error}"


def print_message(message: pb.Resource) -> str:
    """A message as printed in errors, valid or not: `role` and `reservation` of the older format are not shown."""
    kind = _kind_of(message, tuple(reservation_from_message(reservation) for reservation in message.reservations))
    if kind.type is ValueType.SCALAR:
        return kind.prefix + values.print_scalar(message.scalar.value)
    if kind.type is ValueType.RANGES:
        return kind.prefix + values.print_ranges(tuple((piece.begin, piece.end) for piece in message.ranges.range))
    return kind.prefix + values.print_items(tuple(message.set.item))


# The same few resources pass by the hundred thousand (a task's cpus and mem), so what bytes mean is remembered.
@lru_cache(maxsize=16384)
def _decode(encoded: bytes) -> Resource | str:
    message = pb.Resource()
    message.MergeFromString(encoded)
    return _validate_and_convert(message)


def _validate_and_convert(message: pb.Resource) -> Resource | str:
    if not message.name:
        return "Empty resource name"
    value = _value_of(message)
    if isinstance(value, _Invalid):
        return value.reason
    error = value_error(_TYPES[message.type], value)
    if error is not None:
        return error
    disk = _disk_of(message)
    error = disk_error(message.name, disk) or _reservations_error(message)
    if error is None and message.HasField("shared"):
        error = shared_error(message.name, disk)
    if error is not None:
        return error
    return make_resource(_kind_of(message, _stack_of(message)), value)


_TYPES = {
    pb.Value.SCALAR: ValueType.SCALAR,
    pb.Value.RANGES: ValueType.RANGES,
    pb.Value.SET: ValueType.SET,
    pb.Value.TEXT: ValueType.TEXT,
}


@attrs.frozen
class _Invalid:
    reason: str


def _value_of(message: pb.Resource) -> Value | _Invalid:
    # Exactly the field that belongs to the type must be there.
    type_ = message.type
    present = (message.HasField("scalar"), message.HasField("ranges"), message.HasField("set"))
    if type_ == pb.Value.SCALAR:
        return message.scalar.value if present == (True, False, False) else _Invalid("Invalid scalar resource")
    if type_ == pb.Value.RANGES:
        if present != (False, True, False):
            return _Invalid("Invalid ranges resource")
        return tuple((piece.begin, piece.end) for piece in message.ranges.range)
    if type_ == pb.Value.SET:
        return tuple(message.set.item) if present == (False, False, True) else _Invalid("Invalid set resource")
    return _Invalid("Unsupported resource type")


def _reservations_error(message: pb.Resource) -> str | None:
    if message.reservations:
        return _stack_error(message)
    error = role_error(message.role)
    if error is not None or not message.HasField("reservation"):
        return error
    if message.reservation.HasField("type"):
        return "'Resource.ReservationInfo.type' must not be set for the 'Resource.reservation' field"
    if message.reservation.HasField("role"):
        return "'Resource.ReservationInfo.role' must not be set for the 'Resource.reservation' field"
    if message.role == DEFAULT_ROLE:
        return 'Invalid reservation: role "*" cannot be dynamically reserved'
    return None


def _stack_error(message: pb.Resource) -> str | None:
    for reservation in message.reservations:
        for field in ("type", "role"):
            if not reservation.HasField(field):
                return f"Invalid reservation: 'Resource.ReservationInfo.{field}' field must be set."
        error = reservation_role_error(reservation.role)
        if error is not None:
            return error
    error = refinement_error([reservation_from_message(reservation) for reservation in message.reservations])
    if error is not None:
        return error
    if len(message.reservations) == 1:
        return _consistency_error(message, message.reservations[0])
    for field in ("role", "reservation"):
        if message.HasField(field):
            return (
                f"Invalid resource format: 'Resource.{field}' must not be set if there is more than one reservation"
                " in 'Resource.reservations'"
            )
    return None


def _consistency_error(message: pb.Resource, reservation: pb.Resource.ReservationInfo) -> str | None:
    # The older fields may stand beside a stack of one if they say the same.
    has_role, has_reservation = message.HasField("role"), message.HasField("reservation")
    older = message.reservation
    if has_role and message.role != reservation.role:
        return (
            f"Invalid resource format: 'Resource.role' field with '{message.role}' does not match the role"
            f" '{reservation.role}' in 'Resource.reservations'"
        )
    if reservation.type == pb.Resource.ReservationInfo.STATIC:
        if has_reservation:
            return (
                "Invalid resource format: 'Resource.reservation' must not be set if the single reservation in"
                " 'Resource.reservations' is STATIC"
            )
        return None
    if reservation.type != pb.Resource.ReservationInfo.DYNAMIC:
        return "Unsupported 'Resource.ReservationInfo.Type'"
    if has_role != has_reservation:
        return (
            "Invalid resource format: 'Resource.role' and 'Resource.reservation' must either be both set or both not set"
            " if the single reservation in 'Resource.reservations' is DYNAMIC"
        )
    if has_reservation and older.principal != reservation.principal:
        return (
            f"Invalid resource format: 'Resource.reservation.principal' field with '{older.principal}' does not match the"
            f" principal '{reservation.principal}' in 'Resource.reservations'"
        )
    if has_reservation:
        ours, theirs = _labels_of(older.labels), _labels_of(reservation.labels)
        if sorted_labels(ours) != sorted_labels(theirs):
            return (
                f"Invalid resource format: 'Resource.reservation.labels' field with '{print_labels(ours)}' does not match"
                f" the labels '{print_labels(theirs)}' in 'Resource.reservations'"
            )
    return None


def upgrade(message: pb.Resource) -> pb.Resource:
    """The same resource in the format with stacks, unchecked. Where both formats are given, the stack counts.

    A dynamic reservation for role ``*`` has no such form; it is left as it is, for validation to refuse.
    """
    result = pb.Resource()
    result.CopyFrom(message)
    if message.reservations:
        result.ClearField("role")
        result.ClearField("reservation")
    elif message.role != DEFAULT_ROLE:
        reservation = result.reservations.add()
        reservation.CopyFrom(message.reservation)
        dynamic = message.HasField("reservation")
        reservation.type = pb.Resource.ReservationInfo.DYNAMIC if dynamic else pb.Resource.ReservationInfo.STATIC
        reservation.role = message.role
        result.ClearField("role")
        result.ClearField("reservation")
    elif not message.HasField("reservation"):
        result.ClearField("role")
    return result


def _stack_of(message: pb.Resource) -> tuple[Reservation, ...]:
    if message.reservations:
        return tuple(reservation_from_message(reservation) for reservation in message.reservations)
    if message.role == DEFAULT_ROLE:
        return ()
    if not message.HasField("reservation"):
        return (Reservation.static(message.role),)
    return (
        attrs.evolve(reservation_from_message(message.reservation), type=ReservationType.DYNAMIC, role=message.role),
    )


def _kind_of(message: pb.Resource, reservations: tuple[Reservation, ...]) -> Kind:
    return Kind(
        name=message.name,
        type=_TYPES[message.type],
        reservations=reservations,
        disk=_disk_of(message),
        is_shared=message.HasField("shared"),
        is_revocable=message.HasField("revocable"),
        provider_id=message.provider_id.value if message.HasField("provider_id") else None,
        allocation_role=message.allocation_info.role if message.HasField("allocation_info") else None,
    )


def reservation_from_message(message: pb.Resource.ReservationInfo) -> Reservation:
    """The value of one layer of a stack; an unset type is UNKNOWN, an unset role empty."""
    return Reservation(
        type=ReservationType(pb.Resource.ReservationInfo.Type.Name(message.type)),
        role=message.role,
        principal=message.principal if message.HasField("principal") else None,
        labels=_labels_of(message.labels) if message.HasField("labels") else None,
    )


def _labels_of(message: pb.Labels) -> Labels:
    return tuple(Label(label.key, label.value if label.HasField("value") else None) for label in message.labels)


def _disk_of(message: pb.Resource) -> Disk | None:
    if not message.HasField("disk"):
        return None
    disk = message.disk
    persistence = volume = source = None
    if disk.HasField("persistence"):
        principal = disk.persistence.principal if disk.persistence.HasField("principal") else None
        persistence = Persistence(disk.persistence.id, principal)
    if disk.HasField("volume"):
        volume = _volume_of(disk.volume)
    if disk.HasField("source"):
        source = disk_source_from_message(disk.source)
    return Disk(persistence, volume, source)


def _volume_of(message: pb.Volume) -> Volume:
    rest = pb.Volume()
    rest.CopyFrom(message)
    for field in ("container_path", "mode", "host_path"):
        rest.ClearField(field)
    return Volume(
        container_path=message.container_path,
        mode=pb.Volume.Mode.Name(message.mode),
        host_path=message.host_path if message.HasField("host_path") else None,
        rest=rest.SerializePartialToString(),
    )


def disk_source_from_message(message: pb.Resource.DiskInfo.Source) -> DiskSource:
    """The value of a disk's source."""
    return DiskSource(
        type=DiskType(pb.Resource.DiskInfo.Source.Type.Name(message.type)),
        path=_root_of(message.path) if message.HasField("path") else None,
        mount=_root_of(message.mount) if message.HasField("mount") else None,
        vendor=message.vendor if message.HasField("vendor") else None,
        id=message.id if message.HasField("id") else None,
        metadata=_labels_of(message.metadata) if message.HasField("metadata") else None,
        profile=message.profile if message.HasField("profile") else None,
    )


def _root_of(message: pb.Resource.DiskInfo.Source.Path | pb.Resource.DiskInfo.Source.Mount) -> DiskRoot:
    return DiskRoot(message.root if message.HasField("root") else None)


# --- to messages -------------------------------------------------------------------------------------------------------


def resource_to_message(resource: Resource, format: Format = Format.POST_REFINEMENT) -> pb.Resource:  # noqa: A002
    """A new message for a resource; copies of a shared one are not counted on the wire.

    Raises ResourcesError if the format has no words for a refined reservation.
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
    message = pb.Resource(name=kind.name, type=pb.Value.Type.Value(kind.type.value))
    _fill_value(message, kind.type, resource.value)
    for reservation in kind.reservations:
        layer = message.reservations.add(
            type=pb.Resource.ReservationInfo.Type.Value(reservation.type.value), role=reservation.role
        )
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


def _fill_value(message: pb.Resource | pb.Attribute, type_: ValueType, value: Value) -> None:
    if type_ is ValueType.SCALAR:
        assert isinstance(value, float)
        message.scalar.value = value
        return
    assert isinstance(value, tuple)
    if type_ is ValueType.RANGES:
        message.ranges.SetInParent()
        for begin, end in value:
            message.ranges.range.add(begin=int(begin), end=int(end))
    else:
        message.set.SetInParent()
        message.set.item.extend(str(item) for item in value)


def _fill_reservation(message: pb.Resource.ReservationInfo, reservation: Reservation) -> None:
    # Principal and labels only: the older format keeps type and role elsewhere.
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
        message.volume.mode = pb.Volume.Mode.Value(disk.volume.mode)
        if disk.volume.host_path is not None:
            message.volume.host_path = disk.volume.host_path
    if disk.source is not None:
        _fill_source(message.source, disk.source)


def _fill_source(message: pb.Resource.DiskInfo.Source, source: DiskSource) -> None:
    message.type = pb.Resource.DiskInfo.Source.Type.Value(source.type.value)
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
