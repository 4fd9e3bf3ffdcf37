"""The syntax of ``--resources`` and ``--attributes``, beyond what the vectors ask."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymesoskit.resources import Attributes, Resources, ResourcesError, parse_attributes, role_error, validate_role


@given(st.text(st.sampled_from('cpusmem:;()[]{}-,.10 *\n/"'), max_size=25))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (Resources.parse, parse_attributes):
        with contextlib.suppress(ResourcesError):
            str(read(text))


@given(st.text(st.sampled_from("ab/.*- \x7f"), max_size=8))
def test_a_role_is_valid_if_each_of_its_parts_is(role: str) -> None:
    parts = role.split("/")
    fine = role == "*" or all(
        part and part not in {".", "..", "*"} and not part.startswith("-") and not set(part) & set(" \x7f")
        for part in parts
    )
    assert (role_error(role) is None) == fine
    if not fine:
        with pytest.raises(ResourcesError):
            validate_role(role)


def test_all_tokens_are_read_before_any_resource_is_judged() -> None:
    with pytest.raises(ResourcesError, match="missing or extra ':' in mem"):
        Resources.parse("ports:[5-4];mem")


def test_resources_are_judged_in_order() -> None:
    with pytest.raises(ResourcesError, match="begin > end"):
        Resources.parse("ports:[5-4];cpus(/):1")


def test_a_name_may_have_two_types_if_one_of_them_is_nothing() -> None:
    assert str(Resources.parse("mem:0;mem:[1-2]")) == "mem:[1-2]"


def test_attributes_go_through_messages() -> None:
    attributes = parse_attributes("rack:r1;level:10;ports:[1-2,5-6];rack:r2")
    assert Attributes.from_messages(attributes.to_messages()) == attributes
    assert [one.value for one in attributes.named("rack")] == ["r1", "r2"]
    assert attributes.to_legacy_json() == {"rack": "r2", "level": 10.0, "ports": "[1-2, 5-6]"}
    assert len(attributes) == 4


def test_a_set_is_no_attribute() -> None:
    message = parse_attributes("a:x").to_messages()[0]
    message.type = 2
    with pytest.raises(ResourcesError, match="attribute 'a' must be a number, ranges or text, not a set"):
        Attributes.from_messages([message])
