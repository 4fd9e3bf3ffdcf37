"""The plain form of resources in transcripts, in and out (tests/conformance/allocator/README.md, "Resources").

Resources are text in Mesos's syntax, or lists of mappings with ``name``, ``type``, ``value`` and the metadata that
there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pymesoskit.resources import (
    Disk,
    DiskRoot,
    DiskSource,
    Label,
    Persistence,
    Reservation,
    Resource,
    Resources,
    ValueType,
    Volume,
)
from pymesoskit.resources.values import from_units


def resources_from_plain(plain: str | Iterable[Mapping[str, Any]]) -> Resources:
    """From text or a list. Raises ``ResourcesError`` if it is not valid, ``KeyError`` if a key is missing."""
    if isinstance(plain, str):
        return Resources.parse(plain)
    return Resources(_resource(entry) for entry in plain)


def _resource(entry: Mapping[str, Any]) -> Resource:
    value = entry["value"]
    if entry["type"] == "RANGES":
        value = tuple((begin, end) for begin, end in value)
    elif entry["type"] == "SET":
        value = tuple(value)
    return Resource(
        entry["name"],
        entry["type"],
        value,
        reservations=tuple(
            Reservation(r["type"], r["role"], r.get("principal"), _labels(r.get("labels")))
            for r in entry.get("reservations", ())
        ),
        disk=_disk(entry["disk"]) if "disk" in entry else None,
        shared=entry.get("shared", False),
        revocable=entry.get("revocable", False),
        provider_id=entry.get("provider_id"),
    )


def _labels(plain: Any) -> tuple[Label, ...] | None:
    if plain is None:
        return None
    entries = plain["labels"] if isinstance(plain, Mapping) else plain
    return tuple(Label(entry["key"], entry.get("value")) for entry in entries)


def _disk(plain: Mapping[str, Any]) -> Disk:
    persistence = plain.get("persistence")
    volume = plain.get("volume")
    source = plain.get("source")
    return Disk(
        persistence=None if persistence is None else Persistence(persistence["id"], persistence.get("principal")),
        volume=None
        if volume is None
        else Volume(volume["container_path"], volume.get("mode", "RW"), volume.get("host_path")),
        source=None
        if source is None
        else DiskSource(
            source["type"],
            path=DiskRoot(source["path"].get("root")) if "path" in source else None,
            mount=DiskRoot(source["mount"].get("root")) if "mount" in source else None,
            vendor=source.get("vendor"),
            id=source.get("id"),
            metadata=_labels(source.get("metadata")),
            profile=source.get("profile"),
        ),
    )


def resources_to_plain(resources: Resources) -> list[dict[str, Any]]:
    """As a list, each resource once, whatever its copies; amounts rounded to thousandths."""
    return sorted((_entry(resource) for resource in resources), key=repr)


def _entry(resource: Resource) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": resource.name, "type": resource.type.value}
    if resource.type is ValueType.SCALAR:
        entry["value"] = from_units(resource.measure)
    elif resource.type is ValueType.RANGES:
        entry["value"] = [list(piece) for piece in resource.measure]
    else:
        entry["value"] = sorted(resource.measure)
    if resource.reservations:
        entry["reservations"] = [_reservation_entry(reservation) for reservation in resource.reservations]
    if resource.disk is not None:
        entry["disk"] = _disk_entry(resource.disk)
    if resource.shared:
        entry["shared"] = True
    if resource.revocable:
        entry["revocable"] = True
    if resource.provider_id is not None:
        entry["provider_id"] = resource.provider_id
    return entry


def _present(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _labels_entry(labels: Iterable[Label] | None) -> Any:
    return None if labels is None else {"labels": [_present(key=label.key, value=label.value) for label in labels]}


def _reservation_entry(reservation: Reservation) -> dict[str, Any]:
    return _present(
        type=reservation.type.value,
        role=reservation.role,
        principal=reservation.principal,
        labels=_labels_entry(reservation.labels),
    )


def _disk_entry(disk: Disk) -> dict[str, Any]:
    persistence, volume, source = disk.persistence, disk.volume, disk.source
    return _present(
        persistence=None if persistence is None else _present(id=persistence.id, principal=persistence.principal),
        volume=None
        if volume is None
        else _present(container_path=volume.container_path, mode=str(volume.mode), host_path=volume.host_path),
        source=None
        if source is None
        else _present(
            type=source.type.value,
            path=None if source.path is None else _present(root=source.path.root),
            mount=None if source.mount is None else _present(root=source.mount.root),
            vendor=source.vendor,
            id=source.id,
            metadata=_labels_entry(source.metadata),
            profile=source.profile,
        ),
    )
