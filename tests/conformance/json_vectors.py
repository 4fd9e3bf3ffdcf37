"""How the vectors on Mesos JSON (`vectors/json_*.json`) are asked and compared; `test_vectors.py` runs them."""

from __future__ import annotations

import base64
import json
import math
from typing import TYPE_CHECKING, Any

from pymesoskit.wire import ConversionError, JsonSyntaxError, from_json, to_json, v1

if TYPE_CHECKING:
    from google.protobuf.message import Message

Case = dict[str, Any]

#: Part of the one refusal that Mesos does not have: where a number is outside the range of its integer field, what C++ makes of it depends on the
#: processor, and an error serves people better (docs/fidelity.md).
OUT_OF_RANGE = "is out of range for field"


def message_type(name: str) -> type[Message]:
    """`scheduler.Call`, `Resource`: names below `mesos.v1.`"""
    package, _, rest = name.partition(".")
    found: Any = getattr(v1, package) if package.islower() else v1.mesos
    for part in (rest if package.islower() else name).split("."):
        found = getattr(found, part)
    return found


def numbers(value: object) -> list[float]:
    if isinstance(value, dict | list):
        return [number for item in (value.values() if isinstance(value, dict) else value) for number in numbers(item)]
    if isinstance(value, str):
        try:
            return [json.loads(value)] if isinstance(json.loads(value), int | float) else []
        except ValueError:
            return []
    return [value] if isinstance(value, int | float) else []


def explained_by_cpp(case: Case) -> bool:
    """Whether the answer hangs on a conversion that C++ does not define: a double outside the range of an integer."""
    doubles = [n for n in numbers(json.loads(case["json"])) if isinstance(n, float) or not -(2**63) <= n < 2**63]
    return "base64" in case and any(math.isfinite(n) and (n <= -1 or n >= 2**31) for n in doubles)


def check(case: Case) -> None:
    found = ask(case)
    if OUT_OF_RANGE in found.get("error", ""):
        assert explained_by_cpp(case), case
        return
    assert found == {key: value for key, value in case.items() if key not in {"type", "json"}}, case["json"]


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
