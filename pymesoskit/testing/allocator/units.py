"""Amounts by name in whole thousandths: the arithmetic under sorters, quotas and headroom.

Plain ``dict[str, int]``, because these are touched for every offer. A name that is absent has the amount zero (in
quantities) or no bound (in limits); zeros are never kept in quantities. Source: docs/reference/allocator.md, the
paragraph before section 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pymesoskit.resources.values import to_units

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Thousandths by name. What is handed out may be shared: only the owner of a ledger changes it.
Units: TypeAlias = dict[str, int]


def quantities(amounts: Mapping[str, float]) -> Units:
    """Amounts as quantities: zeros vanish."""
    return {name: units for name, value in amounts.items() if (units := to_units(value))}


def limits(amounts: Mapping[str, float]) -> Units:
    """Amounts as limits: a limit of zero is one."""
    return {name: to_units(value) for name, value in amounts.items()}


def credit(ledger: Units, units: Mapping[str, int]) -> None:
    """Adds to a ledger, in place."""
    for name, amount in units.items():
        ledger[name] = ledger.get(name, 0) + amount


def debit(ledger: Units, units: Mapping[str, int]) -> None:
    """Takes off a ledger, in place; never below zero."""
    for name, amount in units.items():
        left = ledger.get(name, 0) - amount
        if left > 0:
            ledger[name] = left
        else:
            ledger.pop(name, None)


def plus(left: Mapping[str, int], right: Mapping[str, int]) -> Units:
    """The sum of quantities."""
    result = dict(left)
    credit(result, right)
    return result


def minus(left: Mapping[str, int], right: Mapping[str, int]) -> Units:
    """What is left of quantities; never below zero."""
    taken = right.get
    return {name: rest for name, amount in left.items() if (rest := amount - taken(name, 0)) > 0}


def limits_minus(bounds: Mapping[str, int], taken: Mapping[str, int]) -> Units:
    """What is left of limits; never below zero, and no name is lost."""
    return {name: max(bound - taken.get(name, 0), 0) for name, bound in bounds.items()}


def within_quantities(wanted: Mapping[str, int], available: Mapping[str, int]) -> bool:
    """Whether all of ``wanted`` is in ``available``."""
    there = available.get
    return all(there(name, 0) >= amount for name, amount in wanted.items())


def within_limits(wanted: Mapping[str, int], bounds: Mapping[str, int]) -> bool:
    """Whether ``wanted`` exceeds none of the bounds."""
    return all(wanted.get(name, 0) <= bound for name, bound in bounds.items())
