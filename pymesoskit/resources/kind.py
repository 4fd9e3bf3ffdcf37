"""What a resource is beside its amount: its name, who it is reserved for, which disk it is on, who holds it.

Immutable values with Mesos's notion of equality and Mesos's printed forms. The amount is added in `resource`; whether
all of it is valid is decided in `checks`. Rules: docs/reference/json-and-resources.md, "Resources".
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

import attrs

from pymesoskit.resources.values import ValueType


class Label(NamedTuple):
    """One label: free text that travels with a reservation or a disk."""

    key: str
    value: str | None = None


Labels: TypeAlias = tuple[Label, ...]


def _labels_identity(labels: Labels | None) -> Any:
    """Labels compare without regard to their order; none given is not the same as an empty list."""
    return None if labels is None else sorted_labels(labels)


def sorted_labels(labels: Labels) -> tuple[tuple[str, bool, str], ...]:
    """Labels in an order that depends on nothing but what they are."""
    return tuple(sorted((label.key, label.value is not None, label.value or "") for label in labels))


class ReservationType(StrEnum):
    """Who made a reservation: the agent's operator at its start (static), or an operation (dynamic)."""

    UNKNOWN = "UNKNOWN"
    STATIC = "STATIC"
    DYNAMIC = "DYNAMIC"


@attrs.frozen
class Reservation:
    """One layer of a reservation stack: for which role, by whom, with which labels."""

    type: ReservationType = attrs.field(converter=ReservationType)
    role: str
    principal: str | None = None
    labels: Labels | None = attrs.field(default=None, eq=_labels_identity)

    @classmethod
    def static(cls, role: str) -> Reservation:
        """A reservation made by the agent's operator."""
        return cls(ReservationType.STATIC, role)

    @classmethod
    def dynamic(cls, role: str, principal: str | None = None, labels: Labels | None = None) -> Reservation:
        """A reservation made by an operation."""
        return cls(ReservationType.DYNAMIC, role, principal, labels)

    def __str__(self) -> str:
        parts = [self.type.value, self.role]
        if self.principal is not None:
            parts.append(self.principal)
        if self.labels is not None:
            parts.append(print_labels(self.labels))
        return f"({','.join(parts)})"

    def identity(self) -> Any:
        """What two equal reservations have in common, as plain values."""
        return (self.type.value, self.role, self.principal, _labels_identity(self.labels))


def print_labels(labels: Labels) -> str:
    """Labels as printed in messages and logs: ``{key: value, key}``."""
    return f"{{{', '.join(key if value is None else f'{key}: {value}' for key, value in labels)}}}"


class DiskType(StrEnum):
    """What a disk is made of, if it is not the agent's own work directory."""

    UNKNOWN = "UNKNOWN"
    PATH = "PATH"
    MOUNT = "MOUNT"
    BLOCK = "BLOCK"
    RAW = "RAW"


@attrs.frozen
class DiskRoot:
    """Where a PATH or MOUNT disk lies on the agent."""

    root: str | None = None


@attrs.frozen
class DiskSource:
    """The origin of a disk resource: a path, a mount, or a disk of a resource provider."""

    type: DiskType = attrs.field(converter=DiskType)
    path: DiskRoot | None = None
    mount: DiskRoot | None = None
    vendor: str | None = None
    id: str | None = None
    metadata: Labels | None = attrs.field(default=None, eq=_labels_identity)
    profile: str | None = None

    def __str__(self) -> str:
        if self.type is DiskType.UNKNOWN:
            return "UNKNOWN"
        if self.id is not None or self.profile is not None:
            return f"{self.type.value}({self.vendor or ''},{self.id or ''},{self.profile or ''})"
        place = {DiskType.PATH: self.path, DiskType.MOUNT: self.mount}.get(self.type)
        if place is not None and place.root is not None:
            return f"{self.type.value}:{place.root}"
        return self.type.value

    def identity(self) -> Any:
        """What two equal sources have in common, as plain values."""
        return (
            self.type.value,
            None if self.path is None else (self.path.root,),
            None if self.mount is None else (self.mount.root,),
            self.vendor,
            self.id,
            _labels_identity(self.metadata),
            self.profile,
        )


@attrs.frozen
class Persistence:
    """The id of a persistent volume, and who created it (which is no part of its identity)."""

    id: str
    principal: str | None = attrs.field(default=None, eq=False)


class VolumeMode(StrEnum):
    """Whether a container may write to a volume."""

    RW = "RW"
    RO = "RO"


@attrs.frozen
class Volume:
    """How a container sees a disk. No part of the disk's identity: each use may choose another path."""

    container_path: str
    mode: VolumeMode = attrs.field(default=VolumeMode.RW, converter=VolumeMode)
    host_path: str | None = None
    rest: bytes = attrs.field(default=b"", repr=False)
    """Fields that only volumes of containers use (image, source), as they came."""

    def __str__(self) -> str:
        if self.host_path is None:
            return self.container_path
        return f"{self.host_path}:{self.container_path}:{self.mode.value.lower()}"


@attrs.frozen
class Disk:
    """What distinguishes a disk resource from plain disk space; all parts may be absent."""

    persistence: Persistence | None = None
    volume: Volume | None = attrs.field(default=None, eq=False)
    source: DiskSource | None = None

    def __str__(self) -> str:
        parts = [str(self.source)] if self.source is not None else []
        if self.persistence is not None:
            parts.append(self.persistence.id)
        text = ",".join(parts)
        return text if self.volume is None else f"{text}:{self.volume}"

    def identity(self) -> Any:
        """What two equal disks have in common, as plain values."""
        return (
            None if self.persistence is None else self.persistence.id,
            None if self.source is None else self.source.identity(),
        )

    @property
    def is_exclusive(self) -> bool:
        """Whether the disk can only be had as a whole: volumes, MOUNT and BLOCK disks, RAW disks with an id."""
        if self.persistence is not None:
            return True
        if self.source is None:
            return False
        return self.source.type in {DiskType.MOUNT, DiskType.BLOCK} or (
            self.source.type is DiskType.RAW and self.source.id is not None
        )

    def without_volume(self) -> Disk | None:
        """The disk that a persistent volume was made from: its source alone, or no disk info at all."""
        return None if self.source is None else Disk(source=self.source)


@attrs.frozen(eq=False, repr=False)
class Kind:
    """Everything about a resource but its amount. Two resources of one kind add up (if the kind is divisible).

    Kinds themselves compare by identity, so that what is remembered about one is never taken for another that differs
    in what Mesos ignores (a container path, the order of labels); `key` tells whether two are the same to Mesos.
    """

    name: str
    type: ValueType = attrs.field(converter=ValueType)
    reservations: tuple[Reservation, ...] = ()
    disk: Disk | None = None
    is_shared: bool = False
    is_revocable: bool = False
    provider_id: str | None = None
    allocation_role: str | None = None
    key: str = attrs.field(init=False)
    """A text that is the same for equal kinds and no others; texts are the fastest keys there are."""
    is_exclusive: bool = attrs.field(init=False)
    """Whether amounts of this kind neither merge nor split."""
    prefix: str = attrs.field(init=False)
    """How a resource of this kind is printed, up to its value."""

    @key.default
    def _make_key(self) -> str:
        return repr(
            (
                self.name,
                self.type.value,
                tuple(reservation.identity() for reservation in self.reservations),
                None if self.disk is None else self.disk.identity(),
                self.is_shared,
                self.is_revocable,
                self.provider_id,
                self.allocation_role,
            )
        )

    @is_exclusive.default
    def _find_exclusive(self) -> bool:
        return self.is_shared or (self.disk is not None and self.disk.is_exclusive)

    @prefix.default
    def _print_prefix(self) -> str:
        text = self.name
        if self.allocation_role is not None:
            text += f"(allocated: {self.allocation_role})"
        if self.reservations:
            text += f"(reservations: [{','.join(map(str, self.reservations))}])"
        if self.disk is not None:
            text += f"[{self.disk}]"
        if self.is_revocable:
            text += "{REV}"
        if self.is_shared:
            text += "<SHARED>"
        return f"{text}:"

    def __repr__(self) -> str:
        return f"<Kind {self.prefix}>"
