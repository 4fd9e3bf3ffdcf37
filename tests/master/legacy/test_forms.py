"""Queries, form bodies and numbers as libprocess reads them, and what becomes of those that it cannot read."""

from __future__ import annotations

import pytest

from pymesoskit.testing.engine.http.forms import decode_form, numify


class TestForms:
    @pytest.mark.parametrize(
        ("text", "form"),
        [
            ("", {}),
            ("a=1&b=2", {"a": "1", "b": "2"}),
            ("a=1;b=2", {"a": "1", "b": "2"}),
            ("a=1&a=2", {"a": "2"}),
            ("a", {"a": ""}),
            ("a=b=c", {"a": "b=c"}),
            ("&&a=1&", {"a": "1"}),
            ("a%3D+b=%C3%A9+x", {"a= b": "é x"}),
        ],
    )
    def test_pairs_are_parted_by_ampersands_and_semicolons(self, text, form):
        assert decode_form(text) == decode_form(text.encode()) == form

    @pytest.mark.parametrize(("text", "escape"), [("a=1%", "%"), ("a=%4", "%4"), ("a=x%zzy", "%zz"), ("a=%2x", "%2x")])
    def test_a_bad_escape_is_an_error_that_names_it(self, text, escape):
        with pytest.raises(ValueError, match="Malformed % escape") as error:
            decode_form(text)
        assert str(error.value) == f"Malformed % escape in '{text[2:]}': '{escape}'"

    def test_bytes_that_are_no_utf8_leave_as_they_came(self):
        assert decode_form(b"a=%ff\xfe")["a"].encode("utf-8", "surrogateescape") == b"\xff\xfe"


class TestNumbers:
    @pytest.mark.parametrize(
        ("text", "number"), [("7", 7), ("+7", 7), ("-7", -7), ("0x1F", 31), ("-0x2", -2), ("007", 7)]
    )
    def test_decimal_and_hexadecimal(self, text, number):
        assert numify(text, 32) == number

    @pytest.mark.parametrize("text", ["", "x", "1.0", " 1", "1 ", "0x", "0X1", "1e3", "٣", "2147483648", "-2147483649"])
    def test_everything_else_is_none(self, text):
        with pytest.raises(ValueError, match=f"^Failed to convert '{text}' to number$".replace("+", r"\+")):
            numify(text, 32)


@pytest.mark.parametrize("path", ["/state", "/files/read", "/api/v1", "/api/v1/scheduler", "/nope"])
def test_a_query_that_cannot_be_decoded_is_a_bad_request_on_every_path(world, path):
    response = world.request("GET", f"{path}?a=%zz").response
    text = "Failed to decode the request: Malformed % escape in '%zz': '%zz'."
    assert (response.status, response.body.decode()) == (400, text)


@pytest.mark.parametrize("path", ["/teardown", "/reserve", "/unreserve", "/create-volumes", "/destroy-volumes"])
def test_a_body_that_cannot_be_decoded(world, path):
    response = world.request("POST", path, b"slaveId=100%").response
    text = "Unable to decode query string: Malformed % escape in '100%': '%'"
    assert (response.status, response.body.decode()) == (400, text)


def test_fields_of_a_body_may_be_parted_by_semicolons(world):
    framework = world.framework()
    body = f"x=1;frameworkId={framework.id}".encode()
    assert world.request("POST", "/teardown", body).response.status == 200
