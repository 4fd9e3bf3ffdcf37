"""Amounts by name, without metadata, as sorters, quotas and minimums use them.

A name that ``Quantities`` do not have counts as zero; a name that ``Limits`` do not have is unlimited. Both are
immutable. Arithmetic is exact, in whole thousandths. Rules: docs/reference/json-and-resources.md, allocator.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import attrs

from pymesoskit.resources.errors import ResourcesError
from pymesoskit.resources.values import ValueType, from_units, parse_value, print_scalar, to_units

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WHITE_SPACE: Final = " \t\n\r"

_Amounts = TypeVar("_Amounts", bound="_NamedAmounts")


@attrs.frozen(eq=False, repr=False, init=False)
class _NamedAmounts:
    # Thousandths by name, and the doubles of those that are not whole thousandths and went through no arithmetic.
    units: Mapping[str, int]
    _unrounded: Mapping[str, float]

    def __init__(self, amounts: Mapping[str, float] | None = None) -> None:
        units: dict[str, int] = {}
        unrounded: dict[str, float] = {}
        for name, value in (amounts or {}).items():
            rounded = to_units(value)
            if rounded < 0:
                raise ResourcesError(
                    f"the amount of '{name}' must be a finite number that is not negative, not {value}"
                )
            if rounded or self._keeps_zero():
                units[name] = rounded
                if from_units(rounded) != value:
                    unrounded[name] = float(value)
        _set_units(self, units)
        _set_unrounded(self, unrounded)

    @staticmethod
    def _keeps_zero() -> bool:
        return False

    def __len__(self) -> int:
        return len(self.units)

    def __bool__(self) -> bool:
        return bool(self.units)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self.units))

    def items(self) -> list[tuple[str, float]]:
        """Returns names and amounts, sorted by name."""
        return [(name, self._value(name)) for name in self]

    def _value(self, name: str) -> float:
        value = self._unrounded.get(name)
        return from_units(self.units[name]) if value is None else value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return self.units == other.units

    def __hash__(self) -> int:
        return hash(frozenset(self.units.items()))

    def __str__(self) -> str:
        if not self.units:
            return "{}"
        return "; ".join(f"{name}:{print_scalar(value)}" for name, value in self.items())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


_set_units: Final = cast("Any", _NamedAmounts.__dict__["units"]).__set__
_set_unrounded: Final = cast("Any", _NamedAmounts.__dict__["_unrounded"]).__set__
_NONE: Final[Mapping[str, float]] = {}


class Quantities(_NamedAmounts):
    """Amounts by name, none of them zero: ``Quantities({"cpus": 4, "mem": 1024})``; mem and disk are in MB.

    ``units`` has the amounts in thousandths, for fast arithmetic. Raises ``ResourcesError`` for a negative amount.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Quantities:
        """Returns the amounts in a text such as ``cpus:0.01;mem:32``; amounts of one name are added.

        Raises ``ResourcesError`` with Mesos's text.
        """
        result = cls()
        for name, value, _ in _parse_amounts(text, "quantity"):
            result += cls({name: value})
        return result

    @classmethod
    def of_units(cls, units: Mapping[str, int], unrounded: Mapping[str, float] | None = None) -> Quantities:
        """Returns the amounts given in thousandths by name, all above zero; the mappings must not change afterwards.

        ``unrounded`` has the doubles of amounts that are not whole thousandths.
        """
        return _build(cls, units, unrounded or _NONE)

    def get(self, name: str) -> float:
        """Returns the amount of a name; 0.0 if there is none."""
        return self._value(name) if name in self.units else 0.0

    def __add__(self, other: Quantities) -> Quantities:
        if not other.units:
            return self
        if not self.units:
            return other
        units = dict(self.units)
        for name, amount in other.units.items():
            units[name] = units.get(name, 0) + amount
        unrounded = _NONE
        if self._unrounded or other._unrounded:
            either = {**self._unrounded, **other._unrounded}
            unrounded = {name: v for name, v in either.items() if (name in self.units) != (name in other.units)}
        return _build(Quantities, units, unrounded)

    def __sub__(self, other: Quantities) -> Quantities:
        """Returns the difference, which is never below zero."""
        if not other.units or not self.units:
            return self
        units: dict[str, int] = {}
        for name, amount in self.units.items():
            left = amount - other.units.get(name, 0)
            if left > 0:
                units[name] = left
        unrounded = _NONE
        if self._unrounded:
            unrounded = {name: value for name, value in self._unrounded.items() if name not in other.units}
        return _build(Quantities, units, unrounded)

    def contains(self, other: Quantities) -> bool:
        """Returns whether there is at least as much of each name."""
        mine = self.units.get
        return all(mine(name, 0) >= amount for name, amount in other.units.items())

    def __contains__(self, other: object) -> bool:
        """Returns whether a name occurs, or whether other quantities are contained."""
        return self.contains(other) if isinstance(other, Quantities) else other in self.units


class Limits(_NamedAmounts):
    """Upper bounds by name. Zero is a limit; a name that is missing is unlimited."""

    __slots__ = ()

    @staticmethod
    def _keeps_zero() -> bool:
        return True

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Returns the limits in a text such as ``cpus:4;mem:1024``.

        Raises ``ResourcesError`` with Mesos's text, also if a name occurs twice.
        """
        limits: dict[str, float] = {}
        for name, value, text_of_value in _parse_amounts(text, "limit"):
            if name in limits:
                raise ResourcesError(f"Failed to parse '{text_of_value}' to limit: duplicate names are not allowed")
            limits[name] = value
        return cls(limits)

    def get(self, name: str) -> float | None:
        """Returns the limit of a name; None if there is none."""
        return self._value(name) if name in self.units else None

    def contains(self, other: Limits | Quantities) -> bool:
        """Returns whether quantities are within the limits, or whether other limits are at least as strict."""
        if isinstance(other, Limits):
            theirs = other.units
            return all(name in theirs and theirs[name] <= limit for name, limit in self.units.items())
        taken = other.units.get
        return all(taken(name, 0) <= limit for name, limit in self.units.items())

    def __contains__(self, other: object) -> bool:
        """Returns whether a name is limited, or whether quantities or other limits are contained."""
        return self.contains(other) if isinstance(other, Limits | Quantities) else other in self.units

    def __sub__(self, other: Quantities) -> Limits:
        """Returns the limits minus quantities, never below zero."""
        taken = other.units
        if not taken:
            return self
        units = {name: max(limit - taken.get(name, 0), 0) for name, limit in self.units.items()}
        unrounded = {name: value for name, value in self._unrounded.items() if name not in taken}
        return _build(Limits, units, unrounded)


def _build(cls: type[_Amounts], units: Mapping[str, int], unrounded: Mapping[str, float]) -> _Amounts:
    result = object.__new__(cls)
    _set_units(result, units)
    _set_unrounded(result, unrounded)
    return result


def _parse_amounts(text: str, what: str) -> Iterator[tuple[str, float, str]]:
    for token in text.split(";"):
        if not token:
            continue
        pair = [part for part in token.split(":") if part]
        if len(pair) != 2:
            raise ResourcesError(f"Failed to parse '{token}': missing or extra ':'")
        try:
            type_, value = parse_value(pair[1])
        except ResourcesError as error:
            raise ResourcesError(f"Failed to parse '{pair[1]}' to {what}: {error}") from None
        if type_ is not ValueType.SCALAR:
            raise ResourcesError(f"Failed to parse '{pair[1]}' to {what}: only scalar values are allowed")
        yield pair[0].strip(_WHITE_SPACE), cast("float", value), pair[1]
