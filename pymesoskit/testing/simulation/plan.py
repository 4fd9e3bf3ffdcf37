"""Plans: which faults happen in a run, and how they are drawn.

A plan is a table from keys to fates, both plain text, so that it can be printed, edited and replayed:

- ``batch/ACCEPT/2=lose-reply``: the second ACCEPT of the framework ``batch`` (calls);
- ``batch<UPDATE/3=cut``: the third UPDATE for it (events);
- ``master>agent 0/RunTask/1=drop``: the first RunTask for that agent (messages between master and agents);
- ``crash framework/1=12.5s for 3s: batch``: at 12.5 s, for 3 s (faults in time).

Each decision is drawn by a number of its own, which depends on the seed, the fault and the key only: taking one fault
out of a plan shifts no other.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class PlanError(ValueError):
    """The text is not a plan."""


def chance(*parts: object) -> float:
    """Returns a number in [0, 1) that only the parts determine."""
    digest = blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def between(bounds: tuple[float, float], *parts: object) -> float:
    """Returns a number between the bounds that only the parts determine."""
    low, high = bounds
    return low + (high - low) * chance(*parts)


def plan_text(plan: Mapping[str, str]) -> str:
    """Returns the plan as one line, for ``parse_plan``."""
    return "; ".join(f"{key}={fate}" for key, fate in plan.items())


def parse_plan(text: str) -> dict[str, str]:
    """Reads ``KEY=FATE; KEY=FATE…``. Raises ``PlanError``."""
    plan: dict[str, str] = {}
    for item in filter(None, (part.strip() for part in text.split(";"))):
        key, equals, fate = item.rpartition("=")
        if not equals or not key or not fate:
            raise PlanError(
                f"a plan has entries like 'batch/ACCEPT/2=lose-reply', separated by semicolons, not {item!r}"
            )
        plan[key] = fate
    return plan
