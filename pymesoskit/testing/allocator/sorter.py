"""Who comes next: the tree of clients that dominant resource fairness orders (docs/reference/allocator.md, section 2).

A client is a path (``a/b``): a role in the role sorter, a framework in the sorter of a role. The siblings of a node are
kept sorted and repaired lazily: a charge marks a node as stale, and the next `Sorter.settle` moves just the stale ones
to their new places. So serving an agent costs the logarithm of the number of clients, and the order that is being
iterated stays a snapshot until the next `settle`.

Clients that are not *live* (nobody would take an offer) are not in the order; they keep allocation, count and weight.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, insort
from math import log
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pymesoskit.resources.values import from_units
from pymesoskit.testing.allocator.units import Units, credit, debit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

T = TypeVar("T")

#: Where a node stands among its siblings: share, allocation count, path.
_Place = tuple[float, int, str, "Node[Any]"]


class ClusterTotals:
    """The sums of the scalars of all agents, by which shares are measured; common to all sorters."""

    def __init__(self, excluded_names: frozenset[str] = frozenset()) -> None:
        self._excluded = excluded_names
        self.units: Units = {}
        self.version: int = 0
        self.counted: dict[str, float] = {}
        """The totals that count for shares, as doubles."""

    def change(self, removed: Mapping[str, int], added: Mapping[str, int]) -> None:
        """An agent's total changed (or it came, or it went)."""
        debit(self.units, removed)
        credit(self.units, added)
        self.version += 1
        self.counted = {n: from_units(u) for n, u in self.units.items() if u and n not in self._excluded}

    def share(self, allocation: Mapping[str, int]) -> float:
        """The dominant share: the largest part of any one resource, in doubles."""
        share = 0.0
        totals = self.counted
        for name, units in allocation.items():
            total = totals.get(name)
            if total is not None:
                part = (units // 1000 if not units % 1000 else from_units(units)) / total
                share = max(share, part)
        return share


class Node(Generic[T]):
    """A node of the tree: a client (leaf) or what several clients have above them."""

    __slots__ = ("allocation", "children", "client", "count", "is_live", "name", "parent", "path", "place", "weight")

    def __init__(self, name: str, path: str, parent: Node[T] | None, client: T | None) -> None:
        self.name: str = name
        self.path: str = path
        self.parent: Node[T] | None = parent
        self.client: T | None = client
        self.allocation: Units = {}
        self.count: int = 0
        self.weight: float | None = None
        """None until the node has been ordered for the first time."""
        self.is_live: bool = False
        self.place: _Place | None = None
        self.children: Siblings[T] | None = None

    def __repr__(self) -> str:
        return f"<Node {self.path}>"


class Siblings(Generic[T]):
    """The children of a node: all of them by name, and the live ones in order."""

    __slots__ = ("by_name", "order", "stale", "version")

    def __init__(self) -> None:
        self.by_name: dict[str, Node[T]] = {}
        self.order: list[_Place] = []
        self.stale: dict[Node[T], None] = {}
        self.version: int = -1

    def settle(self, totals: ClusterTotals) -> None:
        """Puts all live children in order."""
        if self.version != totals.version or len(self.stale) * 4 > len(self.order) + 8:
            self._rebuild(totals)
            return
        order = self.order
        for node in self.stale:
            if node.place is not None:
                del order[bisect_left(order, node.place)]
                node.place = None
            if node.is_live:
                place = _place(node, totals)
                node.place = place
                insort(order, place)
        self.stale.clear()

    def withdraw(self, node: Node[T]) -> None:
        """The node is none of the children any more; it may become one elsewhere."""
        if node.place is not None:
            del self.order[bisect_left(self.order, node.place)]
            node.place = None
        self.stale.pop(node, None)

    def _rebuild(self, totals: ClusterTotals) -> None:
        live = [node for node in self.by_name.values() if node.is_live]
        for node in self.stale:
            node.place = None
        for node in live:
            node.place = _place(node, totals)
        self.order = sorted(node.place for node in live if node.place is not None)
        self.stale.clear()
        self.version = totals.version


def _place(node: Node[T], totals: ClusterTotals) -> _Place:
    share = totals.share(node.allocation)
    weight = node.weight
    if weight is not None and weight != 1.0:
        share /= weight
    return (share, node.count, node.path, node)


class Sorter(ABC, Generic[T]):
    """The tree; subclasses order it."""

    def __init__(self, totals: ClusterTotals) -> None:
        self._totals = totals
        self._root: Node[T] = Node("", "", None, None)
        self._root.children = Siblings()
        self._leaves: dict[str, Node[T]] = {}
        self._weights: dict[str, float] = {}
        self._unread: dict[Node[T], None] = {}
        self._disturbed: dict[Siblings[T], None] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._leaves

    def __len__(self) -> int:
        return len(self._leaves)

    def node(self, path: str) -> Node[T]:
        """The client's node."""
        return self._leaves[path]

    def total_allocation(self) -> Units:
        """What all clients have together."""
        total: Units = {}
        for leaf in self._leaves.values():
            credit(total, leaf.allocation)
        return total

    @abstractmethod
    def settle(self) -> None:
        """Fixes the order that `clients` gives until the next `settle`."""

    @abstractmethod
    def clients(self) -> Iterator[T]:
        """The live clients in order."""

    @abstractmethod
    def share(self, node: Node[T]) -> float | None:
        """The client's weighted dominant share, or None if this sorter knows none."""

    # --- structure ---

    def add(self, path: str, client: T) -> Node[T]:
        """A new client, not live, with nothing allocated. What is a leaf on the way to it becomes its parent."""
        parent = self._root
        *above, name = path.split("/")
        for part in above:
            parent = self._as_parent(self._child(parent, part) or self._attach(part, parent, None))
        existing = self._child(parent, name)
        leaf = self._attach(name, parent, client) if existing is None else self._attach(".", existing, client)
        self._leaves[path] = leaf
        return leaf

    def remove(self, path: str) -> None:
        """Takes the client out; parents that nobody needs any more go, or become leaves again."""
        leaf = self._leaves.pop(path)
        self.set_live(leaf, is_live=False)
        above = leaf.parent
        while above is not None:
            debit(above.allocation, leaf.allocation)
            above = above.parent
        node: Node[T] = leaf
        while node.parent is not None:
            parent = node.parent
            if node.children is None or not node.children.by_name:
                self._detach(node)
            elif len(node.children.by_name) == 1 and "." in node.children.by_name:
                self._collapse(node, node.children.by_name["."])
            else:
                self._touch(node)
            node = parent

    def _child(self, parent: Node[T], name: str) -> Node[T] | None:
        return parent.children.by_name.get(name) if parent.children is not None else None

    def _attach(self, name: str, parent: Node[T], client: T | None) -> Node[T]:
        path = name if parent.parent is None else f"{parent.path}/{name}"
        node: Node[T] = Node(name, path, parent, client)
        assert parent.children is not None
        parent.children.by_name[name] = node
        if client is None:
            node.children = Siblings()
        self._unread[node] = None
        return node

    def _detach(self, node: Node[T]) -> None:
        assert node.parent is not None
        assert node.parent.children is not None
        siblings = node.parent.children
        del siblings.by_name[node.name]
        siblings.withdraw(node)
        node.is_live = False
        self._unread.pop(node, None)

    def _as_parent(self, node: Node[T]) -> Node[T]:
        """The node as one that can have children: a leaf moves below, as the virtual leaf ``.``.

        The parent keeps the weight that was read; both have the allocation and the count.
        """
        if node.children is not None:
            return node
        assert node.parent is not None
        client, is_live = node.client, node.is_live
        self._detach(node)
        parent = self._attach(node.name, node.parent, None)
        parent.allocation = dict(node.allocation)
        parent.count = node.count
        if node.weight is not None:
            parent.weight = node.weight
            del self._unread[parent]
        node.name, node.path, node.parent, node.client = ".", f"{parent.path}/.", parent, client
        node.weight = 1.0
        self._unread.pop(node, None)
        assert parent.children is not None
        parent.children.by_name["."] = node
        self.set_live(node, is_live=is_live)
        return parent

    def _collapse(self, parent: Node[T], virtual: Node[T]) -> None:
        """The virtual leaf is all that is left: it takes its parent's place, with the parent's count and weight."""
        assert parent.parent is not None
        is_live = virtual.is_live
        self._detach(virtual)
        self._detach(parent)
        virtual.name, virtual.path, virtual.parent = parent.name, parent.path, parent.parent
        virtual.count, virtual.weight = parent.count, parent.weight
        if virtual.weight is None:
            self._unread[virtual] = None
        assert parent.parent.children is not None
        parent.parent.children.by_name[parent.name] = virtual
        self.set_live(virtual, is_live=is_live)

    def set_live(self, node: Node[T], *, is_live: bool) -> None:
        """Whether the client is in the order; its parents are as long as one below them is."""
        current: Node[T] | None = node
        while current is not None and current.parent is not None and current.is_live != is_live:
            current.is_live = is_live
            self._touch(current)
            current = current.parent
            if not is_live and current.parent is not None and current.children is not None:
                is_live = any(child.is_live for child in current.children.by_name.values())

    def _touch(self, node: Node[T]) -> None:
        assert node.parent is not None
        siblings = node.parent.children
        assert siblings is not None
        siblings.stale[node] = None
        self._disturbed[siblings] = None

    # --- allocation ---

    def charge(self, node: Node[T], units: Mapping[str, int]) -> None:
        """Adds to the client and all above it, and counts one allocation for each."""
        current: Node[T] = node
        while current.parent is not None:
            current.count += 1
            credit(current.allocation, units)
            siblings = current.parent.children
            assert siblings is not None
            siblings.stale[current] = None
            self._disturbed[siblings] = None
            current = current.parent

    def discharge(self, node: Node[T], units: Mapping[str, int]) -> None:
        """Takes off the client and all above it."""
        self.convert(node, units, {})

    def convert(self, node: Node[T], removed: Mapping[str, int], added: Mapping[str, int]) -> None:
        """Exchanges what the client and all above it have."""
        current: Node[T] = node
        while current.parent is not None:
            debit(current.allocation, removed)
            credit(current.allocation, added)
            self._touch(current)
            current = current.parent

    # --- weights ---

    def update_weight(self, path: str, weight: float) -> None:
        """A new weight. It reaches a client, or the parent of its virtual leaf, at once; a node that has been ordered
        before and is neither keeps its old weight until it disappears.
        """
        self._weights[path] = weight
        leaf = self._leaves.get(path)
        if leaf is None:
            return
        node = leaf.parent if leaf.name == "." and leaf.parent is not None else leaf
        node.weight = weight
        self._unread.pop(node, None)
        self._touch(node)

    @property
    def has_unread_weights(self) -> bool:
        """Whether there are nodes that have never been ordered."""
        return bool(self._unread)

    def read_weights(self) -> None:
        """Reads the weights of the nodes that are ordered for the first time."""
        for node in self._unread:
            node.weight = self._weights.get(node.path, 1.0)
        self._unread.clear()


class DrfSorter(Sorter[T]):
    """Smaller share first, then fewer allocations, then name."""

    def __init__(self, totals: ClusterTotals) -> None:
        super().__init__(totals)
        self._version = -1

    def settle(self) -> None:
        """Repairs the order of those that changed; of all, if the cluster's totals did."""
        if self._unread:
            self.read_weights()
        if self._version != self._totals.version:
            self._version = self._totals.version
            self._settle_below(self._root)
            self._disturbed.clear()
        elif self._disturbed:
            for siblings in self._disturbed:
                siblings.settle(self._totals)
            self._disturbed.clear()

    def _settle_below(self, node: Node[T]) -> None:
        if node.children is not None:
            node.children.settle(self._totals)
            for child in node.children.by_name.values():
                self._settle_below(child)

    def clients(self) -> Iterator[T]:
        """The live clients, depth first."""
        return self._walk(self._root)

    def _walk(self, node: Node[T]) -> Iterator[T]:
        assert node.children is not None
        for place in node.children.order:
            child = place[3]
            if child.children is None:
                assert child.client is not None
                yield child.client
            else:
                yield from self._walk(child)

    def share(self, node: Node[T]) -> float | None:
        """The client's weighted dominant share."""
        weight = node.weight
        if weight is None:
            weight = self._weights.get(node.path, 1.0)
        return self._totals.share(node.allocation) / weight


class RandomSorter(Sorter[T]):
    """Every order is possible; a client comes first as often as its weight says, relative to its live siblings."""

    def __init__(self, totals: ClusterTotals, rng: Random) -> None:
        super().__init__(totals)
        self._rng = rng
        self._order: list[T] = []

    def settle(self) -> None:
        """Draws a new order."""
        self.read_weights()
        # Exponential variates with the weights as rates come in the order of a weighted draw without replacement.
        weighted = self._weighted()
        drawn = [(-log(1.0 - self._rng.random()) / weight, place) for place, (weight, _) in enumerate(weighted)]
        self._order = [weighted[place][1] for _, place in sorted(drawn)]
        self._disturbed.clear()

    def _weighted(self) -> list[tuple[float, T]]:
        result: list[tuple[float, T]] = []
        self._spread(self._root, 1.0, result)
        return result

    def _spread(self, node: Node[T], weight: float, result: list[tuple[float, T]]) -> None:
        if node.children is None:
            assert node.client is not None
            result.append((weight, node.client))
            return
        live = [child for child in node.children.by_name.values() if child.is_live]
        total = sum(child.weight or 1.0 for child in live)
        for child in live:
            self._spread(child, weight * (child.weight or 1.0) / total, result)

    def clients(self) -> Iterator[T]:
        """The live clients, as drawn."""
        return iter(self._order)

    def share(self, node: Node[T]) -> float | None:  # noqa: ARG002 - a random order knows no shares
        """None."""
        return None
