"""Offer constraints: what they hide, and what is said of invalid ones (docs/reference/scheduler-api.md, section 10)."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from pymesoskit.resources import parse_attributes
from pymesoskit.testing.allocator import AgentOptions, ConstraintsError, FaultDomain, compile_constraints
from pymesoskit.wire.v1 import scheduler


def message(*constraints: dict[str, Any]) -> scheduler.OfferConstraints:
    group = {"attribute_constraints": list(constraints)}
    return scheduler.OfferConstraints(role_constraints={"r": {"groups": [group]}})  # type: ignore[dict-item]


def constraint(predicate: dict[str, Any], name: str = "rack") -> dict[str, Any]:
    return {"selector": {"attribute_name": name}, "predicate": predicate}


def agent(attributes: str = "", domain: FaultDomain | None = None) -> AgentOptions:
    return AgentOptions("host", parse_attributes(attributes), domain)


@pytest.mark.parametrize(
    ("predicate", "on_match", "on_other", "on_absent", "on_number"),
    [
        ({"exists": {}}, True, True, False, True),
        ({"not_exists": {}}, False, False, True, False),
        ({"text_equals": {"value": "r1"}}, True, False, False, True),
        ({"text_not_equals": {"value": "r1"}}, False, True, True, True),
        ({"text_matches": {"regex": "r[0-9]"}}, True, False, False, True),
        ({"text_not_matches": {"regex": "r[0-9]"}}, False, True, True, True),
    ],
)
def test_predicates(
    predicate: dict[str, Any], on_match: bool, on_other: bool, on_absent: bool, on_number: bool
) -> None:
    compiled = compile_constraints(message(constraint(predicate)))
    fits = [
        not compiled.excludes("r", agent(text)) for text in ("rack:r1", "rack:r12x", "other:r1", "rack:7", "rack:[1-2]")
    ]
    assert fits == [on_match, on_other, on_absent, on_number, on_number]


def test_the_first_attribute_of_a_name_counts() -> None:
    compiled = compile_constraints(message(constraint({"text_equals": {"value": "r1"}})))
    assert not compiled.excludes("r", agent("rack:r1;rack:r2"))
    assert compiled.excludes("r", agent("rack:r2;rack:r1"))


def test_all_constraints_of_one_group_must_hold_and_any_group_will_do() -> None:
    groups = [
        {
            "attribute_constraints": [
                constraint({"text_equals": {"value": "x"}}, "a"),
                constraint({"exists": {}}, "b"),
            ]
        },
        {"attribute_constraints": [constraint({"exists": {}}, "c")]},
    ]
    compiled = compile_constraints(
        scheduler.OfferConstraints(role_constraints={"r": {"groups": groups}})  # type: ignore[dict-item]
    )
    assert compiled.excludes("r", agent("a:x"))
    assert not compiled.excludes("r", agent("a:x;b:1"))
    assert not compiled.excludes("r", agent("c:1"))


def test_roles_without_constraints_take_any_agent() -> None:
    compiled = compile_constraints(message(constraint({"exists": {}})))
    assert not compiled.excludes("other", agent())


@pytest.mark.parametrize(("kind", "value"), [("HOSTNAME", "host"), ("REGION", "r1"), ("ZONE", "z1")])
def test_pseudo_attributes(kind: str, value: str) -> None:
    selector = {"pseudoattribute_type": kind}
    compiled = compile_constraints(message({"selector": selector, "predicate": {"text_equals": {"value": value}}}))
    assert not compiled.excludes("r", agent(domain=FaultDomain("r1", "z1")))
    exists = compile_constraints(message({"selector": selector, "predicate": {"exists": {}}}))
    assert exists.excludes("r", agent()) == (kind != "HOSTNAME")


INVALID = "A role r has an invalid 'AttributeConstraint': "


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (
            scheduler.OfferConstraints(role_constraints={"r": {}}),  # type: ignore[dict-item]
            "'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role r",
        ),
        (
            scheduler.OfferConstraints(role_constraints={"r": {"groups": [{}]}}),  # type: ignore[dict-item]
            "'OfferConstraints::RoleConstraints::groups' for role rcontains an empty RoleConstraints::Group",
        ),
        (
            message({"selector": {}, "predicate": {"exists": {}}}),
            INVALID + "Exactly one of 'AttributeConstraint::Selector::name' or"
            " 'AttributeConstraint::Selector::pseudoattribute_type' must be set",
        ),
        (
            message({"selector": {"pseudoattribute_type": "UNKNOWN"}, "predicate": {"exists": {}}}),
            INVALID + "Unknown pseudoattribute type",
        ),
        (message(constraint({})), INVALID + "Unknown predicate type"),
        (
            message(constraint({"text_matches": {"regex": "("}})),
            INVALID + "Failed to construct regex from pattern '(': missing ): (",
        ),
        (
            message(constraint({"text_not_matches": {"regex": "a{100}"}})),
            INVALID + "Regex 'a{100}' is too complex: program size of 104 is larger than maximum of 100 allowed",
        ),
    ],
)
def test_invalid_constraints(message: scheduler.OfferConstraints, text: str) -> None:
    with pytest.raises(ConstraintsError) as caught:
        compile_constraints(message)
    assert str(caught.value) == text


def test_a_pattern_needs_little_memory_or_is_refused() -> None:
    with pytest.raises(ConstraintsError, match="Failed to construct regex"):
        compile_constraints(message(constraint({"text_matches": {"regex": r"\pL{50}"}})))


def test_without_google_re2_a_regular_expression_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(
        ConstraintsError, match=r"google-re2 is not installed .* pip install 'pymesoskit\[constraints\]'"
    ):
        compile_constraints(message(constraint({"text_matches": {"regex": "r[0-9]"}})))
    compile_constraints(message(constraint({"text_equals": {"value": "r1"}})))
