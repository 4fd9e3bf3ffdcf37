"""The tree of roles: quota, weight, reservations and what is used, by role (docs/reference/allocator.md, section 1).

A role exists while a framework, a child, a reservation, a quota or a weight other than 1 speaks for it. Sums over
subtrees are computed when they are asked for, and only then: offers change nothing but the ledger of one role.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.allocator.state import Role
from pymesoskit.testing.allocator.units import Units, credit, debit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class RoleTree:
    """All roles, by path."""

    def __init__(self) -> None:
        self._roles: dict[str, Role] = {}
        self.top_level: dict[str, Role] = {}
        self.reservations: Units = {}
        """The sum over all roles."""
        self.held_reserved: Units = {}
        self.with_quota: dict[str, Role] = {}

    def __iter__(self) -> Iterator[Role]:
        return iter(self._roles.values())

    def get(self, path: str) -> Role | None:
        """The role, if it exists."""
        return self._roles.get(path)

    def grow(self, path: str) -> Role:
        """The role; it and those above it are made if there are none.

        Who grows a role gives it a reason to exist, or prunes it.
        """
        role = self._roles.get(path)
        if role is None:
            above, _, name = path.rpartition("/")
            parent = self.grow(above) if above else None
            role = Role(path, parent)
            self._roles[path] = role
            (self.top_level if parent is None else parent.children)[name if parent else path] = role
        return role

    def prune(self, role: Role) -> None:
        """Removes the role, and then those above it, as far as nothing speaks for them."""
        current: Role | None = role
        while current is not None and not current.exists():
            self._roles.pop(current.path, None)
            if current.parent is None:
                self.top_level.pop(current.path, None)
            else:
                current.parent.children.pop(current.path.rpartition("/")[2], None)
            current = current.parent

    def reserve(self, reservations: Mapping[str, Units]) -> None:
        """Resources were reserved (by role of the innermost reservation)."""
        for path, units in reservations.items():
            credit(self.grow(path).reservations, units)
            credit(self.reservations, units)

    def unreserve(self, reservations: Mapping[str, Units]) -> None:
        """Reserved resources went."""
        for path, units in reservations.items():
            role = self.grow(path)
            debit(role.reservations, units)
            debit(self.reservations, units)
            self.prune(role)

    def set_quota(self, path: str, guarantees: Units, limits: Units) -> None:
        """A new quota; both empty: the default."""
        role = self.grow(path)
        role.guarantees, role.limits = guarantees, limits
        if role.has_quota:
            self.with_quota[path] = role
        else:
            self.with_quota.pop(path, None)
        self.prune(role)

    def set_weight(self, path: str, weight: float) -> None:
        """A new weight."""
        role = self.grow(path)
        role.weight = weight
        self.prune(role)
