"""Rules that a framework must keep, checked against the journal of a cluster.

A check sees every entry, in order, and says in the end whether the rule held: ``Valid``, ``Invalid`` with evidence, or
``Unknown``. The checks of this package serve in simulations (``simulate(checks=…)``) and in ordinary tests
(``with checking(cluster, each_once("name")): …``), over HTTP too. Guide: docs/simulation.md.
"""

from __future__ import annotations

from pymesoskit.testing.checkers.base import Check, Checking, Invalid, Unknown, Valid, Verdict, checking
from pymesoskit.testing.checkers.rules import (
    acknowledged_after,
    each_once,
    no_offer_held,
    no_task_lost,
    one_framework_id,
    reconciled_after_subscription,
    sometimes,
)

__all__ = [
    "Check",
    "Checking",
    "Invalid",
    "Unknown",
    "Valid",
    "Verdict",
    "acknowledged_after",
    "checking",
    "each_once",
    "no_offer_held",
    "no_task_lost",
    "one_framework_id",
    "reconciled_after_subscription",
    "sometimes",
]
