"""Checks of a single resource, on plain values; each returns Mesos's text of what is wrong, or None.

``Resource`` applies them when one is constructed, ``messages`` applies them to messages, where the presence of fields
matters, too. Rules: docs/reference/scheduler-api.md 4.5, corrected by json-and-resources.md.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, TypeAlias, cast

from pymesoskit.resources import values
from pymesoskit.resources.kind import Disk, DiskType, Kind, Reservation, ReservationType
from pymesoskit.resources.roles import DEFAULT_ROLE, is_strict_subrole_of, role_error
from pymesoskit.resources.values import Items, Ranges, Value, ValueType

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ValueCheck: TypeAlias = "Callable[[ValueType, Value], str | None]"


def validation_value_error(type_: ValueType, value: Value) -> str | None:
    """Returns what Mesos's validation finds wrong with an amount, or None.

    Zero is valid (a collection drops it); an amount that rounds to zero thousandths is refused here, and only here.
    """
    if type_ is ValueType.SCALAR and value and not values.to_units(cast("float", value)):
        return "Invalid scalar resource: value <= 0"
    return value_error(type_, value)


def value_error(type_: ValueType, value: Value) -> str | None:
    """Returns why a value is not an amount, or None.

    A scalar below half a thousandth is an amount: arithmetic rounds it to zero, as in Mesos.
    """
    if type_ is ValueType.SCALAR:
        number = cast("float", value)
        return "Invalid scalar resource: value <= 0" if number < 0 or values.to_units(number) < 0 else None
    if type_ is ValueType.RANGES:
        return values.ranges_error(cast("Ranges", value))
    if type_ is ValueType.SET:
        items = cast("Items", value)
        return "Invalid set resource: duplicated elements" if len(frozenset(items)) < len(items) else None
    return "Unsupported resource type"


def disk_error(name: str, disk: Disk | None) -> str | None:
    """Returns what is wrong with the disk info of a resource of this name, or None."""
    if disk is None:
        return None
    if name != "disk":
        return f"DiskInfo should not be set for {name} resource"
    source = disk.source
    if source is None:
        return None
    if source.type is DiskType.UNKNOWN:
        return f"Unsupported 'DiskInfo.Source.Type' in '{source}'"
    if source.type in {DiskType.BLOCK, DiskType.RAW}:
        if source.mount is not None:
            return f"Mount should not be set for {source.type.value} disk source"
        if source.path is not None:
            return f"Path should not be set for {source.type.value} disk source"
    return None


def reservation_role_error(role: str) -> str | None:
    """Returns why nothing can be reserved for this role, or None."""
    error = role_error(role)
    if error is None and role == DEFAULT_ROLE:
        return 'Invalid reservation: role "*" cannot be reserved'
    return error


def refinement_error(reservations: Sequence[Reservation]) -> str | None:
    """Returns which reservation of a stack does not refine the one before it, or None.

    A refinement is dynamic, and its role is below the role that it refines.
    """
    for outer, inner in itertools.pairwise(reservations):
        if inner.type is ReservationType.STATIC:
            return "Invalid refined reservation: A refined reservation cannot be STATIC"
        if not is_strict_subrole_of(inner.role, outer.role):
            return f"Invalid refined reservation: role '{inner.role}' is not a refinement of '{outer.role}'"
    return None


def reservations_error(reservations: Sequence[Reservation]) -> str | None:
    """Returns what is wrong with a stack of reservations, or None."""
    for reservation in reservations:
        error = reservation_role_error(reservation.role)
        if error is not None:
            return error
    error = refinement_error(reservations)
    if error is None and len(reservations) == 1 and reservations[0].type is ReservationType.UNKNOWN:
        return "Unsupported 'Resource.ReservationInfo.Type'"
    return error


def shared_error(name: str, disk: Disk | None) -> str | None:
    """Returns why a resource cannot be shared, or None."""
    if name != "disk":
        return f"Resource {name} cannot be shared"
    if disk is None or disk.persistence is None:
        return "Only persistent volumes can be shared"
    return None


def resource_error(kind: Kind, value: Value, value_error: ValueCheck = value_error) -> str | None:
    """Returns the first thing that is wrong with a resource, in Mesos's order, or None.

    ``value_error`` judges its amount: ``validation_value_error`` where Mesos validates.
    """
    if not kind.name:
        return "Empty resource name"
    error = value_error(kind.type, value) or disk_error(kind.name, kind.disk) or reservations_error(kind.reservations)
    if error is None and kind.is_shared:
        error = shared_error(kind.name, kind.disk)
    return error
