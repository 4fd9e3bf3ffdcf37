"""Doubles in JSON, as Mesos writes them.

Mesos prints with RapidJSON 1.1, whose algorithm is Grisu2 (Florian Loitsch, "Printing Floating-Point Numbers Quickly
and Accurately with Integers", 2010): the digits always read back as the same double, but in a few of a thousand cases
they are not the shortest ones, and 17 digits are not rounded to the nearest. Python's ``repr`` is always shortest and
nearest, so it cannot be used: 0.1 + 0.2 is ``0.30000000000000007`` here. Source: docs/reference/json-and-resources.md
("Output").
"""

from __future__ import annotations

import math
import struct
from functools import cache, lru_cache

#: Integers below this are exact in a double and in 15 digits, so that there is nothing to choose.
_EXACT = 1e15

#: Below this, numbers of at most three decimals have nine digits, and lie so far from the middle between two doubles
#: (0.004 of their distance or more, for in units of it they are multiples of 1/125) that Grisu2 always finds the
#: shortest digits, as ``repr`` does.
_FEW = 1e6

_HIDDEN_BIT = 1 << 52
_MASK_64 = (1 << 64) - 1
_BITS = struct.Struct("<Q")
_DOUBLE = struct.Struct("<d")


def format_double(value: float) -> str:
    """Returns a double as Mesos writes it, always with a decimal point or an exponent.

    Infinities (and NaN, which Mesos cannot write) become strings.
    """
    if value == 0:  # 0.0 and -0.0 are the same key of a cache
        return "0.0" if math.copysign(1, value) > 0 else "-0.0"
    return _format(value)


@lru_cache(maxsize=8192)  # numbers repeat: resources, ports, intervals
def _format(value: float) -> str:
    if not math.isfinite(value):
        return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'
    if -_EXACT < value < _EXACT and value == int(value):
        return f"{value:.1f}"
    if -_FEW < value < _FEW and round(value, 3) == value:
        return repr(value)
    sign = "-" if value < 0 else ""
    digits, exponent = _grisu2(abs(value))
    return sign + _place_point(digits, exponent)


def _place_point(digits: str, exponent: int) -> str:
    """Returns ``digits * 10**exponent`` as text: plain from 0.000001 up to 21 digits, otherwise with an exponent."""
    point = len(digits) + exponent  # where the point stands among the digits
    if exponent >= 0 and point <= 21:
        return f"{digits}{'0' * exponent}.0"
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1}"


@cache  # there are 87 of them
def _power_of_ten(exponent: int) -> tuple[int, int]:
    """Returns 10**exponent as a rounded significand of 64 bits and a binary exponent."""
    if exponent >= 0:
        power = 10**exponent
        shift = power.bit_length() - 64
        significand = (power + (1 << (shift - 1))) >> shift if shift > 0 else power << -shift
    else:
        power = 10**-exponent
        shift = -(power.bit_length() + 63)
        significand = ((1 << (1 - shift)) // power + 1) >> 1
        if significand.bit_length() < 64:
            shift -= 1
            significand = ((1 << (1 - shift)) // power + 1) >> 1
    if significand == 1 << 64:
        return 1 << 63, shift + 1
    return significand, shift


def _cached_power(binary_exponent: int) -> tuple[int, int, int]:
    """Returns the power of ten (one of every eighth) that scales a number for Grisu2: its significand, binary exponent
    and decimal exponent.
    """
    estimate = (-61 - binary_exponent) * 0.30102999566398114 + 347
    index = (math.ceil(estimate) >> 3) + 1
    decimal = -348 + (index << 3)
    return *_power_of_ten(decimal), -decimal


def _multiply(a: int, b: int) -> int:
    """Returns the upper half of the product of two significands, rounded."""
    return (a * b + (1 << 63)) >> 64


def _grisu2(value: float) -> tuple[str, int]:
    """Returns the decimal digits of a positive finite number, and the exponent of the last digit."""
    bits = _BITS.unpack(_DOUBLE.pack(value))[0]
    biased, fraction = bits >> 52, bits & (_HIDDEN_BIT - 1)
    significand, exponent = (fraction | _HIDDEN_BIT, biased - 1075) if biased else (fraction, -1074)

    # The number and the middles between it and its neighbours, with 64 bits and a common exponent.
    upper, upper_exponent = 2 * significand + 1, exponent - 1
    shift = 64 - upper.bit_length()
    upper <<= shift
    upper_exponent -= shift
    if significand == _HIDDEN_BIT:
        lower = (4 * significand - 1) << (exponent - 2 - upper_exponent)
    else:
        lower = (2 * significand - 1) << (exponent - 1 - upper_exponent)
    exact = significand << (64 - significand.bit_length())

    power, power_exponent, decimal = _cached_power(upper_exponent)
    scaled = _multiply(exact, power)
    high = _multiply(upper, power) - 1
    low = _multiply(lower, power) + 1
    return _digits(scaled, high, high - low, -(upper_exponent + power_exponent + 64), decimal)


def _digits(scaled: int, high: int, delta: int, point: int, decimal: int) -> tuple[str, int]:
    """Returns the fewest leading digits of ``high`` that are above ``high - delta``, moved towards ``scaled``.

    All are fixed-point numbers with ``point`` binary places.
    """
    one = 1 << point
    gap = high - scaled
    whole, rest = high >> point, high & (one - 1)
    if rest > delta and delta < one:  # then no place before the point is the last one
        digits, kappa = str(whole) if whole else "", 0
    else:
        digits, kappa = "", len(str(whole))
    while kappa > 0:
        kappa -= 1
        digit, whole = divmod(whole, 10**kappa)
        if digit or digits:
            digits += str(digit)
        left = (whole << point) + rest
        if left <= delta:
            return _round(digits, delta, left, 10**kappa << point, gap), decimal + kappa
    while True:
        rest *= 10
        delta *= 10
        digit = rest >> point
        if digit or digits:
            digits += str(digit)
        rest &= one - 1
        kappa -= 1
        if rest < delta:
            # From the ninth place on RapidJSON's table of powers ends, and the digits stay as they are.
            gap = (gap * 10**-kappa) & _MASK_64 if kappa > -9 else 0
            return _round(digits, delta, rest, one, gap), decimal + kappa


def _round(digits: str, delta: int, rest: int, unit: int, gap: int) -> str:
    """Decrements the last digit while that brings the digits closer to the number."""
    last = int(digits[-1])
    while rest < gap and delta - rest >= unit and (rest + unit < gap or gap - rest > rest + unit - gap):
        last -= 1
        rest += unit
    return digits[:-1] + str(last)
