"""Strings in protobuf that are not UTF-8: found wherever they are, and named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

from pymesoskit.testing.engine.http.handler import Request, Response
from pymesoskit.testing.engine.http.strings import bad_string
from pymesoskit.testing.engine.http.v1 import PROTOBUF, Refused, parse_call
from pymesoskit.wire.v1 import agent, executor, master, mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

CALLS = [scheduler.Call, executor.Call, master.Call, agent.Call]
MARK = "@@@@"
BAD = [b"\xff\xff\xff\xff", b"ab\xc3(", b"abc\xc3", b"\xed\xa0\x80x", b"\xf8\x88\x80\x80", b"\xc0\xafab"]


def paths(descriptor: Descriptor, within: tuple[Descriptor, ...] = ()) -> Iterator[tuple[FieldDescriptor, ...]]:
    """The ways to all string fields; a message within its own kind is entered once."""
    for field in descriptor.fields:
        inner = field.message_type
        if field.type == FieldDescriptor.TYPE_STRING:
            yield (field,)
        elif inner is not None and (*within, descriptor).count(inner) < 1:
            yield from ((field, *path) for path in paths(inner, (*within, descriptor)))


def fill(message: Any, path: tuple[FieldDescriptor, ...]) -> str:
    """Puts the mark at the end of the path; returns how the path is written."""
    field, *rest = path
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        entries = getattr(message, field.name)
        key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
        name = MARK if rest[0] == key else "k"
        if value.message_type is None:
            entries[name] = "v" if rest[0] == key else MARK
            return f"{field.name}[{name if name == MARK else repr(name)}]"
        entries[name].SetInParent()
        if rest[0] == key:
            return f"{field.name}[{MARK}]"
        return f"{field.name}['k'].{fill(entries[name], tuple(rest[1:]))}"
    if not rest:
        if field.is_repeated:
            getattr(message, field.name).extend(["fine", MARK])
            return f"{field.name}[1]"
        setattr(message, field.name, MARK)
        return str(field.name)
    if field.is_repeated:
        container = getattr(message, field.name)
        container.add()
        return f"{field.name}[1].{fill(container.add(), tuple(rest))}"
    inner = getattr(message, field.name)
    inner.SetInParent()
    return f"{field.name}.{fill(inner, tuple(rest))}"


@pytest.mark.parametrize("kind", CALLS)
def test_a_bad_string_is_found_and_named_wherever_it_is(kind: type[Message]) -> None:
    seen = 0
    for path in paths(kind.DESCRIPTOR):
        message = kind()
        named = fill(message, path)
        data = message.SerializePartialToString()
        assert data.count(MARK.encode()) == 1
        bad = BAD[seen % len(BAD)]
        broken = data.replace(MARK.encode(), bad)
        assert bad_string(broken, kind.FromString(broken)) == named.replace(MARK, repr(bad))
        seen += 1
    assert seen > 20


@pytest.mark.parametrize("text", ["äöü!", "日本語語", "ñandú", "e\u0301", "\0", "\U0010ffff"])
def test_text_of_any_language_is_no_bad_string(text: str) -> None:
    for kind in CALLS:
        for path in paths(kind.DESCRIPTOR):
            message = kind()
            fill(message, path)
            parsed: Any = kind.FromString(message.SerializePartialToString())
            if path[-1].is_repeated or any(field.is_repeated for field in path):
                continue
            inner = parsed
            for field in path[:-1]:
                inner = getattr(inner, field.name)
            setattr(inner, path[-1].name, text)
            assert bad_string(parsed.SerializePartialToString(), parsed) is None


def test_a_string_is_not_mended_by_the_bytes_that_follow_it() -> None:
    """The tag of field 16 begins with 0x82: after 0xC3 that would be a letter."""
    call = scheduler.Call(type=scheduler.Call.SUBSCRIBE)
    call.framework_id.value = MARK
    data = call.SerializeToString().replace(MARK.encode(), b"abc\xc3") + b"\x82\x01\x00"
    assert bad_string(data, scheduler.Call.FromString(data)) == "framework_id.value"


def test_bytes_may_be_anything() -> None:
    call = scheduler.Call(type=scheduler.Call.ACKNOWLEDGE)
    call.acknowledge.uuid = b"\xff" * 16
    call.acknowledge.task_id.value = "t"
    call.acknowledge.agent_id.value = "a"
    data = call.SerializeToString()
    assert bad_string(data, call) is None


def test_a_call_with_a_bad_string_is_400_with_the_name_of_the_field() -> None:
    call = scheduler.Call(type=scheduler.Call.SUBSCRIBE)
    call.subscribe.framework_info.user = "u"
    call.subscribe.framework_info.name = MARK
    body = call.SerializeToString().replace(MARK.encode(), b"\xff\xff\xff\xff")
    with pytest.raises(Refused) as refused:
        parse_call(Request("POST", "/", (("content-type", PROTOBUF),), body), scheduler.Call)
    response = refused.value.response
    assert isinstance(response, Response)
    assert response.status == 400
    assert response.body == (
        b"Failed to parse body into Call protobuf: the string 'subscribe.framework_info.name' is not valid UTF-8"
    )


def test_required_fields_stay_required_and_enums_closed() -> None:
    """The type that verifies strings differs in nothing else."""
    task = mesos.TaskInfo(name="é")
    assert bad_string(task.SerializePartialToString(), task) is None
    status = mesos.TaskStatus.FromString(b"\x10\xff\x01\x22\x02\xc3\xa9")  # an unknown state
    assert bad_string(b"\x10\xff\x01\x22\x02\xc3\xa9", status) is None
