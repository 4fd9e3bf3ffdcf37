"""Amounts by name, and limits on them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymesoskit.resources import Limits, Quantities, ResourcesError

AMOUNTS = st.dictionaries(st.sampled_from(["cpus", "mem", "disk"]), st.integers(1, 9999).map(lambda n: n / 1000.0))
QUANTITIES = AMOUNTS.map(Quantities)
LIMITS = AMOUNTS.map(Limits)


@given(QUANTITIES, QUANTITIES)
def test_a_sum_without_one_part_is_the_other(a: Quantities, b: Quantities) -> None:
    assert a + b - b == a
    assert a + b == b + a
    assert hash(a + b) == hash(b + a)


@given(QUANTITIES, QUANTITIES)
def test_contains_is_having_enough_of_each(a: Quantities, b: Quantities) -> None:
    assert a.contains(b) == all(a.units.get(name, 0) >= amount for name, amount in b.units.items())
    assert (a + b).contains(a)
    assert a in a + b
    assert (a - b) in a


@given(QUANTITIES)
def test_what_is_printed_can_be_read(a: Quantities) -> None:
    assert Quantities.parse(str(a) if a else "") == a


@given(LIMITS, QUANTITIES)
def test_limits_bound_only_what_they_name(limits: Limits, taken: Quantities) -> None:
    assert limits.contains(taken) == all(taken.get(name) <= value for name, value in limits.items())
    left = limits - taken
    assert limits.contains(left)
    assert set(left) == set(limits)


def test_nothing_is_no_quantity_but_a_limit() -> None:
    assert str(Quantities({"cpus": 0})) == "{}"
    assert str(Limits({"cpus": 0})) == "cpus:0"
    assert Limits({"cpus": 0}).get("cpus") == 0.0
    assert Limits({"cpus": 0}).get("mem") is None
    assert not Limits({"cpus": 0}).contains(Quantities({"cpus": 0.001}))
    assert Limits({"cpus": 0}).contains(Quantities({"mem": 1}))


def test_stricter_limits_are_contained() -> None:
    assert Limits({"cpus": 2}).contains(Limits({"cpus": 1, "mem": 1}))
    assert not Limits({"cpus": 2}).contains(Limits({"mem": 1}))
    assert not Limits({"cpus": 2}).contains(Limits({"cpus": 3}))


def test_values_are_rounded_by_arithmetic_only() -> None:
    single = Quantities({"cpus": 1.2345, "mem": 1.0005})
    assert single.get("cpus") == 1.2345
    assert (single + Quantities({"cpus": 1})).items() == [("cpus", 2.235), ("mem", 1.0005)]
    assert (single - Quantities({"cpus": 1})).items() == [("cpus", 0.235), ("mem", 1.0005)]


@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_amounts_are_finite_and_not_negative(value: float) -> None:
    with pytest.raises(ResourcesError, match="amount of 'cpus'"):
        Quantities({"cpus": value})


def test_names_come_in_order() -> None:
    quantities = Quantities({"mem": 1, "cpus": 2})
    assert list(quantities) == ["cpus", "mem"]
    assert str(quantities) == "cpus:2; mem:1"
    assert "cpus" in quantities
    assert "disk" not in quantities
    assert len(quantities) == 2
    assert quantities != Limits({"mem": 1, "cpus": 2})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("cpus:1;cpus:2", "Failed to parse '2' to limit: duplicate names are not allowed"),
        ("cpus:x", "Failed to parse 'x' to limit: only scalar values are allowed"),
        ("cpus", "Failed to parse 'cpus': missing or extra ':'"),
        ("cpus:-1", "Failed to parse '-1' to limit: Invalid scalar value '-1':Negative values not supported"),
    ],
)
def test_limits_that_cannot_be_read(text: str, error: str) -> None:
    with pytest.raises(ResourcesError) as caught:
        Limits.parse(text)
    assert str(caught.value) == error


def test_limits_are_read_with_zeros() -> None:
    assert Limits.parse("cpus:0; mem: 1 0") == Limits({"cpus": 0, "mem": 10})
