"""Arithmetic and text of the three types of values: scalars, ranges and sets.

The functions take and return plain Python values: a ``float``, a tuple of inclusive ``(begin, end)`` pairs, a tuple of
texts. The rest of a resource is in ``kind``. Rules: docs/reference/json-and-resources.md, "Resources" and "Text
syntax".
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from enum import StrEnum
from typing import Final, TypeAlias

from pymesoskit.resources.errors import ResourcesError

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Inclusive ranges of unsigned 64-bit integers, in the order in which they were given."""

Items: TypeAlias = tuple[str, ...]
"""The items of a set, in the order in which they were given."""

Value: TypeAlias = float | Ranges | Items
"""The value of a resource; its ``ValueType`` tells which of the three it is (an empty tuple does not)."""


class ValueType(StrEnum):
    """The types of values, named as in messages. Resources are never TEXT; attributes are never SET."""

    SCALAR = "SCALAR"
    RANGES = "RANGES"
    SET = "SET"
    TEXT = "TEXT"


_UINT64_MAX: Final = 2**64 - 1
_UINT64_DIGITS: Final = 20
_INT64_MIN: Final = -(2**63)
_INT64_LIMIT: Final = float(2**63)


# --- scalars: doubles outside, whole thousandths inside ---------------------------------------------------------------


def to_units(value: float) -> int:
    """Returns a value in thousandths, rounded to the nearest; halves are rounded away from zero.

    A value that does not fit 64 bits, and NaN, becomes the least integer, as on x86-64; it then counts as negative.
    """
    scaled = value * 1000.0
    if not -_INT64_LIMIT <= scaled < _INT64_LIMIT:  # also true of NaN
        return _INT64_MIN
    units = int(scaled)
    rest = scaled - units
    if rest >= 0.5:
        return units + 1
    if rest <= -0.5:
        return units - 1
    return units


def from_units(units: int) -> float:
    """Returns the double that Mesos computes for a number of thousandths: whole part plus fraction.

    It is not always the nearest double to ``units / 1000``: 2470 thousandths are 2.4699999999999998.
    """
    if units < 0:
        return -from_units(-units)
    whole, thousandths = divmod(units, 1000)
    return whole + thousandths / 1000.0


def print_scalar(value: float) -> str:
    """Returns a scalar as printed in messages and logs: rounded to thousandths, up to 15 digits."""
    return f"{from_units(to_units(value)):.15g}"


def parse_scalar(text: str) -> float | None:
    """Returns the number that a text stands for, or None if it is not a number.

    The notation is decimal, without digit separators and white space. A number that is too large for a double is not a
    number, one that is too small is zero; infinities and NaN are numbers.
    """
    if _DECIMAL.fullmatch(text) is None and _NOT_FINITE.fullmatch(text) is None:
        return None
    if text.endswith(")"):
        return math.nan
    number = float(text)
    if math.isinf(number) and _NOT_FINITE.fullmatch(text) is None:
        return None
    return number


_DECIMAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[+-]?(inf|infinity|nan|nan\([^()]*\))", re.IGNORECASE)
_SMALLEST_NORMAL: Final = 2.2250738585072014e-308


def input_scalar_error(value: float) -> str | None:
    """Returns why Mesos refuses a number in a flag, or None if it is accepted."""
    if math.isnan(value):
        return "NaN not supported"
    if math.isinf(value):
        return "Infinite values not supported"
    if value != 0 and abs(value) < _SMALLEST_NORMAL:
        return "Subnormal values not supported"
    if value < 0:
        return "Negative values not supported"
    return None


# --- ranges -----------------------------------------------------------------------------------------------------------


def coalesce(ranges: Ranges) -> Ranges:
    """Returns the ranges sorted, with overlapping and adjacent ranges merged.

    As in 64-bit arithmetic the successor of the largest integer is zero, so a range that ends there is merged with no
    other.
    """
    if _is_coalesced(ranges):
        return ranges
    ordered = sorted(ranges)
    result: list[tuple[int, int]] = []
    begin, end = ordered[0]
    for next_begin, next_end in ordered:
        if next_begin == begin or next_begin <= (end + 1) & _UINT64_MAX:
            end = max(end, next_end)
        else:
            result.append((begin, end))
            begin, end = next_begin, next_end
    result.append((begin, end))
    return tuple(result)


def _is_coalesced(ranges: Ranges) -> bool:
    last = -2
    for begin, end in ranges:
        if begin <= last + 1 or end < begin:
            return False
        last = end
    return True


def subtract_ranges(left: Ranges, right: Ranges) -> Ranges:
    """Returns the parts of ``left`` outside ``right``, sorted by their begin; adjacent parts are not merged."""
    if not left or not right:
        return left
    result: list[tuple[int, int]] = []
    pieces = sorted(left, key=_begin)
    holes = sorted(right, key=_begin)
    i = j = 0
    begin, end = pieces[0]
    while i < len(pieces) and j < len(holes):
        hole_begin, hole_end = holes[j]
        if begin > hole_end:
            j += 1
            continue
        if begin < hole_begin:
            result.append((begin, min(end, hole_begin - 1)))
        if end <= hole_end:
            i += 1
            if i < len(pieces):
                begin, end = pieces[i]
        else:
            begin = hole_end + 1
            j += 1
    if i < len(pieces):
        result.append((begin, end))
        result.extend(pieces[i + 1 :])
    return tuple(result)


def _begin(piece: tuple[int, int]) -> int:
    return piece[0]


def covers_ranges(outer: Ranges, inner: Ranges) -> bool:
    """Returns whether every range of ``inner`` lies within a range of ``outer``; both must be coalesced."""
    position = 0
    for begin, end in inner:
        while position < len(outer) and outer[position][1] < begin:
            position += 1
        if position == len(outer) or outer[position][0] > begin or outer[position][1] < end:
            return False
    return True


def ranges_error(ranges: Ranges) -> str | None:
    """Returns what is wrong with the ranges of a resource, or None.

    Only a range that begins inside one listed before it counts as an overlap.
    """
    last = -1
    for begin, end in ranges:
        if begin > end or begin <= last:
            break
        last = end
    else:
        return None
    # From the last range to the first, with the begins of all later ones: Mesos reports the error that is found last.
    error = None
    later: list[int] = []
    for begin, end in reversed(ranges):
        position = bisect_left(later, begin)
        if begin > end:
            error = "Invalid ranges resource: begin > end"
        elif position < len(later) and later[position] <= end:
            error = "Invalid ranges resource: overlapping ranges"
        later.insert(position, begin)
    return error


def size_of_range(begin: int, end: int) -> int:
    """Returns how many integers a range has; the range of all 64-bit integers has none, because the count overflows."""
    return (end - begin + 1) & _UINT64_MAX


def print_ranges(ranges: Ranges) -> str:
    """Returns ranges as printed in messages and logs: ``[1-2, 4-5]``."""
    return f"[{', '.join(f'{begin}-{end}' for begin, end in ranges)}]"


# --- sets -------------------------------------------------------------------------------------------------------------


def add_items(left: Items, right: Items) -> Items:
    """Returns the items of ``left``, then those of ``right`` that are not in it."""
    known = frozenset(left)
    return left + tuple(item for item in right if item not in known)


def subtract_items(left: Items, right: Items) -> Items:
    """Returns the items of ``left`` that are not in ``right``."""
    gone = frozenset(right)
    return tuple(item for item in left if item not in gone)


def print_items(items: Items) -> str:
    """Returns a set as printed in messages and logs: ``{a, b}``."""
    return f"{{{', '.join(items)}}}"


# --- the grammar of values in flags -----------------------------------------------------------------------------------


def parse_value(text: str) -> tuple[ValueType, Value | str]:
    """Returns the type and the value of a text as in ``--resources`` and ``--attributes``; ranges are coalesced.

    Raises ``ResourcesError`` with Mesos's text, without the name of the resource.
    """
    compact = text.replace(" ", "")  # only the space: other white space makes a number a TEXT
    if not compact:
        raise ResourcesError("Expecting non-empty string")
    if not all(_brackets_match(compact, opening, closing) for opening, closing in ("{}", "[]", "()")):
        raise ResourcesError("Mismatched brackets")
    if compact.startswith("["):
        return ValueType.RANGES, coalesce(_parse_ranges(compact))
    if "[" in compact:
        raise ResourcesError("Unexpected '[' found")
    if compact.startswith("{"):
        return ValueType.SET, tuple(item for item in _SET_DELIMITERS.split(compact) if item)
    if "{" in compact:
        raise ResourcesError("Unexpected '{' found")
    number = parse_scalar(compact)
    if number is None:
        return ValueType.TEXT, compact
    error = input_scalar_error(number)
    if error is not None:
        raise ResourcesError(f"Invalid scalar value '{compact}':{error}")
    return ValueType.SCALAR, number


_SET_DELIMITERS: Final = re.compile(r"[{},\n]")
_RANGES_DELIMITERS: Final = re.compile(r"[\[\],\n-]")
_UNSIGNED: Final = re.compile(r"\+?[0-9]+|0[xX][0-9a-fA-F]+")


def _brackets_match(text: str, opening: str, closing: str) -> bool:
    depth = 0
    for character in text:
        if character == opening:
            depth += 1
        elif character == closing:
            depth -= 1
            if depth < 0:
                return False
    return depth == 0


def _parse_ranges(text: str) -> Ranges:
    # Brackets, commas and dashes only separate numbers: ``[1,2]`` and ``[-1-2]`` are ranges, too.
    tokens = [token for token in _RANGES_DELIMITERS.split(text) if token]
    if len(tokens) % 2:
        raise ResourcesError('Expecting one or more "ranges"')
    result: list[tuple[int, int]] = []
    for first, second in zip(tokens[::2], tokens[1::2], strict=True):
        begin, end = _parse_unsigned(first), _parse_unsigned(second)
        if begin is None or end is None:
            raise ResourcesError(f"Expecting non-negative integers in '{first}'")
        result.append((begin, end))
    return tuple(result)


def _parse_unsigned(text: str) -> int | None:
    if _UNSIGNED.fullmatch(text) is None:
        return None
    digits, base = (text[2:], 16) if text[:2].lower() == "0x" else (text, 10)
    digits = digits.lstrip("+0") or "0"
    if len(digits) > _UINT64_DIGITS:
        return None
    number = int(digits, base)
    return number if number <= _UINT64_MAX else None
