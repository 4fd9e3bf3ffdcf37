#!/usr/bin/env python3
"""Regenerate pymesoskit/wire/v1 from pymesoskit/wire/proto (`make wire`).

protoc places a module by the path of its .proto file (mesos/v1/scheduler/…) and imports it from the top of sys.path.
Here the modules live in one package, pymesoskit.wire.v1, so their names are rewritten: in imports, and in the modules
that the message classes say they are from (which is where pickle looks for them).

protoc's stubs leave types open: mappings without parameters, and a metaclass of enums that is none. Both are completed
here, so that type checkers know every symbol.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "pymesoskit" / "wire" / "proto"
TARGET = ROOT / "pymesoskit" / "wire" / "v1"

#: `from mesos.v1.quota import quota_pb2 as …` and `from mesos.v1 import mesos_pb2 as …`
IMPORT = re.compile(r"^from mesos\.v1(?:\.\w+)? import (\w+_pb2)", re.MULTILINE)

#: `_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, 'mesos.v1.quota.quota_pb2', _globals)`
MODULE = re.compile(r"(BuildTopDescriptorsAndMessages\(DESCRIPTOR, )'mesos\.v1(?:\.\w+)?\.(\w+_pb2)'")

OPEN_MAPPING = re.compile(r"\b_Mapping\b(?![\[,\n])")
TYPING = re.compile(r"^from typing import .*$", re.MULTILINE)
WRAPPER_IMPORT = "from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper\n"
WRAPPER = "_enum_type_wrapper.EnumTypeWrapper"
FIRST_STATEMENT = "DESCRIPTOR: _descriptor.FileDescriptor\n"

#: What a class of an enum can do (google.protobuf.internal.enum_type_wrapper.EnumTypeWrapper).
ENUM_TYPE = """
_E = _TypeVar("_E")

class _EnumType(type):
    @property
    def DESCRIPTOR(self) -> _descriptor.EnumDescriptor: ...
    def Name(self, number: int) -> str: ...
    def Value(self: type[_E], name: str) -> _E: ...
    def keys(self) -> list[str]: ...
    def values(self: type[_E]) -> list[_E]: ...
    def items(self: type[_E]) -> list[tuple[str, _E]]: ...
"""


def main() -> int:
    sources = sorted(str(path.relative_to(PROTO)) for path in (PROTO / "mesos").rglob("*.proto"))
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory)
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PROTO}", f"--python_out={out}", f"--pyi_out={out}"]
        subprocess.run([*command, *sources], check=True)
        for stale in TARGET.glob("*_pb2.py*"):
            stale.unlink()
        for path in sorted(out.rglob("*_pb2.py*")):
            text = IMPORT.sub(r"from pymesoskit.wire.v1 import \1", path.read_text())
            text = complete_stub(text) if path.suffix == ".pyi" else rename_module(text)
            (TARGET / path.name).write_text(text)
            print(f"wrote {(TARGET / path.name).relative_to(ROOT)}")
    return 0


def rename_module(text: str) -> str:
    """Returns a generated module whose classes name the module that they can be imported from."""
    text, count = MODULE.subn(r"\1'pymesoskit.wire.v1.\2'", text)
    assert count == 1
    return text


def complete_stub(text: str) -> str:
    """Returns a generated stub without open types."""
    head, statement, rest = text.partition(FIRST_STATEMENT)
    assert statement
    rest = OPEN_MAPPING.sub("_Mapping[str, _Any]", rest)
    names = {"Any as _Any", "ClassVar as _ClassVar", "Optional as _Optional", "Union as _Union"}
    if WRAPPER in rest:
        rest = ENUM_TYPE + rest.replace(WRAPPER, "_EnumType")
        names.add("TypeVar as _TypeVar")
    imports = f"from typing import {', '.join(sorted(names))}"
    return TYPING.sub(imports, head.replace(WRAPPER_IMPORT, "")) + statement + rest


if __name__ == "__main__":
    sys.exit(main())
