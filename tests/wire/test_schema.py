"""The schemas are those of Mesos 1.11: names, numbers, types, labels, defaults, oneofs, as `wire-v1.json` lists them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, duration_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from pymesoskit.wire import v1

TABLE = json.loads((Path(__file__).parent / "wire-v1.json").read_text())["files"]
PROTO = Path(v1.__file__).parents[1] / "proto"
LABELS = {
    name: FieldDescriptorProto.Label.Value(f"LABEL_{name.upper()}") for name in ("optional", "required", "repeated")
}


def field(entry: dict[str, Any], oneofs: list[str]) -> FieldDescriptorProto:
    proto = FieldDescriptorProto(
        name=entry["name"],
        number=entry["number"],
        label=LABELS[entry["label"]],
        type=FieldDescriptorProto.Type.Value(f"TYPE_{entry['type'].upper()}"),
    )
    if "type_name" in entry:
        proto.type_name = entry["type_name"]
    if "default" in entry:
        proto.default_value = entry["default"]
    if entry.get("deprecated"):
        proto.options.deprecated = True
    if "oneof" in entry:
        proto.oneof_index = oneofs.index(entry["oneof"])
    return proto


def enum(entry: dict[str, Any]) -> descriptor_pb2.EnumDescriptorProto:
    proto = descriptor_pb2.EnumDescriptorProto(name=entry["name"])
    for value in entry["values"]:
        added = proto.value.add(name=value["name"], number=value["number"])
        if value.get("deprecated"):
            added.options.deprecated = True
    return proto


def message(entry: dict[str, Any]) -> descriptor_pb2.DescriptorProto:
    oneofs = entry.get("oneofs", [])
    proto = descriptor_pb2.DescriptorProto(
        name=entry["name"],
        field=[field(one, oneofs) for one in entry.get("fields", [])],
        nested_type=[message(one) for one in entry.get("messages", [])],
        enum_type=[enum(one) for one in entry.get("enums", [])],
        oneof_decl=[descriptor_pb2.OneofDescriptorProto(name=name) for name in oneofs],
    )
    if entry.get("map_entry"):
        proto.options.map_entry = True
    return proto


def from_table(entry: dict[str, Any]) -> descriptor_pb2.FileDescriptorProto:
    proto = descriptor_pb2.FileDescriptorProto(
        name=entry["file"],
        package=entry["package"],
        dependency=entry["imports"],
        message_type=[message(one) for one in entry.get("messages", [])],
        enum_type=[enum(one) for one in entry.get("enums", [])],
    )
    if entry["syntax"] != "proto2":
        proto.syntax = entry["syntax"]
    return proto


def comparable(proto: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    """Without what a table of names and numbers does not say: options of the file, JSON names, the order of nested types."""
    copy = descriptor_pb2.FileDescriptorProto()
    copy.CopyFrom(proto)
    copy.ClearField("options")
    dependencies = sorted(copy.dependency)
    del copy.dependency[:]
    copy.dependency.extend(dependencies)

    def tidy(entry: descriptor_pb2.DescriptorProto) -> None:
        for one in entry.field:
            one.ClearField("json_name")
        nested = sorted(entry.nested_type, key=lambda inner: inner.name)
        for inner in nested:
            tidy(inner)
        kept = [descriptor_pb2.DescriptorProto.FromString(inner.SerializeToString()) for inner in nested]
        del entry.nested_type[:]
        entry.nested_type.extend(kept)

    for entry in copy.message_type:
        tidy(entry)
    return copy


def generated(name: str) -> descriptor_pb2.FileDescriptorProto:
    assert duration_pb2.DESCRIPTOR.name  # registers google.protobuf.Duration
    proto = descriptor_pb2.FileDescriptorProto()
    descriptor_pool.Default().FindFileByName(name).CopyToProto(proto)
    return proto


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry["file"])
def test_generated_descriptors_equal_the_table(entry: dict[str, Any]) -> None:
    assert comparable(generated(entry["file"])) == comparable(from_table(entry))


def test_there_is_a_schema_for_each_file_and_no_other() -> None:
    assert sorted(str(path.relative_to(PROTO)) for path in PROTO.rglob("*.proto")) == sorted(e["file"] for e in TABLE)


#: A field or an enum's value, as they are written in the schemas.
DECLARATION = re.compile(
    r"(?:(required|optional|repeated)\s+)?(?:(map<[^>]+>|[\w.]+)\s+)?\b(\w+)\s*=\s*(\d+)\s*(?:\[([^\]]*)\])?\s*;"
)


def written(text: str) -> list[tuple[str, ...]]:
    """Name, number, label, type (the last part of its name), and options of everything that a schema declares."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL)
    found = []
    for label, kind, name, number, settings in DECLARATION.findall(text):
        is_map, is_value = kind.startswith("map<"), not kind
        last = kind.rstrip(">").rpartition(",")[2].strip().rpartition(".")[2]
        shown = "repeated" if is_map else "" if is_value else label or "optional"
        found.append((name, number, shown, last, settings.replace(" ", "")))
    return sorted(found)


def listed(messages: list[dict[str, Any]], enums: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The same of what the table lists."""
    found = [(v["name"], str(v["number"]), "", "", options(v)) for e in enums for v in e["values"]]
    for one in messages:
        if one.get("map_entry"):
            continue
        maps = {m["name"]: m for m in one.get("messages", []) if m.get("map_entry")}
        for f in one.get("fields", []):
            kind = f.get("type_name", f["type"]).rpartition(".")[2]
            if kind in maps:
                value = maps[kind]["fields"][1]
                kind = value.get("type_name", value["type"]).rpartition(".")[2]
            found.append((f["name"], str(f["number"]), f["label"], kind, options(f)))
        found += listed(one.get("messages", []), one.get("enums", []))
    return sorted(found)


def options(entry: dict[str, Any]) -> str:
    options = []
    if "default" in entry:
        options.append(f'default="{entry["default"]}"' if entry["type"] == "string" else f"default={entry['default']}")
    if entry.get("deprecated"):
        options.append("deprecated=true")
    return ",".join(options)


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: entry["file"])
def test_schema_texts_declare_what_the_table_lists(entry: dict[str, Any]) -> None:
    """A reader that knows just enough of the language: so a .proto that was changed without `make wire` is noticed."""
    text = (PROTO / entry["file"]).read_text().replace(f'syntax = "{entry["syntax"]}";', "")
    assert written(text) == listed(entry.get("messages", []), entry.get("enums", []))


def test_importing_the_messages_warns_of_nothing() -> None:
    """The generated modules and the installed protobuf runtime go together."""
    code = "import pymesoskit.wire.v1"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
