"""The tree that orders roles and frameworks (docs/reference/allocator.md, section 2)."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from pymesoskit.testing.allocator.sorter import ClusterTotals, DrfSorter, RandomSorter


def drf(**totals: int) -> DrfSorter[str]:
    cluster = ClusterTotals()
    cluster.change({}, {name: amount * 1000 for name, amount in totals.items()})
    return DrfSorter(cluster)


def add(sorter: DrfSorter[str] | RandomSorter[str], *paths: str) -> None:
    for path in paths:
        sorter.set_live(sorter.add(path, path), is_live=True)


def give(sorter: DrfSorter[str], path: str, **amounts: float) -> None:
    sorter.charge(sorter.node(path), {name: round(amount * 1000) for name, amount in amounts.items()})


def order(sorter: DrfSorter[str] | RandomSorter[str]) -> list[str]:
    sorter.settle()
    return list(sorter.clients())


def test_the_smaller_dominant_share_comes_first() -> None:
    sorter = drf(cpus=100, mem=1000)
    add(sorter, "a", "b")
    give(sorter, "a", cpus=10, mem=300)
    give(sorter, "b", cpus=20, mem=100)
    assert order(sorter) == ["b", "a"]


def test_of_equal_shares_the_one_with_fewer_allocations_then_the_name_decides() -> None:
    sorter = drf(cpus=100)
    add(sorter, "c", "b", "a")
    assert order(sorter) == ["a", "b", "c"]
    give(sorter, "a", cpus=1)
    sorter.discharge(sorter.node("a"), {"cpus": 1000})
    assert order(sorter) == ["b", "c", "a"]


def test_shares_are_compared_as_doubles_not_as_fractions() -> None:
    """(12/20)/3 is a bit less than 4/20 in doubles."""
    sorter = drf(cpus=20)
    add(sorter, "a", "b")
    sorter.update_weight("b", 3.0)
    give(sorter, "b", cpus=12)
    give(sorter, "b", cpus=0)
    give(sorter, "a", cpus=4)
    assert order(sorter) == ["b", "a"]


def test_excluded_names_and_names_without_total_do_not_count() -> None:
    cluster = ClusterTotals(frozenset({"gpus"}))
    cluster.change({}, {"gpus": 1000, "cpus": 10000})
    assert cluster.share({"gpus": 1000, "cpus": 1000, "fpgas": 5000}) == 0.1


def test_a_new_total_changes_the_order() -> None:
    sorter = drf(cpus=10, mem=100)
    add(sorter, "a", "b")
    give(sorter, "a", cpus=2)
    give(sorter, "b", mem=30)
    assert order(sorter) == ["a", "b"]
    sorter._totals.change({}, {"mem": 900_000})
    assert order(sorter) == ["b", "a"]


def test_siblings_share_what_their_parent_has_against_others() -> None:
    sorter = drf(cpus=100)
    add(sorter, "a/x", "a/y", "b")
    give(sorter, "a/x", cpus=10)
    give(sorter, "b", cpus=15)
    assert order(sorter) == ["a/y", "a/x", "b"]
    give(sorter, "a/y", cpus=8)
    assert order(sorter) == ["b", "a/y", "a/x"]


def test_a_role_with_children_is_a_leaf_of_its_own_among_them() -> None:
    sorter = drf(cpus=100)
    add(sorter, "a", "a/x")
    assert sorter.node("a").path == "a/."
    give(sorter, "a", cpus=1)
    assert order(sorter) == ["a/x", "a"]


def test_the_virtual_leaf_inherits_allocation_and_count_the_collapsed_one_keeps_the_subtrees_count() -> None:
    sorter = drf(cpus=100)
    add(sorter, "a")
    give(sorter, "a", cpus=3)
    add(sorter, "a/x")
    assert (sorter.node("a").count, sorter.node("a").allocation) == (1, {"cpus": 3000})
    give(sorter, "a/x", cpus=4)
    sorter.remove("a/x")
    leaf = sorter.node("a")
    assert (leaf.path, leaf.count, leaf.allocation) == ("a", 2, {"cpus": 3000})


def test_a_leaf_added_to_a_parent_later_starts_at_nothing() -> None:
    sorter = drf(cpus=100)
    add(sorter, "a/x")
    give(sorter, "a/x", cpus=4)
    add(sorter, "a")
    assert (sorter.node("a").count, sorter.node("a").allocation) == (0, {})


def test_a_removed_client_takes_its_part_out_of_those_above() -> None:
    sorter = drf(cpus=100)
    add(sorter, "a/x", "a/y", "b")
    give(sorter, "a/x", cpus=50)
    give(sorter, "b", cpus=10)
    assert order(sorter) == ["b", "a/y", "a/x"]
    sorter.remove("a/x")
    assert order(sorter) == ["a/y", "b"]


def test_weights_reach_clients_and_parents_of_virtual_leaves_at_once() -> None:
    sorter = drf(cpus=100)
    add(sorter, "a", "a/x", "b")
    give(sorter, "a/x", cpus=30)
    give(sorter, "b", cpus=20)
    assert order(sorter)[0] == "b"
    sorter.update_weight("a", 4.0)
    assert order(sorter)[0] == "a"


def test_a_mere_parent_keeps_the_weight_it_was_first_ordered_with() -> None:
    sorter = drf(cpus=100)
    sorter.update_weight("a", 4.0)
    add(sorter, "a/x", "b")
    give(sorter, "a/x", cpus=30)
    give(sorter, "b", cpus=20)
    assert order(sorter) == ["a/x", "b"]
    sorter.update_weight("a", 1.0)
    assert order(sorter) == ["a/x", "b"]
    sorter.remove("a/x")
    add(sorter, "a/x")
    give(sorter, "a/x", cpus=30)
    assert order(sorter) == ["b", "a/x"]


def test_those_that_are_not_live_are_left_out_and_keep_what_they_have() -> None:
    sorter = drf(cpus=100)
    add(sorter, "a", "b")
    give(sorter, "a", cpus=1)
    sorter.set_live(sorter.node("a"), is_live=False)
    assert order(sorter) == ["b"]
    give(sorter, "b", cpus=5)
    sorter.set_live(sorter.node("a"), is_live=True)
    assert order(sorter) == ["a", "b"]


def test_the_order_is_a_snapshot_until_it_is_settled_again() -> None:
    sorter = drf(cpus=100)
    add(sorter, "a", "b", "c")
    sorter.settle()
    seen = []
    for client in sorter.clients():
        seen.append(client)
        give(sorter, client, cpus=50)
    assert seen == ["a", "b", "c"]


def test_the_random_order_follows_the_weights() -> None:
    sorter: RandomSorter[str] = RandomSorter(ClusterTotals(), Random(7))
    sorter.update_weight("a", 3.0)
    add(sorter, "a", "b")
    first = Counter(order(sorter)[0] for _ in range(4000))
    assert first["a"] / 4000 == pytest.approx(3 / 4, abs=0.03)


def test_the_random_order_weighs_subtrees_as_wholes() -> None:
    sorter: RandomSorter[str] = RandomSorter(ClusterTotals(), Random(7))
    add(sorter, "a/x", "a/y", "b")
    first = Counter(order(sorter)[0] for _ in range(4000))
    assert first["b"] / 4000 == pytest.approx(1 / 2, abs=0.03)
