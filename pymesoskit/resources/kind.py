"""The kind of a resource, which is everything but its amount: name, reservations, disk, allocation.

Immutable values with Mesos's equality and Mesos's printed forms. ``resource`` adds the amount; ``checks`` decides
whether all of it is valid. Rules: docs/reference/json-and-resources.md, "Resources".
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple, TypeAlias

import attrs

from pymesoskit.resources.values import ValueType


class Label(NamedTuple):
    """A label of a reservation or a disk: a key with an optional value."""

    key: str
    value: str | None = None


Labels: TypeAlias = tuple[Label, ...]


def _labels_identity(labels: Labels | None) -> Any:
    """Returns what equal labels have in common: their order does not count; None and an empty list differ."""
    return None if labels is None else sorted_labels(labels)


def sorted_labels(labels: Labels) -> tuple[tuple[str, bool, str], ...]:
    """Returns labels in a canonical order."""
    return tuple(sorted((label.key, label.value is not None, label.value or "") for label in labels))


class ReservationType(StrEnum):
    """How a reservation was made: by the agent's ``--resources`` (static), or by an operation (dynamic)."""

    UNKNOWN = "UNKNOWN"
    STATIC = "STATIC"
    DYNAMIC = "DYNAMIC"


@attrs.frozen
class Reservation:
    """One reservation of a stack: type, role, the principal that made it, and labels."""

    type: ReservationType = attrs.field(converter=ReservationType)
    role: str
    principal: str | None = None
    labels: Labels | None = attrs.field(default=None, eq=_labels_identity)

    @classmethod
    def static(cls, role: str) -> Reservation:
        """Returns a static reservation: one made by the agent's ``--resources``."""
        return cls(ReservationType.STATIC, role)

    @classmethod
    def dynamic(cls, role: str, principal: str | None = None, labels: Labels | None = None) -> Reservation:
        """Returns a dynamic reservation: one made by an operation."""
        return cls(ReservationType.DYNAMIC, role, principal, labels)

    def __str__(self) -> str:
        parts = [self.type.value, self.role]
        if self.principal is not None:
            parts.append(self.principal)
        if self.labels is not None:
            parts.append(print_labels(self.labels))
        return f"({','.join(parts)})"

    def identity(self) -> Any:
        """Returns what equal reservations have in common, as plain values."""
        return (self.type.value, self.role, self.principal, _labels_identity(self.labels))


def print_labels(labels: Labels) -> str:
    """Returns labels as printed in messages and logs: ``{key: value, key}``."""
    return f"{{{', '.join(key if value is None else f'{key}: {value}' for key, value in labels)}}}"


class DiskType(StrEnum):
    """The type of a disk that is not the agent's own work directory."""

    UNKNOWN = "UNKNOWN"
    PATH = "PATH"
    MOUNT = "MOUNT"
    BLOCK = "BLOCK"
    RAW = "RAW"


@attrs.frozen
class DiskRoot:
    """The directory of a PATH or MOUNT disk on the agent."""

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
        """Returns what equal sources have in common, as plain values."""
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
    """The id of a persistent volume, and the principal that created it, which does not count for equality."""

    id: str
    principal: str | None = attrs.field(default=None, eq=False)


class VolumeMode(StrEnum):
    """Whether a container may write to a volume."""

    RW = "RW"
    RO = "RO"


@attrs.frozen
class Volume:
    """Where a container mounts a disk. It does not count for equality: each task may choose another path."""

    container_path: str
    mode: VolumeMode = attrs.field(default=VolumeMode.RW, converter=VolumeMode)
    host_path: str | None = None
    rest: bytes = attrs.field(default=b"", repr=False)
    """The encoded fields that only volumes of containers use (image, source)."""

    def __str__(self) -> str:
        if self.host_path is None:
            return self.container_path
        return f"{self.host_path}:{self.container_path}:{self.mode.value.lower()}"


@attrs.frozen
class Disk:
    """The disk info of a resource: a persistent volume, where it is mounted, the source. Each part is optional."""

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
        """Returns what equal disks have in common, as plain values."""
        return (
            None if self.persistence is None else self.persistence.id,
            None if self.source is None else self.source.identity(),
        )

    @property
    def is_exclusive(self) -> bool:
        """Whether the disk is indivisible: a persistent volume, a MOUNT or BLOCK disk, or a RAW disk with an id."""
        if self.persistence is not None:
            return True
        if self.source is None:
            return False
        return self.source.type in {DiskType.MOUNT, DiskType.BLOCK} or (
            self.source.type is DiskType.RAW and self.source.id is not None
        )

    def without_volume(self) -> Disk | None:
        """Returns the disk that a persistent volume was made from: its source alone, or None."""
        return None if self.source is None else Disk(source=self.source)


@attrs.frozen(eq=False, repr=False)
class Kind:
    """Everything about a resource but its amount. Resources of one kind add up if the kind is divisible.

    ``key`` tells whether Mesos treats two kinds as the same. Kinds themselves compare by identity, so that caches do
    not confuse kinds that differ only in what Mesos ignores (a container path, the order of labels).
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
    """A text that is equal exactly for equal kinds; a text because those are the fastest keys."""
    is_exclusive: bool = attrs.field(init=False)
    """Whether resources of this kind neither merge nor split."""
    prefix: str = attrs.field(init=False)
    """The printed form of a resource of this kind, up to its value."""

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
