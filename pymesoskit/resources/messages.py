"""Conversion of ``mesos.v1.Resource`` messages to resources, and what is wrong with invalid messages.

A message has its reservations as a stack (``reservations``) or, in the older format, as ``role`` and ``reservation``;
resources hold stacks. The other direction is in ``encoding``. Rules: docs/reference/json-and-resources.md and
scheduler-api.md 4.5.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import attrs

from pymesoskit.resources import values
from pymesoskit.resources.checks import (
    disk_error,
    refinement_error,
    reservation_role_error,
    shared_error,
    validation_value_error,
)
from pymesoskit.resources.errors import ResourcesError
from pymesoskit.resources.kind import (
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
from pymesoskit.resources.resource import Resource, make_resource
from pymesoskit.resources.roles import DEFAULT_ROLE, role_error
from pymesoskit.resources.values import Value, ValueType
from pymesoskit.wire.v1 import mesos_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable


def message_error(message: pb.Resource) -> str | None:
    """Returns Mesos's text of what is wrong with one resource, without the wrapper; None if it is valid."""
    decoded = _decode(message)
    return decoded if isinstance(decoded, str) else None


def messages_error(messages: Iterable[pb.Resource]) -> str | None:
    """Returns the error of the first invalid resource of a list (``Resource '<r>' is invalid: …``), or None."""
    for message in messages:
        error = message_error(message)
        if error is not None:
            return wrap_error(message, error)
    return None


def resource_from_message(message: pb.Resource) -> Resource:
    """Returns the resource of a message in any format. Raises ``ResourcesError`` if it is invalid."""
    decoded = _decode(message)
    if isinstance(decoded, str):
        raise ResourcesError(decoded)
    return decoded


def resources_from_messages(messages: Iterable[pb.Resource]) -> list[Resource]:
    """Returns one resource for each message, also for empty ones.

    Raises ``ResourcesError`` (``Resource '<r>' is invalid: …``) if a message is invalid.
    """
    result: list[Resource] = []
    for message in messages:
        decoded = _decode(message)
        if isinstance(decoded, str):
            raise ResourcesError(wrap_error(message, decoded))
        result.append(decoded)
    return result


def wrap_error(message: pb.Resource, error: str) -> str:
    """Returns the error of one resource as the error of a list."""
    return f"Resource '{print_message(message)}' is invalid: {error}"


def print_message(message: pb.Resource) -> str:
    """Returns a message, valid or not, as printed in errors; the fields of the older format are not shown."""
    kind = _kind_of(message, tuple(reservation_from_message(reservation) for reservation in message.reservations))
    if kind.type is ValueType.SCALAR:
        return kind.prefix + values.print_scalar(message.scalar.value)
    if kind.type is ValueType.RANGES:
        return kind.prefix + values.print_ranges(tuple((piece.begin, piece.end) for piece in message.ranges.range))
    return kind.prefix + values.print_items(tuple(message.set.item))


# The same few resources (a task's cpus and mem) are decoded very often, so results are cached by the encoded message;
# not for large messages, so that the memory is bounded.
_LONGEST_REMEMBERED = 512


def _decode(message: pb.Resource) -> Resource | str:
    encoded = message.SerializePartialToString()
    return _remember(encoded) if len(encoded) <= _LONGEST_REMEMBERED else _validate_and_convert(message)


@lru_cache(maxsize=16384)
def _remember(encoded: bytes) -> Resource | str:
    message = pb.Resource()
    message.MergeFromString(encoded)
    return _validate_and_convert(message)


def _validate_and_convert(message: pb.Resource) -> Resource | str:
    if not message.name:
        return "Empty resource name"
    value = _value_of(message)
    if isinstance(value, _Invalid):
        return value.reason
    error = validation_value_error(_TYPES[message.type], value)
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
    # Exactly the field that belongs to the type must be set.
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
    # The older fields may be set beside a stack of one reservation if they agree with it.
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
            "Invalid resource format: 'Resource.role' and 'Resource.reservation' must either be both set or both not"
            " set if the single reservation in 'Resource.reservations' is DYNAMIC"
        )
    if has_reservation and older.principal != reservation.principal:
        return (
            f"Invalid resource format: 'Resource.reservation.principal' field with '{older.principal}' does not match"
            f" the principal '{reservation.principal}' in 'Resource.reservations'"
        )
    if has_reservation:
        ours, theirs = _labels_of(older.labels), _labels_of(reservation.labels)
        if sorted_labels(ours) != sorted_labels(theirs):
            return (
                f"Invalid resource format: 'Resource.reservation.labels' field with '{print_labels(ours)}' does not"
                f" match the labels '{print_labels(theirs)}' in 'Resource.reservations'"
            )
    return None


def upgrade(message: pb.Resource) -> pb.Resource:
    """Returns the resource in the format with stacks, without a check. If both formats are given, the stack counts.

    A dynamic reservation for role ``*`` cannot be written as a stack; it is left as it is, and validation refuses it.
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


def upgrade_message(message: pb.Resource) -> None:
    """Converts a valid message in place to the format with stacks."""
    if message.HasField("role") or message.HasField("reservation"):
        message.CopyFrom(upgrade(message))


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
    role = message.allocation_info.role if message.HasField("allocation_info") else None
    if not reservations and message.ByteSize() <= _LONGEST_REMEMBERED and not any(map(message.HasField, _METADATA)):
        return _plain_kind(message.name, _TYPES[message.type], role)
    return Kind(
        name=message.name,
        type=_TYPES[message.type],
        reservations=reservations,
        disk=_disk_of(message),
        is_shared=message.HasField("shared"),
        is_revocable=message.HasField("revocable"),
        provider_id=message.provider_id.value if message.HasField("provider_id") else None,
        allocation_role=role,
    )


_METADATA = ("disk", "shared", "revocable", "provider_id")


@lru_cache(maxsize=4096)
def _plain_kind(name: str, type_: ValueType, role: str | None) -> Kind:
    return Kind(name, type_, allocation_role=role)


def reservation_from_message(message: pb.Resource.ReservationInfo) -> Reservation:
    """Returns one reservation of a stack; an unset type is UNKNOWN, an unset role is empty."""
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
    """Returns the source of a disk."""
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
