"""Cutting resources down to amounts (docs/reference/allocator.md 4, "shrink").

The resources are taken in random order, and each is cut to what is left of its name. Exclusive disks are taken whole or
not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Resource, Resources
from pymesoskit.resources.values import from_units
from pymesoskit.testing.allocator.units import Units, within_limits, within_quantities

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random


def shrink_to_quantities(resources: Resources, units: Units, target: Mapping[str, int], rng: Random) -> Resources:
    """At most ``target`` of each name; a name without a target vanishes. ``units`` are the sums of the resources."""
    if within_quantities(units, target):
        return resources
    left = dict(target)
    return _shrink(resources, lambda name: left.get(name, 0), left, rng)


def shrink_to_limits(resources: Resources, units: Units, limits: Mapping[str, int], rng: Random) -> Resources:
    """At most the limit of each name; names without a limit pass. ``units`` are the sums of the resources."""
    if within_limits(units, limits):
        return resources
    left = dict(limits)
    return _shrink(resources, left.get, left, rng)


def _shrink(resources: Resources, remaining: Callable[[str], int | None], left: Units, rng: Random) -> Resources:
    kept: list[Resource] = []
    for resource in _shuffled(resources, rng):
        target = remaining(resource.name)
        if target is None:
            kept.append(resource)
            continue
        part = _cut(resource, target)
        if part is not None:
            kept.append(part)
            left[resource.name] = target - part.measure
    return Resources(kept)


def _cut(resource: Resource, target: int) -> Resource | None:
    if not target:
        return None
    if resource.measure <= target:
        return resource
    return None if resource.kind.is_exclusive else resource.with_value(from_units(target))


def _shuffled(resources: Resources, rng: Random) -> list[Resource]:
    items = list(resources)
    rng.shuffle(items)
    return items
