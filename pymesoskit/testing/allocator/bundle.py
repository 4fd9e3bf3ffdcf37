"""Resources together with what the allocator keeps asking about them.

A run looks at the same resources for one framework after the other and over and over again, so sums, kinds and views
are computed once per `Bundle`, and a bundle that is offered whole and comes back whole stays the same object. Source:
docs/reference/allocator.md 4 and 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Quantities, Resource, Resources, ValueType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymesoskit.testing.allocator.api import Amounts
    from pymesoskit.testing.allocator.units import Units

#: Kinds of resources that only some frameworks can take, as bits.
SHARED, REVOCABLE, REFINED = 1, 2, 4

#: The kind that a framework cannot take without a capability, by the capability's name.
KINDS = {"SHARED_RESOURCES": SHARED, "REVOCABLE_RESOURCES": REVOCABLE, "RESERVATION_REFINEMENT": REFINED}


class Minimum:
    """What an offer must contain: one of several sets of amounts. No set at all admits any offer that is not empty."""

    __slots__ = ("_sets",)

    def __init__(self, sets: Sequence[Amounts] | None) -> None:
        self._sets = tuple(Quantities(amounts) for amounts in sets or ())

    def admits(self, resources: Resources) -> bool:
        """Whether the resources are worth an offer. Sets and ranges count by their elements."""
        if not resources:
            return False
        return not self._sets or any(resources.contains_quantities(quantities) for quantities in self._sets)


class Bundle:
    """Immutable resources with cached sums and views."""

    __slots__ = (
        "_admitted",
        "_by_role",
        "_is_ordered",
        "_non_shared",
        "_ordered",
        "_parts",
        "_stripped",
        "is_empty",
        "kinds",
        "plain",
        "reserved",
        "resources",
        "revocable",
        "shared",
        "units",
    )

    resources: Resources
    is_empty: bool
    units: Units
    """All scalars by name."""
    plain: Units
    """The scalars that count for quota: neither reserved nor revocable."""
    reserved: Units
    """The reserved scalars."""
    revocable: Units
    """The revocable scalars that are not reserved."""
    shared: tuple[Resource, ...]
    """The shared resources (each once, with its number of copies)."""
    kinds: int
    """Which kinds that need a capability are in it (bits)."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.is_empty = not resources
        self._by_role: dict[str, Bundle] | None = None
        self._stripped: dict[int, Bundle] | None = None
        self._admitted: dict[Minimum, bool] = {}
        self._parts: tuple[Resources, Resources, bool, bool] | None = None
        self._non_shared: Bundle | None = None
        self._ordered: Bundle | None = None
        self._count()

    def _count(self) -> None:
        units: Units = {}
        reserved: Units = {}
        revocable: Units = {}
        kinds = 0
        shared: list[Resource] = []
        is_ordered, counts_for_quota = True, False
        for resource in self.resources:
            kind = resource.kind
            if kind.type is ValueType.SCALAR and not kind.reservations and not kind.is_revocable:
                counts_for_quota = True
            elif counts_for_quota:
                is_ordered = False
            if kind.is_shared:
                kinds |= SHARED
                shared.append(resource)
            if kind.is_revocable:
                kinds |= REVOCABLE
            if len(kind.reservations) > 1:
                kinds |= REFINED
            if kind.type is ValueType.SCALAR:
                name, amount = kind.name, resource.measure
                units[name] = units.get(name, 0) + amount
                if kind.reservations:
                    reserved[name] = reserved.get(name, 0) + amount
                elif kind.is_revocable:
                    revocable[name] = revocable.get(name, 0) + amount
        self.units = units
        self.reserved = reserved
        self.revocable = revocable
        self.shared = tuple(shared)
        self.kinds = kinds
        self._is_ordered = is_ordered
        if reserved or revocable:
            rest = {n: u - reserved.get(n, 0) - revocable.get(n, 0) for n, u in units.items()}
            self.plain = {name: amount for name, amount in rest.items() if amount}
        else:
            self.plain = units

    def __bool__(self) -> bool:
        return not self.is_empty

    def __repr__(self) -> str:
        return f"<Bundle {self.resources}>"

    def for_role(self, role: str) -> Bundle:
        """What of it may be offered to a role (reservations of the role itself and of roles above it included)."""
        cache = self._by_role
        if cache is None:
            cache = {}
            self._by_role = cache
            if all(not resource.kind.reservations for resource in self.resources):
                cache[""] = self  # no role is named so: nothing is reserved, all roles see the same
        if "" in cache:
            return self
        view = cache.get(role)
        if view is None:
            view = self._view(self.resources.allocatable_to(role))
            cache[role] = view
        return view

    def stripped(self, lacking: int) -> Bundle:
        """Without the kinds that a framework cannot take (bits)."""
        if not self.kinds & lacking:
            return self
        cache = self._stripped
        if cache is None:
            cache = self._stripped = {}
        view = cache.get(lacking)
        if view is None:
            view = cache[lacking] = self._view(
                self.resources.filter(
                    lambda resource: (
                        not (
                            (lacking & SHARED and resource.kind.is_shared)
                            or (lacking & REVOCABLE and resource.kind.is_revocable)
                            or (lacking & REFINED and len(resource.kind.reservations) > 1)
                        )
                    )
                )
            )
        return view

    def non_shared(self) -> Bundle:
        """Without shared resources."""
        if not self.shared:
            return self
        view = self._non_shared
        if view is None:
            view = self._non_shared = self._view(self.resources.non_shared())
        return view

    def admitted(self, minimum: Minimum) -> bool:
        """Whether it is worth an offer by this minimum."""
        answer = self._admitted.get(minimum)
        if answer is None:
            answer = self._admitted[minimum] = minimum.admits(self.resources)
        return answer

    @property
    def quota_part(self) -> Resources:
        """What counts for quota: scalars that are neither reserved nor revocable."""
        return self._split()[0]

    @property
    def other_part(self) -> Resources:
        """What does not count for quota: reserved, revocable, no scalars."""
        return self._split()[1]

    @property
    def is_divisible(self) -> bool:
        """Whether all of the quota part can be cut to any amount."""
        return self._split()[2]

    @property
    def is_uniform(self) -> bool:
        """Whether no two resources of the quota part share a name, so that a cut leaves no choice."""
        return self._split()[3]

    @property
    def ordered(self) -> Bundle:
        """The same in the order of an offer: first what does not count for quota, then what does.

        Mesos puts an offer together from these two parts (HierarchicalAllocatorProcess::__generateOffers).
        """
        if self._is_ordered:
            return self
        ordered = self._ordered
        if ordered is None:
            ordered = self._ordered = Bundle(self.other_part + self.quota_part)
        return ordered

    def _split(self) -> tuple[Resources, Resources, bool, bool]:
        parts = self._parts
        if parts is None:
            quota = self.resources.filter(_counts_for_quota)
            other = self.resources.filter(lambda resource: not _counts_for_quota(resource))
            divisible = not any(resource.kind.is_exclusive for resource in quota)
            parts = self._parts = (quota, other, divisible, len(quota.names()) == len(quota))
        return parts

    def _view(self, resources: Resources) -> Bundle:
        return self if resources is self.resources else Bundle(resources)


def _counts_for_quota(resource: Resource) -> bool:
    kind = resource.kind
    return kind.type is ValueType.SCALAR and not kind.reservations and not kind.is_revocable


EMPTY = Bundle(Resources())
