"""One resource: an amount of a kind, and how amounts of one kind combine.

Resources are immutable. Collections, and with them all rules on several resources, are in ``algebra``; messages are
read in ``messages``. Rules: docs/reference/json-and-resources.md, "Resources", and agent-executor.md, section 13.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, cast

import attrs

from pymesoskit.resources import values
from pymesoskit.resources.checks import reservations_error, resource_error, value_error
from pymesoskit.resources.errors import ResourcesError
from pymesoskit.resources.kind import Disk, Kind, Reservation, ReservationType
from pymesoskit.resources.roles import is_strict_subrole_of
from pymesoskit.resources.values import Items, Ranges, Value, ValueType

# Kinds derived from others are cached, except for those with very long labels: that bounds the memory.
_LONGEST_KEY: Final = 1024


def _allocated_kind(kind: Kind, role: str | None) -> Kind:
    derive = _remember_allocated_kind if len(kind.key) <= _LONGEST_KEY else _remember_allocated_kind.__wrapped__
    return derive(kind, role)


@lru_cache(maxsize=8192)
def _remember_allocated_kind(kind: Kind, role: str | None) -> Kind:
    return attrs.evolve(kind, allocation_role=role)


def _less_reserved_kind(kind: Kind, layers: int) -> Kind:
    derive = _remember_less_reserved_kind if len(kind.key) <= _LONGEST_KEY else _remember_less_reserved_kind.__wrapped__
    return derive(kind, layers)


@lru_cache(maxsize=8192)
def _remember_less_reserved_kind(kind: Kind, layers: int) -> Kind:
    return attrs.evolve(kind, reservations=kind.reservations[:layers])


class Resource:
    """An amount of one kind of resource: ``Resource("cpus", "SCALAR", 4.0)``.

    Amounts of mem and disk are in MB. An amount of zero (also of less than half a thousandth) is allowed; collections
    drop such a resource. Raises ``ResourcesError`` with Mesos's text for a negative amount, an inverted range, a set
    with duplicates, an invalid stack of reservations, or disk info on a resource that is not named ``disk``.

    Equality is that of Mesos: scalars compare by thousandths, ranges and sets by what they cover, reservations, source
    of the disk and id of the volume by value. The volume's container path and its creator's principal do not count.
    """

    __slots__ = ("_value", "copies", "encoded", "key", "kind", "measure")

    kind: Kind
    _value: Value | None  # None: a scalar that came out of arithmetic; computed when it is first read
    measure: Any
    """The part of the value that counts: thousandths, coalesced ranges, or a frozenset."""
    key: str
    """Resources with the same key merge if they are divisible or shared; otherwise they are the same."""
    copies: int
    """The number of copies of a shared resource; 1 for all others."""
    encoded: bytes | None
    """The encoded message of this resource, once it has been computed (``encoding``)."""

    def __init__(
        self,
        name: str,
        type: ValueType | str,  # noqa: A002
        value: Value,
        reservations: tuple[Reservation, ...] = (),
        disk: Disk | None = None,
        shared: bool = False,
        revocable: bool = False,
        provider_id: str | None = None,
        allocation_role: str | None = None,
        copies: int = 1,
    ) -> None:
        kind = Kind(name, type, tuple(reservations), disk, shared, revocable, provider_id, allocation_role)
        error = resource_error(kind, value)
        if error is None and (copies < 1 or (copies > 1 and not shared)):
            error = "Invalid shared resource: count < 0" if copies < 1 else "Only shared resources have copies"
        if error is not None:
            raise ResourcesError(error)
        if kind.type is ValueType.SCALAR:
            value = float(cast("float", value))
        elif kind.type is ValueType.RANGES:
            value = tuple((begin, end) for begin, end in cast("Ranges", value))
        else:
            value = tuple(cast("Items", value))
        _fill(self, kind, value, _measure(kind.type, value), copies)

    def __setattr__(self, _name: str, _value: object) -> None:
        raise attrs.exceptions.FrozenInstanceError

    def __delattr__(self, _name: str) -> None:
        raise attrs.exceptions.FrozenInstanceError

    def __getstate__(self) -> tuple[Kind, Value, int]:
        return (self.kind, self.value, self.copies)

    def __setstate__(self, state: tuple[Kind, Value, int]) -> None:
        kind, value, copies = state
        _fill(self, kind, value, _measure(kind.type, value), copies)

    # --- what it is ---

    @property
    def value(self) -> Value:
        """The value as it was given; arithmetic rounds scalars to thousandths and coalesces ranges."""
        value = self._value
        if value is None:
            value = values.from_units(self.measure)
            _set_value(self, value)
        return value

    @property
    def unrounded(self) -> float | None:
        """The value of a scalar that is not a whole number of thousandths, otherwise None."""
        value = self._value
        return None if value is None or value == values.from_units(self.measure) else cast("float", value)

    @property
    def name(self) -> str:
        """The name: ``cpus``, ``mem``, …"""
        return self.kind.name

    @property
    def type(self) -> ValueType:
        """SCALAR, RANGES or SET."""
        return self.kind.type

    @property
    def reservations(self) -> tuple[Reservation, ...]:
        """The stack of reservations, from the first to the last refinement; empty if unreserved."""
        return self.kind.reservations

    @property
    def disk(self) -> Disk | None:
        """Source and volume of a disk; None for plain disk space and everything else."""
        return self.kind.disk

    @property
    def shared(self) -> bool:
        """Whether several tasks may use the resource at once."""
        return self.kind.is_shared

    @property
    def revocable(self) -> bool:
        """Whether the agent may take the resource away at any time."""
        return self.kind.is_revocable

    @property
    def provider_id(self) -> str | None:
        """The id of the resource provider; None for resources of the agent itself."""
        return self.kind.provider_id

    @property
    def allocation_role(self) -> str | None:
        """The role that the resource is allocated (offered) to; None if it is not allocated."""
        return self.kind.allocation_role

    @property
    def reservation_role(self) -> str | None:
        """The role of the last reservation; None if unreserved."""
        reservations = self.kind.reservations
        return reservations[-1].role if reservations else None

    @property
    def is_reserved(self) -> bool:
        """Whether the resource is reserved."""
        return bool(self.kind.reservations)

    @property
    def is_dynamically_reserved(self) -> bool:
        """Whether the last reservation is dynamic: made by an operation."""
        reservations = self.kind.reservations
        return bool(reservations) and reservations[-1].type is ReservationType.DYNAMIC

    @property
    def is_persistent_volume(self) -> bool:
        """Whether the resource is a persistent volume."""
        return self.kind.disk is not None and self.kind.disk.persistence is not None

    @property
    def persistence_id(self) -> str | None:
        """The id of the persistent volume; None if the resource is not one."""
        disk = self.kind.disk
        return disk.persistence.id if disk is not None and disk.persistence is not None else None

    @property
    def is_empty(self) -> bool:
        """Whether the amount is zero (in thousandths, for a scalar)."""
        return not self.measure

    def is_allocatable_to(self, role: str) -> bool:
        """Returns whether a role may be offered the resource: unreserved, or reserved for it or for a role above it."""
        reserved_to = self.reservation_role
        return reserved_to is None or role == reserved_to or is_strict_subrole_of(role, reserved_to)

    def is_reserved_to_subtree(self, role: str) -> bool:
        """Returns whether the resource is reserved for a role or for a role below it."""
        reserved_to = self.reservation_role
        return reserved_to is not None and (reserved_to == role or is_strict_subrole_of(reserved_to, role))

    # --- other metadata ---

    def with_value(self, value: Value) -> Resource:
        """Returns another amount of the same kind. Raises ``ResourcesError`` if the value is invalid."""
        error = value_error(self.kind.type, value)
        if error is not None:
            raise ResourcesError(error)
        return make_resource(self.kind, value, self.copies)

    def with_reservations(self, reservations: tuple[Reservation, ...]) -> Resource:
        """Returns the resource with another stack of reservations, which is not checked."""
        return _relabel(self, attrs.evolve(self.kind, reservations=reservations))

    def to_unreserved(self) -> Resource:
        """Returns the resource without its reservations."""
        if not self.kind.reservations:
            return self
        return _relabel(self, _less_reserved_kind(self.kind, 0))

    def with_pushed_reservation(self, reservation: Reservation) -> Resource:
        """Returns the resource with one more reservation. Raises ``ResourcesError`` if the stack would be invalid."""
        stack = (*self.kind.reservations, reservation)
        error = reservations_error(stack)
        if error is not None:
            raise ResourcesError(f"Invalid resource {self}: {error}")
        return self.with_reservations(stack)

    def with_popped_reservation(self) -> Resource:
        """Returns the resource without its last reservation. Raises ``ResourcesError`` if there is none."""
        layers = len(self.kind.reservations)
        if not layers:
            raise ResourcesError(f"Resource {self} is not reserved")
        return _relabel(self, _less_reserved_kind(self.kind, layers - 1))

    def with_copies(self, copies: int) -> Resource:
        """Returns the resource with another number of copies; a resource that is not shared is returned as it is."""
        if not self.kind.is_shared or copies == self.copies:
            return self
        if copies < 1:
            raise ResourcesError("Invalid shared resource: count < 0")
        return make_resource(self.kind, self.value, copies)

    def with_disk(self, disk: Disk | None, shared: bool) -> Resource:
        """Returns one copy of the same amount as another disk, shared or not."""
        return make_resource(attrs.evolve(self.kind, disk=disk, is_shared=shared), self.value)

    def allocated(self, role: str) -> Resource:
        """Returns the resource, allocated to a role."""
        if self.kind.allocation_role == role:
            return self
        return _relabel(self, _allocated_kind(self.kind, role))

    def unallocated(self) -> Resource:
        """Returns the resource, not allocated to any role."""
        if self.kind.allocation_role is None:
            return self
        return _relabel(self, _allocated_kind(self.kind, None))

    # --- arithmetic within one key ---

    def plus(self, other: Resource) -> Resource:
        """Returns the sum with a resource of the same key: copies of a shared resource add up, amounts of others."""
        kind = self.kind
        if kind.is_shared:
            return make_resource(kind, self.value, self.copies + other.copies)
        if kind.type is ValueType.SCALAR:
            return _make(kind, None, self.measure + other.measure)
        if kind.type is ValueType.RANGES:
            ranges = values.coalesce(cast("Ranges", self.value) + cast("Ranges", other.value))
            return _make(kind, ranges, ranges)
        return make_resource(kind, values.add_items(cast("Items", self.value), cast("Items", other.value)))

    def minus(self, other: Resource) -> Resource | None:
        """Returns the difference with a resource of the same key; None if nothing is left."""
        kind = self.kind
        if kind.is_shared:
            copies = self.copies - other.copies
            return make_resource(kind, self.value, copies) if copies > 0 else None
        if kind.type is ValueType.SCALAR:
            units = self.measure - other.measure
            return _make(kind, None, units) if units > 0 else None
        left: Value
        if kind.type is ValueType.RANGES:
            left = values.subtract_ranges(cast("Ranges", self.value), cast("Ranges", other.value))
        else:
            left = values.subtract_items(cast("Items", self.value), cast("Items", other.value))
        return make_resource(kind, left) if left else None

    def covers(self, other: Resource) -> bool:
        """Returns whether a resource of the same key is part of this one."""
        kind = self.kind
        if kind.is_shared:
            return self.copies >= other.copies
        if kind.type is ValueType.SCALAR:
            return cast("bool", self.measure >= other.measure)
        if kind.type is ValueType.RANGES:
            return values.covers_ranges(self.measure, other.measure)
        return cast("bool", self.measure >= other.measure)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Resource):
            return NotImplemented
        return self.key == other.key and self.measure == other.measure and self.copies == other.copies

    def __hash__(self) -> int:
        return hash((self.key, self.measure, self.copies))

    def print_one(self) -> str:
        """Returns the printed form without the number of copies, as in errors about a message."""
        if self.kind.type is ValueType.SCALAR:
            return self.kind.prefix + values.print_scalar(cast("float", self.value))
        if self.kind.type is ValueType.RANGES:
            return self.kind.prefix + values.print_ranges(cast("Ranges", self.value))
        return self.kind.prefix + values.print_items(cast("Items", self.value))

    def __str__(self) -> str:
        return f"{self.print_one()}<{self.copies}>" if self.kind.is_shared else self.print_one()

    def __repr__(self) -> str:
        return f"<Resource {self}>"


def make_resource(kind: Kind, value: Value, copies: int = 1) -> Resource:
    """Returns a resource of a kind and a value that are known to be valid, without a check (for this package)."""
    resource = object.__new__(Resource)
    _fill(resource, kind, value, _measure(kind.type, value), copies)
    return resource


def _make(kind: Kind, value: Value | None, measure: Any) -> Resource:
    # For results of arithmetic: the kind is divisible, and the measure is known.
    resource = object.__new__(Resource)
    _set_kind(resource, kind)
    _set_value(resource, value)
    _set_measure(resource, measure)
    _set_key(resource, kind.key)
    _set_copies(resource, 1)
    _set_encoded(resource, None)
    return resource


def _relabel(resource: Resource, kind: Kind) -> Resource:
    # Returns the same amount of another kind.
    result = object.__new__(Resource)
    _fill(result, kind, resource._value, resource.measure, resource.copies)
    return result


def _fill(resource: Resource, kind: Kind, value: Value | None, measure: Any, copies: int) -> None:
    _set_kind(resource, kind)
    _set_value(resource, value)
    _set_measure(resource, measure)
    key = kind.key
    if kind.is_exclusive:
        # Exclusive resources never merge with one of another size, so the size is part of the key.
        key += repr(sorted(measure) if isinstance(measure, frozenset) else measure)
    _set_key(resource, key)
    _set_copies(resource, copies)
    _set_encoded(resource, None)


def _measure(type_: ValueType, value: Value) -> Any:
    if type_ is ValueType.SCALAR:
        return values.to_units(cast("float", value))
    if type_ is ValueType.RANGES:
        return values.coalesce(cast("Ranges", value))
    return frozenset(cast("Items", value))


# The slots' own setters, for this module alone: instances refuse assignment.
_set_kind: Final = cast("Any", Resource.__dict__["kind"]).__set__
_set_value: Final = cast("Any", Resource.__dict__["_value"]).__set__
_set_measure: Final = cast("Any", Resource.__dict__["measure"]).__set__
_set_key: Final = cast("Any", Resource.__dict__["key"]).__set__
_set_copies: Final = cast("Any", Resource.__dict__["copies"]).__set__
_set_encoded: Final = cast("Any", Resource.__dict__["encoded"]).__set__


def remember_encoding(resource: Resource, encoded: bytes) -> None:
    """Stores the encoded message of a resource, so that it is computed once."""
    _set_encoded(resource, encoded)
