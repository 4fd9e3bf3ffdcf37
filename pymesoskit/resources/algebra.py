"""Collections of resources: sums, differences, containment, search, and views by role, sharing and revocability.

Collections are immutable; values derived from them are computed once. A collection merges resources of one kind and
drops those with an amount of zero. Operations take time linear in the sizes of both operands. The order of the
resources is that of Mesos, because it shows in messages: a sum keeps the order of its left operand and appends what is
new; where a difference leaves nothing of a resource, the last resource takes its place.

Rules: docs/reference/json-and-resources.md, "Resources", and agent-executor.md, section 13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

import attrs

from pymesoskit.resources import values
from pymesoskit.resources.encoding import Format, resource_to_message
from pymesoskit.resources.messages import resources_from_messages
from pymesoskit.resources.quantities import Quantities
from pymesoskit.resources.resource import Resource
from pymesoskit.resources.values import Items, Ranges, ValueType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pymesoskit.resources.kind import Reservation
    from pymesoskit.wire.v1 import mesos_pb2 as pb


@attrs.frozen(eq=False, repr=False, init=False)
class Resources:
    """A collection of resources, as held by an agent, an offer or a task.

    Iteration yields each distinct resource once; a shared resource has its number of ``copies``. ``len`` counts the
    same way.
    """

    _items: tuple[Resource, ...]
    _positions: dict[str, int] | None  # key → place of the first resource with it; None: not needed so far
    _hash: int | None
    _quantities: Quantities | None
    _scalar_quantities: Quantities | None

    def __init__(self, resources: Iterable[Resource] = ()) -> None:
        if isinstance(resources, Resources):
            _fill(self, resources._items, resources._positions)
            return
        items: list[Resource] = []
        positions: dict[str, int] = {}
        for resource in resources:
            _add(items, positions, resource)
        _fill(self, tuple(items), positions)

    # --- in and out ---

    @classmethod
    def parse(cls, text: str, default_role: str = "*") -> Resources:
        """Returns the resources in the syntax of an agent's ``--resources``: ``cpus:4;mem:1024``, or a JSON array.

        mem and disk are in MB. Resources without a role are statically reserved for ``default_role``, or unreserved if
        that is ``*``. Raises ``ResourcesError`` with Mesos's text if the text is malformed or describes what a command
        line cannot: volumes, revocable resources, dynamic reservations, one name with two types.
        """
        from pymesoskit.resources.text import parse_resources  # it builds on this module

        return parse_resources(text, default_role)

    @classmethod
    def from_messages(cls, resources: Iterable[pb.Resource]) -> Resources:
        """Returns the resources of messages in any format.

        Raises ``ResourcesError`` (``Resource '<r>' is invalid: …``) if a message is invalid.
        """
        return cls(resources_from_messages(resources))

    def to_messages(self, format: Format = Format.POST_REFINEMENT) -> list[pb.Resource]:  # noqa: A002
        """Returns new messages, one for each resource; the copies of a shared resource are not counted.

        Raises ``ResourcesError`` if a refined reservation cannot be written in ``format``.
        """
        return [resource_to_message(resource, format) for resource in self._items]

    # --- as a collection ---

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __bool__(self) -> bool:
        return bool(self._items)

    def __contains__(self, other: object) -> bool:
        return isinstance(other, Resource | Resources) and self.contains(other)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Resources):
            return NotImplemented
        return self._items is other._items or (self.contains(other) and other.contains(self))

    def __hash__(self) -> int:
        result = self._hash
        if result is None:
            result = hash(frozenset(self._items))
            _set_hash(self, result)
        return result

    def __str__(self) -> str:
        return "; ".join(map(str, self._items)) if self._items else "{}"

    def __repr__(self) -> str:
        return f"<Resources {self}>"

    def __getstate__(self) -> tuple[Resource, ...]:
        return self._items

    def __setstate__(self, items: tuple[Resource, ...]) -> None:
        _fill(self, items, None)

    # --- arithmetic ---

    def __add__(self, other: Resources | Resource) -> Resources:
        """Returns the sum: resources of one kind are merged, copies of one shared resource are counted."""
        if isinstance(other, Resource):
            other = Resources((other,))
        if not self._items:
            return other
        if not other._items:
            return self
        items = list(self._items)
        known = positions = self._index()
        for resource in other._items:
            place = known.get(resource.key)
            if place is not None and (resource.kind.is_shared or not resource.kind.is_exclusive):
                items[place] = items[place].plus(resource)
                continue
            # New, or the same exclusive disk a second time: both are kept.
            if positions is known:
                positions = dict(known)
            positions.setdefault(resource.key, len(items))
            items.append(resource)
        return _of(tuple(items), positions)

    def __sub__(self, other: Resources | Resource) -> Resources:
        """Returns the difference. Parts of ``other`` that are not in this collection are ignored."""
        if isinstance(other, Resource):
            other = Resources((other,))
        taken = other._items
        if not taken or not self._items:
            return self
        items = list(self._items)
        positions = self._index()
        changed = False
        for resource in taken:
            place = positions.get(resource.key)
            if place is None:
                continue
            left = items[place].minus(resource)
            if left is not None:
                items[place] = left
                continue
            if not changed:
                positions, changed = dict(positions), True
            _drop(items, positions, place)
        return _of(tuple(items), positions)

    def contains(self, other: Resources | Resource) -> bool:
        """Returns whether every resource of ``other`` is part of one of these.

        Each occurrence of a persistent volume in ``other`` needs one here; a single exclusive disk without a volume
        covers any number of occurrences.
        """
        if isinstance(other, Resource):
            mine = self._find_key(other.key)
            return mine is not None and mine.covers(other)
        positions = self._index()
        items = self._items
        for resource in other._items:
            place = positions.get(resource.key)
            if place is None or not items[place].covers(resource):
                return False
        # A key rarely occurs more than once: only for an exclusive disk that is listed twice.
        if len(other._index()) == len(other._items):
            return True
        return all(
            _count(items, resource.key) >= _count(other._items, resource.key)
            for resource in other._items
            if resource.is_persistent_volume and not resource.shared
        )

    def contains_quantities(self, quantities: Quantities) -> bool:
        """Returns whether there is at least as much of each name, whatever its metadata. Ranges and sets count by their
        elements.
        """
        for name, amount in quantities.items():
            remaining = amount
            for resource in self._items:
                if resource.name == name:
                    # Mesos computes in doubles here, and in thousandths everywhere else.
                    remaining -= _amount(resource)
                    if remaining <= 0:
                        break
            if remaining > 0:
                return False
        return True

    def find(self, target: Resources | Resource) -> Resources | None:
        """Returns resources that satisfy a request: those reserved for the target's role first, then unreserved ones,
        then those of any role; None if they do not suffice.

        Each target is searched in the whole collection, and of a shared target one copy. This is Mesos's own rule; to
        take resources for tasks out of an offer use ``OfferPool``.
        """
        if isinstance(target, Resources):
            total = Resources()
            for single in target:
                found = self._find(single)
                if found is None:
                    return None
                total += found
            return total
        return self._find(target)

    def _find(self, target: Resource) -> Resources | None:
        found = Resources()
        pool = self
        remaining = Resources((target.with_copies(1).to_unreserved(),))
        stages: list[Callable[[Resource], bool]] = [lambda resource: not resource.is_reserved, lambda _: True]
        role = target.reservation_role
        if role is not None:
            stages.insert(0, lambda resource: resource.reservation_role == role)
        for stage in stages:
            for resource in pool.filter(stage):
                unreserved = Resources((resource.to_unreserved(),))
                if unreserved.contains(remaining):
                    return found + Resources(part.with_reservations(resource.reservations) for part in remaining)
                if remaining.contains(unreserved):
                    found += resource
                    pool -= resource
                    remaining -= unreserved
                    break  # at most one part from each stage
        return None

    def apply(self, operation: pb.Offer.Operation) -> Resources:
        """Returns the resources after an offer operation, which must be valid (``operation_error``).

        Raises ``ResourcesError`` with Mesos's text if these resources do not allow the operation, and for LAUNCH and
        the operations on disks of resource providers, which have no such result.
        """
        from pymesoskit.resources.operations import conversions  # it builds on this module

        result = self
        for conversion in conversions(operation):
            result = conversion.apply(result)
        return result

    # --- views ---

    def filter(self, predicate: Callable[[Resource], bool]) -> Resources:
        """Returns the resources for which the predicate holds."""
        kept = tuple(resource for resource in self._items if predicate(resource))
        return self if len(kept) == len(self._items) else _of(kept, None)

    def reserved(self, role: str | None = None) -> Resources:
        """Returns the resources that are reserved for a role (by their last reservation), or for any role."""
        if role is None:
            return self.filter(lambda resource: resource.is_reserved)
        return self.filter(lambda resource: resource.reservation_role == role)

    def unreserved(self) -> Resources:
        """Returns the resources without reservations. (``to_unreserved`` removes reservations.)"""
        return self.filter(lambda resource: not resource.is_reserved)

    def reserved_to_subtree(self, role: str) -> Resources:
        """Returns the resources reserved for a role or for a role below it."""
        return self.filter(lambda resource: resource.is_reserved_to_subtree(role))

    def allocatable_to(self, role: str) -> Resources:
        """Returns the resources that a role may be offered: unreserved, or reserved for it or for a role above it."""
        return self.filter(lambda resource: resource.is_allocatable_to(role))

    def by_reservation_role(self) -> dict[str, Resources]:
        """Returns the reserved resources by the role of their last reservation."""
        return self._group(lambda resource: resource.reservation_role)

    def revocable(self) -> Resources:
        """Returns the revocable resources: those that the agent may take away."""
        return self.filter(lambda resource: resource.revocable)

    def non_revocable(self) -> Resources:
        """Returns the resources that are not revocable."""
        return self.filter(lambda resource: not resource.revocable)

    def shared(self) -> Resources:
        """Returns the shared resources: those that several tasks may use at once."""
        return self.filter(lambda resource: resource.shared)

    def non_shared(self) -> Resources:
        """Returns the resources that are not shared."""
        return self.filter(lambda resource: not resource.shared)

    def scalars(self) -> Resources:
        """Returns the scalar resources."""
        return self.filter(lambda resource: resource.type is ValueType.SCALAR)

    def named(self, name: str) -> Resources:
        """Returns the resources of a name."""
        return self.filter(lambda resource: resource.name == name)

    def persistent_volumes(self) -> Resources:
        """Returns the persistent volumes."""
        return self.filter(lambda resource: resource.is_persistent_volume)

    def allocations(self) -> dict[str, Resources]:
        """Returns the allocated resources by the role that they are allocated to."""
        return self._group(lambda resource: resource.allocation_role)

    def _group(self, key: Callable[[Resource], str | None]) -> dict[str, Resources]:
        groups: dict[str, list[Resource]] = {}
        for resource in self._items:
            group = key(resource)
            if group is not None:
                groups.setdefault(group, []).append(resource)
        return {group: _of(tuple(items), None) for group, items in groups.items()}

    # --- other metadata ---

    def allocated(self, role: str) -> Resources:
        """Returns the same resources, allocated to a role."""
        return Resources(resource.allocated(role) for resource in self._items)

    def unallocated(self) -> Resources:
        """Returns the same resources, not allocated to any role."""
        return Resources(resource.unallocated() for resource in self._items)

    def push_reservation(self, reservation: Reservation) -> Resources:
        """Returns the same resources with one more reservation each.

        Raises ``ResourcesError`` if the reservation does not refine the last one of a resource.
        """
        return Resources(resource.with_pushed_reservation(reservation) for resource in self._items)

    def pop_reservation(self) -> Resources:
        """Returns the same resources without their last reservation. Raises ``ResourcesError`` if one has none."""
        return Resources(resource.with_popped_reservation() for resource in self._items)

    def to_unreserved(self) -> Resources:
        """Returns the same resources without reservations. (``unreserved`` filters.)"""
        return Resources(resource.to_unreserved() for resource in self._items)

    # --- amounts ---

    def quantities(self) -> Quantities:
        """Returns the amount of each name: scalars, sizes of sets, numbers in ranges. A shared resource counts once."""
        result = self._quantities
        if result is None:
            result = _count_amounts(self._items)
            _set_quantities(self, result)
        return result

    def scalar_quantities(self) -> Quantities:
        """Returns the amount of each name, scalars only."""
        result = self._scalar_quantities
        if result is None:
            result = _count_amounts(resource for resource in self._items if resource.type is ValueType.SCALAR)
            _set_scalar_quantities(self, result)
        return result

    def stripped_scalar_quantity(self) -> Resources:
        """Returns the scalars without any metadata."""
        return Resources(
            Resource(resource.name, ValueType.SCALAR, resource.value)
            for resource in self._items
            if resource.type is ValueType.SCALAR
        )

    def names(self) -> frozenset[str]:
        """Returns the names of the resources."""
        return frozenset(resource.name for resource in self._items)

    def get_scalar(self, name: str) -> float | None:
        """Returns the total of a scalar over all metadata; None if there is none."""
        units = [r.measure for r in self._items if r.name == name and r.type is ValueType.SCALAR]
        return values.from_units(sum(units)) if units else None

    def get_ranges(self, name: str) -> Ranges | None:
        """Returns all ranges of a name, coalesced; None if there are none."""
        found = [r.measure for r in self._items if r.name == name and r.type is ValueType.RANGES]
        return values.coalesce(tuple(piece for ranges in found for piece in ranges)) if found else None

    def get_set(self, name: str) -> Items | None:
        """Returns all items of the sets of a name, each once; None if there are none."""
        found = [r.value for r in self._items if r.name == name and r.type is ValueType.SET]
        return tuple(dict.fromkeys(item for items in found for item in cast("Items", items))) if found else None

    def cpus(self) -> float:
        """Returns the total of cpus; 0.0 if there are none."""
        return self.get_scalar("cpus") or 0.0

    def mem(self) -> float:
        """Returns the total of mem in MB; 0.0 if there is none."""
        return self.get_scalar("mem") or 0.0

    def disk(self) -> float:
        """Returns the total of disk in MB, over all disks; 0.0 if there is none."""
        return self.get_scalar("disk") or 0.0

    def gpus(self) -> float:
        """Returns the total of gpus; 0.0 if there are none."""
        return self.get_scalar("gpus") or 0.0

    def ports(self) -> Ranges:
        """Returns the ports as inclusive ranges; empty if there are none."""
        return self.get_ranges("ports") or ()

    # --- places by key ---

    def _index(self) -> dict[str, int]:
        positions = self._positions
        if positions is None:
            positions = _positions_of(self._items)
            _set_positions(self, positions)
        return positions

    def _find_key(self, key: str) -> Resource | None:
        place = self._index().get(key)
        return None if place is None else self._items[place]


# The slots' own setters, for this module alone: instances refuse assignment.
_set_items: Final = cast("Any", Resources.__dict__["_items"]).__set__
_set_positions: Final = cast("Any", Resources.__dict__["_positions"]).__set__
_set_hash: Final = cast("Any", Resources.__dict__["_hash"]).__set__
_set_quantities: Final = cast("Any", Resources.__dict__["_quantities"]).__set__
_set_scalar_quantities: Final = cast("Any", Resources.__dict__["_scalar_quantities"]).__set__


def _fill(resources: Resources, items: tuple[Resource, ...], positions: dict[str, int] | None) -> None:
    _set_items(resources, items)
    _set_positions(resources, positions)
    _set_hash(resources, None)
    _set_quantities(resources, None)
    _set_scalar_quantities(resources, None)


def _of(items: tuple[Resource, ...], positions: dict[str, int] | None) -> Resources:
    # The items are merged already; positions are None if they are not known.
    result = object.__new__(Resources)
    _fill(result, items, positions)
    return result


def _positions_of(items: Iterable[Resource]) -> dict[str, int]:
    positions: dict[str, int] = {}
    for place, resource in enumerate(items):
        positions.setdefault(resource.key, place)
    return positions


def _add(items: list[Resource], positions: dict[str, int], resource: Resource) -> None:
    if resource.is_empty:
        return
    place = positions.get(resource.key)
    if place is None:
        positions[resource.key] = len(items)
        items.append(resource)
    elif resource.kind.is_exclusive and not resource.kind.is_shared:
        items.append(resource)  # the same exclusive disk a second time: both are kept
    else:
        items[place] = items[place].plus(resource)


def _drop(items: list[Resource], positions: dict[str, int], place: int) -> None:
    # The last item takes the place of the removed one, as in Mesos.
    unique = len(positions) == len(items)
    gone, last = items[place], items.pop()
    if place < len(items):
        items[place] = last
    if unique:
        del positions[gone.key]
        if place < len(items):
            positions[last.key] = place
    else:
        positions.clear()
        positions.update(_positions_of(items))


def _count(items: Iterable[Resource], key: str) -> int:
    return sum(1 for resource in items if resource.key == key)


def _amount(resource: Resource) -> float:
    if resource.type is ValueType.SCALAR:
        return cast("float", resource.value)
    if resource.type is ValueType.SET:
        return float(len(cast("Items", resource.value)))
    return float(sum(values.size_of_range(begin, end) for begin, end in cast("Ranges", resource.value)))


def _count_amounts(resources: Iterable[Resource]) -> Quantities:
    units: dict[str, int] = {}
    unrounded: dict[str, float] = {}
    for resource in resources:
        name = resource.name
        if resource.type is ValueType.SCALAR:
            amount, exact = resource.measure, resource.unrounded
        else:
            amount, exact = int(_amount(resource)) * 1000, None
        if name in units:
            units[name] += amount
            unrounded.pop(name, None)
        else:
            units[name] = amount
            if exact is not None:
                unrounded[name] = exact
    return Quantities.of_units(units, unrounded)
