"""The order of the resources in a collection, as Mesos's additions and subtractions leave it: it shows in messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pymesoskit.resources import Resources

NAMES = ("cpus", "disk", "gpus", "mem")
AMOUNTS = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 3)), max_size=5)
STEPS = st.lists(st.tuples(st.booleans(), AMOUNTS), max_size=6)


def resources(amounts: list[tuple[str, int]]) -> Resources:
    return Resources.parse(";".join(f"{name}:{amount}" for name, amount in amounts))


def text(held: list[list[object]]) -> str:
    return "; ".join(f"{name}:{amount}" for name, amount in held) or "{}"


def add(held: list[list[object]], name: str, amount: int) -> None:
    """Merge in place, or append."""
    for entry in held:
        if entry[0] == name:
            entry[1] += amount  # type: ignore[operator]
            return
    held.append([name, amount])


def subtract(held: list[list[object]], name: str, amount: int) -> None:
    """Subtract in place; where nothing is left, the last one takes the place."""
    for place, entry in enumerate(held):
        if entry[0] == name:
            entry[1] -= amount  # type: ignore[operator]
            if entry[1] <= 0:  # type: ignore[operator]
                held[place] = held[-1]
                held.pop()
            return


@given(AMOUNTS, STEPS)
def test_sums_append_and_differences_swap_with_the_last(
    start: list[tuple[str, int]], steps: list[tuple[bool, list[tuple[str, int]]]]
) -> None:
    model: list[list[object]] = []
    for name, amount in start:
        add(model, name, amount)
    value = resources(start)
    for is_sum, amounts in steps:
        merged = resources(amounts)
        value = value + merged if is_sum else value - merged
        for resource in merged:
            (add if is_sum else subtract)(model, resource.name, int(resource.value))  # type: ignore[arg-type]
    assert str(value) == text(model)


def test_the_last_resource_takes_the_place_of_one_of_which_nothing_is_left() -> None:
    assert str(Resources.parse("cpus:1;mem:2;disk:3") - Resources.parse("cpus:1")) == "disk:3; mem:2"
    assert str(Resources.parse("cpus:1;mem:2;disk:3") - Resources.parse("disk:3")) == "cpus:1; mem:2"


def test_a_sum_keeps_the_order_of_its_left_side() -> None:
    assert str(Resources.parse("mem:1;cpus:1") + Resources.parse("disk:1;cpus:2")) == "mem:1; cpus:3; disk:1"


def test_ranges_stay_as_they_were_given_until_arithmetic_touches_them() -> None:
    given_ranges = Resources.from_messages(
        Resources.parse("""[{"name": "ports", "type": "RANGES",
            "ranges": {"range": [{"begin": 5, "end": 6}, {"begin": 0, "end": 0}]}}]""").to_messages()
    )
    assert str(given_ranges) == "ports:[5-6, 0-0]"
    assert str(given_ranges + Resources.parse("ports:[9-9]")) == "ports:[0-0, 5-6, 9-9]"
    assert str(Resources.parse("ports:[0-9]") - Resources.parse("ports:[3-4]")) == "ports:[0-2, 5-9]"
