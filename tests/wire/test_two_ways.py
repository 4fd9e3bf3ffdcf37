"""Reading has a quick way and a long one (`json_reader`, `json_converter`); nobody may be able to tell which was taken.

Documents here are those of generated messages, with a few of their values replaced by odd ones.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import message_factory
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pymesoskit.wire import ConversionError, JsonSyntaxError, from_json, json_converter, json_text, to_json_value
from pymesoskit.wire.v1 import mesos, scheduler
from tests.wire.strategies import messages

if TYPE_CHECKING:
    from google.protobuf.message import Message

KINDS = [scheduler.Call, scheduler.Event, mesos.Resource, mesos.TaskStatus, mesos.FrameworkInfo, mesos.ContainerInfo]

ODD = st.sampled_from(
    [None, True, False, 0, 1, -1, 1.5, -0.5, 2 ** 31, 2 ** 63 - 1, 2 ** 63, 2 ** 64, -2 ** 63 - 1, 10 ** 400, 1e+19, 5e-324, "", "x", "1", "1x", "true", "Infinity", "TASK_RUNNING", "aGk", "aGk=", "é", "\x00", "�", [], {}, [[]], [None], [1], ["a"], [{}], {"value": 1}, {"value": "v"}, {"x": None}, {"é": [1]}]
)  # fmt: skip


def outcome(text: str, kind: type[Message], *, quickly: bool) -> tuple[str, str]:
    """What comes of it: which kind of answer, and the answer."""
    try:
        data = text.encode(errors="surrogatepass")
        message = from_json(data, kind) if quickly else json_converter.convert(json_text.parse(data), kind)
    except (JsonSyntaxError, ConversionError) as error:
        return type(error).__name__, f"{error} at {getattr(error, 'path', '')}"
    return "message", message.SerializePartialToString(deterministic=True).hex()


@st.composite
def documents(draw: st.DrawFn) -> tuple[type[Message], Any]:
    kind = draw(st.sampled_from(KINDS))
    document: Any = to_json_value(draw(messages(kind.DESCRIPTOR, 2)))
    for _ in range(draw(st.integers(0, 3))):
        document = replaced(draw, document)
    return message_factory.GetMessageClass(kind.DESCRIPTOR), document


def replaced(draw: st.DrawFn, value: Any) -> Any:
    """The document with one value in it, or itself, made an odd one; or with one more field."""
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 4)) == 0:
            return {draw(st.sampled_from(["value", "type", "name", "zz"])): draw(ODD), **value}
        return {**value, key: replaced(draw, value[key])}
    if isinstance(value, list) and value and draw(st.integers(0, 3)):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], replaced(draw, value[place]), *value[place + 1 :]]
    return draw(ODD)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents())
@example((mesos.TaskStatus, {"state": 6, "task_id": {"value": "t"}}))
@example((mesos.TaskStatus, {"state": "6", "task_id": {"value": "t"}}))
@example((mesos.FrameworkInfo, {"user": "u", "name": "n", "roles": "ab"}))
@example((mesos.FrameworkInfo, {"user": "u", "name": "n", "checkpoint": 1, "failover_timeout": True}))
@example((mesos.Value.Range, {"begin": True, "end": 2**64 - 1}))
@example((mesos.Filters, {"refuse_seconds": 10**400}))
@example((mesos.Filters, {"refuse_seconds": 2**64 + 1}))
@example((mesos.Filters, {"\udcff": 1}))
def test_the_quick_way_differs_in_nothing_from_the_long_one(case: tuple[type[Message], Any]) -> None:
    kind, document = case
    text = json.dumps(document, ensure_ascii=False)
    assert outcome(text, kind, quickly=True) == outcome(text, kind, quickly=False)


@pytest.mark.parametrize("depth", [1, 99, 100, 101, 197, 198, 199, 200])
@pytest.mark.parametrize("innermost", ["", "1e309", "1" + "0" * 400, "18446744073709551616", '"\\ud800"', "01"])
def test_what_stands_in_unknown_fields_must_be_json_all_the_same(depth: int, innermost: str) -> None:
    text = f'{{"type":"KILL","kill":{{"task_id":{{"value":"t"}},"nobody":{"[" * depth}{innermost}{"]" * depth}}}}}'
    assert outcome(text, scheduler.Call, quickly=True) == outcome(text, scheduler.Call, quickly=False)
