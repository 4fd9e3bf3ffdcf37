"""How the vectors on Mesos JSON (`vectors/json_*.json`) are asked and compared; `test_vectors.py` runs them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from pymesoskit.wire import ConversionError, JsonSyntaxError, from_json, to_json, v1

if TYPE_CHECKING:
    from google.protobuf.message import Message

Case = dict[str, Any]


def message_type(name: str) -> type[Message]:
    """`scheduler.Call`, `Resource`: names below `mesos.v1.`"""
    package, _, rest = name.partition(".")
    found: Any = getattr(v1, package) if package.islower() else v1.mesos
    for part in (rest if package.islower() else name).split("."):
        found = getattr(found, part)
    return found


def check(case: Case) -> None:
    assert ask(case) == {key: value for key, value in case.items() if key not in {"type", "json"}}, case["json"]


def ask(case: Case) -> dict[str, str]:
    """What is made of the case's text, under the names that the files use."""
    try:
        message = from_json(case["json"], message_type(case["type"]))
    except JsonSyntaxError as error:
        return {"syntax_error": str(error)}
    except ConversionError as error:
        raw = str(error).encode(errors="surrogateescape")
        return {"error_base64": base64.b64encode(raw).decode()} if "error_base64" in case else {"error": raw.decode()}
    return {"base64": base64.b64encode(message.SerializePartialToString()).decode(), "printed": to_json(message)}


CHECKS = {
    f"json_{name}": check
    for name in (
        "booleans", "bytes", "calls", "defaults_and_deprecated", "duplicates_and_order", "maps", "nesting", "numbers", "oneofs",
        "repeated", "required", "strings", "syntax", "unknown_null_types",
    )
}  # fmt: skip
