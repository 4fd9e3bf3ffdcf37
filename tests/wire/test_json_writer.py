"""The functions that write JSON: what their source looks like, and that they take whatever the runtime encodes."""

from __future__ import annotations

import textwrap

import pytest

from pymesoskit.wire import json_writer_source, to_json
from pymesoskit.wire.v1 import master, mesos


def test_the_source_is_as_its_documentation_shows_it() -> None:
    documentation = json_writer_source.__doc__
    assert documentation is not None
    shown = documentation.partition("::\n\n")[2].partition("\n\n``json_writer``")[0]
    assert json_writer_source.source(mesos.Value.Scalar.DESCRIPTOR) == textwrap.dedent(shown) + "\n"


def test_fields_that_the_schema_lacks_are_passed_over() -> None:
    known = mesos.Label(key="k", value="v").SerializeToString()
    fields = {
        "a number": b"\x98\x06\x96\x01",
        "eight bytes": b"\x99\x06" + bytes(8),
        "four bytes": b"\x9d\x06" + bytes(4),
        "text": b"\x9a\x06\x03abc",
        "a number of three bytes in its tag": b"\x80\x80\x01\x00",
    }
    for name, field in fields.items():
        for encoding in (known + field, known + field + field):
            assert to_json(mesos.Label.FromString(encoding)) == '{"key":"k","value":"v"}', name


def test_an_enum_value_that_the_schema_lacks_is_as_if_it_were_not_set() -> None:
    capability = mesos.FrameworkInfo.Capability.FromString(b"\x08\x63")
    assert to_json(capability) == "{}"
    info = mesos.FrameworkInfo(user="u", name="n", capabilities=[capability])
    assert '"capabilities":[{}]' in to_json(info)
    assert to_json(mesos.CapabilityInfo.FromString(b"\x08\x63")) == "{}"
    assert to_json(mesos.CapabilityInfo.FromString(b"\x08\x63\x08\xe8\x07")) == '{"capabilities":["CHOWN"]}'


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 129, 255, 256, 257, 16_383, 16_384, 3_000_000])
def test_texts_and_messages_of_any_length(size: int) -> None:
    text = "x" * size
    label = mesos.Label(key="k", value=text)
    assert to_json(mesos.Labels(labels=[label, label])) == (
        f'{{"labels":[{{"key":"k","value":"{text}"}},{{"key":"k","value":"{text}"}}]}}'
    )


def test_what_is_remembered_is_never_another_messages_text() -> None:
    for number in range(3 * 512):
        info = mesos.TaskInfo(name=str(number), task_id={"value": f"t{number % 700}"}, agent_id={"value": f"t{number}"})
        assert to_json(info) == (
            f'{{"name":"{number}","task_id":{{"value":"t{number % 700}"}},"agent_id":{{"value":"t{number}"}}}}'
        )


def test_unset_fields_of_the_runtimes_own_duration_are_not_written() -> None:
    call = master.Call.DrainAgent(agent_id={"value": "a"}, max_grace_period={"seconds": 5})
    assert to_json(call) == '{"agent_id":{"value":"a"},"max_grace_period":{"seconds":5},"mark_gone":false}'


def test_a_message_that_lacks_required_fields_is_written_all_the_same() -> None:
    assert to_json(mesos.TaskInfo(task_id={})) == '{"task_id":{}}'
