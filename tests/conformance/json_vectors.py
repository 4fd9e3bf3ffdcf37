"""How the vectors on Mesos JSON (`vectors/json_*.json`) are asked and compared; `test_vectors.py` runs them."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

from google.protobuf.message import Message

from pymesoskit.wire import ConversionError, JsonSyntaxError, from_json, to_json
from pymesoskit.wire import v1

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
            return [float(value)]
        except ValueError:
            return []
    return [value] if isinstance(value, int | float) else []


def explained_by_cpp(case: Case) -> bool:
    """Whether the answer hangs on a conversion that C++ does not define: a number of 2**63 or more for an integer."""
    return "base64" in case and any(math.isfinite(n) and abs(n) >= 2**63 for n in numbers(json.loads(case["json"])))


def check(case: Case) -> None:
    try:
        message = from_json(case["json"], message_type(case["type"]))
    except JsonSyntaxError as error:
        assert str(error) == case.get("syntax_error"), case
    except ConversionError as error:
        if OUT_OF_RANGE in str(error):
            assert explained_by_cpp(case), case
        elif "error_base64" in case:
            assert str(error).encode(errors="surrogateescape") == base64.b64decode(case["error_base64"]), case
        else:
            assert str(error) == case.get("error"), case
    else:
        assert base64.b64encode(message.SerializePartialToString()).decode() == case.get("base64"), case
        printed = to_json(message)
        # In rare cases Mesos writes other last digits than the shortest form; then the numbers are the same.
        assert printed == case["printed"] or same_but_for_digits(printed, case["printed"]), (printed, case)


def same_but_for_digits(a: str, b: str) -> bool:
    # The numbers are compared as doubles: the forms must differ by more than their last digits to be different numbers.
    return json.loads(a, parse_float=close) == json.loads(b, parse_float=close) and list(json.loads(a)) == list(json.loads(b))


def close(text: str) -> str:
    return f"{float(text):.15g}"


CHECKS = {
    f"json_{name}": check
    for name in (
        "booleans", "bytes", "calls", "defaults_and_deprecated", "duplicates_and_order", "maps", "nesting", "numbers", "oneofs",
        "repeated", "required", "strings", "syntax", "unknown_null_types",
    )
}  # fmt: skip
