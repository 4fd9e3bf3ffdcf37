"""Scalars, ranges and sets: against brute force, and the corners that Mesos has."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymesoskit.resources.errors import ResourcesError
from pymesoskit.resources.values import (
    Ranges,
    ValueType,
    coalesce,
    covers_ranges,
    from_units,
    parse_scalar,
    parse_value,
    print_scalar,
    ranges_error,
    subtract_ranges,
    to_units,
)

PIECES = st.tuples(st.integers(0, 30), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1]))
RANGES = st.lists(PIECES, max_size=6).map(tuple)


def numbers(ranges: Ranges) -> set[int]:
    return {number for begin, end in ranges for number in range(begin, end + 1)}


@given(st.floats(-1e12, 1e12))
def test_thousandths_are_rounded_half_away_from_zero(value: float) -> None:
    exact = Decimal(value * 1000.0)  # the product is rounded once, as in C++
    assert to_units(value) == int(exact.quantize(Decimal(1), ROUND_HALF_UP))


@pytest.mark.parametrize(("value", "units"), [(0.0005, 1), (-0.0005, -1), (1.0005, 1001), (0.00049, 0), (2.5e-4, 0)])
def test_halves_go_away_from_zero(value: float, units: int) -> None:
    assert to_units(value) == units


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1e300, 9.3e15])
def test_what_does_not_fit_counts_as_negative(value: float) -> None:
    assert to_units(value) == -(2**63)


@given(st.integers(-(10**15), 10**15))
def test_thousandths_survive_being_a_double(units: int) -> None:
    assert to_units(from_units(units)) == units


def test_a_double_is_made_of_thousands_and_the_rest() -> None:
    assert from_units(2470) == 2.4699999999999998


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.12345, "0.123"), (1e6, "1000000"), (123456789.123, "123456789.123"), (-0.5, "-0.5")],
)
def test_scalars_are_printed_in_thousandths(value: float, text: str) -> None:
    assert print_scalar(value) == text


@given(RANGES)
def test_coalesced_ranges_are_sorted_and_apart(ranges: Ranges) -> None:
    result = coalesce(ranges)
    assert numbers(result) == numbers(ranges)
    assert all(end + 1 < begin for (_, end), (begin, _) in pairwise(result))


@given(RANGES, RANGES)
def test_subtracting_ranges_is_subtracting_numbers(left: Ranges, right: Ranges) -> None:
    # Ranges that overlap are held as they came, but nobody subtracts from them.
    left = coalesce(left)
    assert numbers(subtract_ranges(left, right)) == numbers(left) - numbers(right)


@given(RANGES, RANGES)
def test_covering_is_having_all_numbers(outer: Ranges, inner: Ranges) -> None:
    assert covers_ranges(coalesce(outer), coalesce(inner)) == (numbers(inner) <= numbers(outer))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=5).map(tuple))
def test_the_first_wrong_range_is_the_one_that_is_named(ranges: Ranges) -> None:
    expected = None
    for position, (begin, end) in enumerate(ranges):
        if begin > end:
            expected = "Invalid ranges resource: begin > end"
        elif any(begin <= later <= end for later, _ in ranges[position + 1 :]):
            expected = "Invalid ranges resource: overlapping ranges"
        if expected is not None:
            break
    assert ranges_error(ranges) == expected


def test_checking_many_ranges_takes_no_square_of_time() -> None:
    backwards = tuple((2 * number, 2 * number) for number in range(50_000, 0, -1))
    assert ranges_error(backwards) is None


def test_nothing_follows_the_largest_integer() -> None:
    largest = 2**64 - 1
    assert coalesce(((largest, largest), (1, 2))) == ((1, 2), (largest, largest))


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), ("+1", 1.0), (".5", 0.5), ("1.", 1.0), ("1e2", 100.0), ("1E-2", 0.01), ("1e-400", 0.0), ("-0.0", 0.0)],
)
def test_numbers_that_are_read(text: str, value: float) -> None:
    assert parse_scalar(text) == value


@pytest.mark.parametrize(
    "text", ["", ".", "+", "e5", "1e", "1e+", "0x10", "1_0", "1f", "--1", "1e400", "١", "nanx", "in"]
)
def test_texts_that_are_no_numbers(text: str) -> None:
    assert parse_scalar(text) is None


@pytest.mark.parametrize("text", ["inf", "-Infinity", "NaN", "nan(x)"])
def test_infinite_and_undefined_numbers_are_read_to_be_refused(text: str) -> None:
    value = parse_scalar(text)
    assert value is not None
    assert not math.isfinite(value)
    with pytest.raises(ResourcesError, match=r"Invalid scalar value .*not supported"):
        parse_value(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[0x10-0X1f]", ((16, 31),)),
        ("[+1-2]", ((1, 2),)),
        (f"[{'0' * 5000}1-2]", ((1, 2),)),
        ("[1,2]", ((1, 2),)),
        ("[[1-2]]", ((1, 2),)),
        ("[]", ()),
        ("[5-4]", ((5, 4),)),
    ],
)
def test_ranges_that_are_read(text: str, expected: Ranges) -> None:
    assert parse_value(text) == (ValueType.RANGES, expected)


@pytest.mark.parametrize("text", ["[0x-1]", f"[{'9' * 5000}-1]", "[1-18446744073709551616]", "[a-1]", "[1-a]"])
def test_ends_of_ranges_are_unsigned_integers_of_64_bits(text: str) -> None:
    first = text[1:].split("-", maxsplit=1)[0]
    with pytest.raises(ResourcesError) as caught:
        parse_value(text)
    assert str(caught.value) == f"Expecting non-negative integers in '{first}'"
