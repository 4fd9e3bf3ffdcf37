"""Offer constraints, as SUBSCRIBE and UPDATE_FRAMEWORK bring them. Source: docs/reference/scheduler-api.md 10.

Which agents constraints exclude is the allocator's affair (``allocator/constraints.py``).
"""

from __future__ import annotations

from pymesoskit.testing.master.validation.regex import RegexLimits, regex_error
from pymesoskit.wire.v1 import scheduler

Selector = scheduler.AttributeConstraint.Selector


def constraints_error(constraints: scheduler.OfferConstraints, limits: RegexLimits) -> str | None:
    """The first thing wrong with the constraints."""
    for role, of_role in constraints.role_constraints.items():
        if not of_role.groups:
            return f"'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role {role}"
        for group in of_role.groups:
            if not group.attribute_constraints:  # the missing space is Mesos's
                return (
                    f"'OfferConstraints::RoleConstraints::groups' for role {role}"
                    "contains an empty RoleConstraints::Group"
                )
            for constraint in group.attribute_constraints:
                error = _constraint_error(constraint, limits)
                if error is not None:
                    return f"A role {role} has an invalid 'AttributeConstraint': {error}"
    return None


def _constraint_error(constraint: scheduler.AttributeConstraint, limits: RegexLimits) -> str | None:
    selector = constraint.selector
    chosen = selector.WhichOneof("selector")
    if chosen is None:
        return (
            "Exactly one of 'AttributeConstraint::Selector::name' or "
            "'AttributeConstraint::Selector::pseudoattribute_type' must be set"
        )
    if chosen == "pseudoattribute_type" and selector.pseudoattribute_type == Selector.UNKNOWN:
        return "Unknown pseudoattribute type"
    predicate = constraint.predicate
    kind = predicate.WhichOneof("predicate")
    if kind is None:
        return "Unknown predicate type"
    if kind == "text_matches":
        return regex_error(predicate.text_matches.regex, limits)
    if kind == "text_not_matches":
        return regex_error(predicate.text_not_matches.regex, limits)
    return None
