"""Mesos JSON: both directions. The single rules are pinned by `tests/conformance/vectors/json_*.json`."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import message_factory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pymesoskit.wire import (
    JSON,
    PROTOBUF,
    ConversionError,
    JsonSyntaxError,
    MissingFields,
    RecordDecoder,
    dumps_value,
    from_json,
    from_json_value,
    json_converter,
    json_text,
    to_json,
    to_json_value,
)
from pymesoskit.wire.v1 import agent, executor, master, mesos, scheduler
from tests.wire.strategies import all_types, messages

if TYPE_CHECKING:
    from google.protobuf.message import Message

RECORDED = Path(__file__).parents[1] / "conformance" / "recorded"
STREAMS = {
    "scheduler-life": scheduler.Event,
    "scheduler-with-custom-executor": scheduler.Event,
    "executor-life": executor.Event,
}


def records(name: str) -> list[bytes]:
    decoder = RecordDecoder()
    found = decoder.feed((RECORDED / name).read_bytes())
    decoder.eof()
    return found


@pytest.mark.parametrize("descriptor", all_types(), ids=lambda descriptor: descriptor.full_name)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_protobuf_to_json_and_back_is_lossless(descriptor: Any, data: st.DataObject) -> None:
    message = data.draw(messages(descriptor))
    kind = message_factory.GetMessageClass(descriptor)
    text = to_json(message)
    again = from_json(text, kind)
    assert to_json(again) == text
    for field, value in message.ListFields():
        if field.message_type is None:
            assert getattr(again, field.name) == value
    assert from_json(to_json(again), kind) == again
    assert json.loads(dumps_value(to_json_value(message))) == json.loads(text)
    assert PROTOBUF.decode(PROTOBUF.encode(again), kind) == again
    assert JSON.decode(JSON.encode(again), kind) == again


@pytest.mark.parametrize("descriptor", all_types(), ids=lambda descriptor: descriptor.full_name)
@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_quick_way_and_the_long_way_agree(descriptor: Any, data: st.DataObject) -> None:
    message = data.draw(messages(descriptor))
    kind = message_factory.GetMessageClass(descriptor)
    text = to_json(message)
    by_steps = json_converter.convert(json_text.parse(text.encode()), kind)
    assert by_steps == from_json(text, kind)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "value", "name", "x", "scalar"]), inner)
    ),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_the_exact_parser_reads_what_pythons_reads(value: object) -> None:
    data = json.dumps(value).encode()
    try:
        found = json_text.parse(data)
    except JsonSyntaxError:
        assert "\\ud" in data.decode() or "e+" in data.decode()
    else:
        assert json.loads(json_text.dumps(found)) == json.loads(
            data, parse_int=lambda t: int(t) if abs(int(t)) < 2**63 else float(t)
        )


@given(st.binary(max_size=60) | st.text(alphabet='{}[]",:\\u0019.eE+- \n\ttruefalsn', max_size=40).map(str.encode))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    with contextlib.suppress(JsonSyntaxError, ConversionError):
        from_json(data, scheduler.Call)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_doubles_read_back_as_they_were_and_always_look_like_doubles(value: float) -> None:
    text = json_text.format_double(value)
    assert float(text) == value
    assert "." in text or "e" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e20, "100000000000000000000.0"), (1e21, "1e21"), (1e-6, "0.000001"), (1e-7, "1e-7"), (-0.0, "-0.0"), (1.5e300, "1.5e300"),
     (123456789012345680.0, "123456789012345680.0"), (-1.25e-9, "-1.25e-9")],
)  # fmt: skip
def test_forms_of_doubles(value: float, text: str) -> None:
    assert json_text.format_double(value) == text


@pytest.mark.parametrize(("stream", "kind"), STREAMS.items(), ids=list(STREAMS))
def test_recorded_json_events_are_written_as_mesos_wrote_them(stream: str, kind: type[Message]) -> None:
    for record in records(f"{stream}.json.recordio"):
        assert to_json(from_json(record, kind)) == record.decode()


@pytest.mark.parametrize("stream", ["scheduler-life", "executor-life"])
def test_recorded_protobuf_events_are_encoded_as_mesos_did_and_survive_json(stream: str) -> None:
    kind = STREAMS[stream]
    for record in records(f"{stream}.protobuf.recordio"):
        event = PROTOBUF.decode(record, kind)
        assert PROTOBUF.encode(event) == record
        text = to_json(event)
        assert to_json(from_json(text, kind)) == text


ANSWERS = sorted((RECORDED / "snapshots").glob("*.GET_*"))


@pytest.mark.parametrize("path", ANSWERS, ids=lambda path: path.name)
def test_recorded_answers_of_the_operator_api_survive(path: Path) -> None:
    """Field by field in the order in which Mesos wrote them, but for what is not in the schema: it writes some answers
    by hand, with empty lists, and with a flag of the older API in AgentInfo.
    """
    kind = master.Response if path.name.startswith("master") else agent.Response
    recorded = path.read_bytes()
    if path.suffix == ".json":
        by_the_schema = recorded.replace(b',"checkpoint":true},"active"', b'},"active"')
        assert members(JSON.encode(JSON.decode(recorded, kind))) == members(by_the_schema)
    else:
        answer = PROTOBUF.decode(recorded, kind)
        assert PROTOBUF.decode(PROTOBUF.encode(answer), kind) == answer
        assert to_json(from_json(to_json(answer), kind)) == to_json(answer)


def members(text: bytes) -> Any:
    """The document, its objects as lists of members; numbers as they are written."""

    def found(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        return [(name, value) for name, value in pairs if value]

    return json.loads(text, object_pairs_hook=found, parse_float=str, parse_int=str)


def test_errors_carry_the_path_of_the_field() -> None:
    text = '{"type":"ACCEPT","accept":{"operations":[{},{"launch":{"task_infos":[{"name":"a"},{"name":7}]}}]}}'
    with pytest.raises(ConversionError, match=r"^Not expecting a JSON number for field 'name'$") as error:
        from_json(text, scheduler.Call)
    assert error.value.path == "accept.operations[1].launch.task_infos[1].name"
    assert error.value.detail.endswith("(at accept.operations[1].launch.task_infos[1].name)")


def test_missing_fields_are_all_listed() -> None:
    with pytest.raises(MissingFields) as error:
        from_json('{"type":"ACKNOWLEDGE","acknowledge":{"task_id":{}}}', scheduler.Call)
    assert error.value.fields == ("acknowledge.agent_id", "acknowledge.uuid", "acknowledge.task_id.value")
    with pytest.raises(MissingFields, match="name, task_id, agent_id"):
        PROTOBUF.decode(b"", mesos.TaskInfo)
    with pytest.raises(MissingFields, match="name, task_id, agent_id"):
        PROTOBUF.encode(mesos.TaskInfo())
    with pytest.raises(MissingFields, match="name, task_id, agent_id"):
        JSON.encode(mesos.TaskInfo())


def test_bytes_that_are_no_message_are_a_conversion_error() -> None:
    with pytest.raises(ConversionError, match=r"the 3 bytes are not a mesos\.v1\.scheduler\.Call"):
        PROTOBUF.decode(b"\xff\xff\xff", scheduler.Call)


#: JSON number -> what an int32, a uint32, an int64 and a uint64 hold.
OUT_OF_RANGE = {
    "2147483648": (-(2**31), 2**31, 2**31, 2**31),
    "3e9": (-(2**31), 3_000_000_000, 3_000_000_000, 3_000_000_000),
    "-1": (-1, 2**32 - 1, -1, 2**64 - 1),
    "-1.9": (-1, 2**32 - 1, -1, 2**64 - 1),
    "9223372036854775808": (-(2**31), 0, -(2**63), 2**63),
    "18446744073709551615": (-(2**31), 0, -(2**63), 0),
    "1e30": (-(2**31), 0, -(2**63), 0),
    "-1e30": (-(2**31), 0, -(2**63), 2**63),
}


@pytest.mark.parametrize("number", OUT_OF_RANGE)
def test_a_number_outside_an_integers_range_is_what_x86_makes_of_it(number: str) -> None:
    found = (
        from_json(f'{{"exit_code":{number}}}', mesos.CheckStatusInfo.Command).exit_code,
        from_json(f'{{"number":{number}}}', mesos.Port).number,
        from_json(f'{{"nanoseconds":{number}}}', mesos.TimeInfo).nanoseconds,
        from_json(f'{{"begin":{number},"end":0}}', mesos.Value.Range).begin,
    )
    assert found == OUT_OF_RANGE[number]


def test_text_that_is_no_utf8_is_refused() -> None:
    with pytest.raises(ConversionError, match="not valid UTF-8"):
        from_json(b'{"user":"\xff","name":"n"}', mesos.FrameworkInfo)


def test_a_parsed_document_converts_too() -> None:
    value = {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "uuid": "AAEC", "timestamp": "1.5"}
    status = from_json_value(value, mesos.TaskStatus)
    assert (status.uuid, status.timestamp) == (b"\0\1\2", 1.5)


@pytest.mark.parametrize("text", ['quote " and \\ and \\u001f and \x1f', "\x00\x7f/é", "\\\x1b"])
def test_only_control_characters_are_escaped_in_upper_case(text: str) -> None:
    quoted = json_text.quote(text)
    assert json.loads(quoted) == text
    assert "\\u001f" not in quoted.replace("\\\\u001f", "")
