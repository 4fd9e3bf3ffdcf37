"""Durations, sizes and rates as Mesos writes them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Nanoseconds of each unit of durations, the smallest first.
DURATION_UNITS: Mapping[str, int] = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "secs": 1_000_000_000,
    "mins": 60 * 1_000_000_000,
    "hrs": 3_600 * 1_000_000_000,
    "days": 86_400 * 1_000_000_000,
    "weeks": 604_800 * 1_000_000_000,
}

#: Bytes of each unit of sizes, the smallest first.
SIZE_UNITS: Mapping[str, int] = {"B": 1, "KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}

_AMOUNT = re.compile(r"(-?(?:\d+\.?\d*|\.\d+))([A-Za-z]+)", re.ASCII)
_COUNT = re.compile(r"\d{1,18}", re.ASCII)

#: Mesos counts nanoseconds in 64 bits with a sign, and bytes in 64 bits without.
_LONGEST = 2**63 - 1
_LARGEST = 2**64 - 1


def parse_duration(text: str) -> float:
    """``500ms``, ``1.5hrs``: the seconds. Raises ValueError for anything else; there is no space before the unit."""
    match = _AMOUNT.fullmatch(text)
    if match is None or match[2] not in DURATION_UNITS:
        raise ValueError(text)
    nanoseconds = Decimal(match[1]) * DURATION_UNITS[match[2]]
    if abs(nanoseconds) > _LONGEST:
        raise ValueError(text)
    return float(nanoseconds / 1_000_000_000)


def print_duration(seconds: float) -> str:
    """The text of a duration, in the largest unit that fits, or in the one below if that is no whole number."""
    nanoseconds = round(seconds * 1_000_000_000)
    size = abs(nanoseconds)
    names = list(DURATION_UNITS)
    place = max((i for i, name in enumerate(names) if size >= DURATION_UNITS[name]), default=0)
    if place and size % DURATION_UNITS[names[place]]:
        place -= 1
    return f"{nanoseconds / DURATION_UNITS[names[place]]:.15g}{names[place]}"


def parse_size(text: str) -> int:
    """``4KB``, ``2GB``: the bytes. Raises ValueError for anything else."""
    match = _AMOUNT.fullmatch(text)
    if match is None or match[2] not in SIZE_UNITS or not match[1].isdigit():
        raise ValueError(text)
    size = int(Decimal(match[1])) * SIZE_UNITS[match[2]]
    if size > _LARGEST:
        raise ValueError(text)
    return size


def print_size(size: int) -> str:
    """The text of a number of bytes, in the largest unit that gives a whole number."""
    unit = next((name for name in reversed(list(SIZE_UNITS)) if size and size % SIZE_UNITS[name] == 0), "B")
    return f"{size // SIZE_UNITS[unit]}{unit}"


@frozen
class Rate:
    """So many per so long: ``1/10mins``."""

    count: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Reads ``COUNT/DURATION``. Raises ValueError."""
        count, slash, duration = text.partition("/")
        seconds = parse_duration(duration) if slash else 0.0
        if not _COUNT.fullmatch(count) or int(count) <= 0 or seconds <= 0:
            raise ValueError(text)
        return cls(int(count), seconds)

    def __str__(self) -> str:
        return f"{self.count}/{print_duration(self.seconds)}"
