"""How the vectors on resources (`vectors/resources_*.json`) are asked and compared; `test_vectors.py` runs them.

`CHECKS` has one function per file: it takes a case and raises AssertionError where the answer differs. The forms are those of
`vectors/README.md`: lists compare as multisets unless the file says "in order", numbers within 1e-9.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from pymesoskit.resources import (
    Format,
    Quantities,
    Reservation,
    Resource,
    Resources,
    ResourcesError,
    operation_error,
    parse_attributes,
    validation_error,
)
from pymesoskit.resources.kind import (
    Disk,
    DiskRoot,
    DiskSource,
    Label,
    Persistence,
    Volume,
)
from pymesoskit.wire import ConversionError, from_json
from pymesoskit.wire.v1 import mesos_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from google.protobuf.message import Message

Case = dict[str, Any]
T = TypeVar("T")


# --- from the files' forms to values and back --------------------------------------------------------------------------


def plain_to_resources(plain: Iterable[Case]) -> Resources:
    return Resources(plain_to_resource(entry) for entry in plain)


def plain_to_resource(entry: Case) -> Resource:
    value = entry["value"]
    if entry["type"] == "RANGES":
        value = tuple((begin, end) for begin, end in value)
    return Resource(
        entry["name"],
        entry["type"],
        value,
        reservations=tuple(plain_to_reservation(layer) for layer in entry.get("reservations", ())),
        disk=plain_to_disk(entry["disk"]) if "disk" in entry else None,
        shared=entry.get("shared", False),
        revocable=entry.get("revocable", False),
        provider_id=entry.get("provider_id"),
    )


def plain_to_reservation(entry: Case) -> Reservation:
    labels = plain_to_labels(entry["labels"]) if "labels" in entry else None
    return Reservation(entry["type"], entry["role"], entry.get("principal"), labels)


def plain_to_labels(entry: Case) -> tuple[Label, ...]:
    return tuple(Label(label["key"], label.get("value")) for label in entry.get("labels", ()))


def plain_to_disk(entry: Case) -> Disk:
    persistence, volume, source = entry.get("persistence"), entry.get("volume"), entry.get("source")
    return Disk(
        None if persistence is None else Persistence(persistence["id"], persistence.get("principal")),
        None if volume is None else Volume(volume["container_path"], volume["mode"], volume.get("host_path")),
        None if source is None else plain_to_source(source),
    )


def plain_to_source(entry: Case) -> DiskSource:
    metadata = entry.get("metadata")
    return DiskSource(
        entry["type"],
        path=DiskRoot(entry["path"].get("root")) if "path" in entry else None,
        mount=DiskRoot(entry["mount"].get("root")) if "mount" in entry else None,
        vendor=entry.get("vendor"),
        id=entry.get("id"),
        metadata=None if metadata is None else plain_to_labels(metadata),
        profile=entry.get("profile"),
    )


def to_plain(resources: Iterable[Resource]) -> Iterator[Case]:
    """The plain form; a shared resource once per copy."""
    for resource in resources:
        message = Resources((resource,)).to_messages()[0]
        entry = _fields(message)
        plain: Case = {"name": resource.name, "type": resource.type.value, "value": resource.value}
        plain.update({key: entry[key] for key in ("reservations", "disk") if key in entry})
        plain.update({flag: True for flag in ("shared", "revocable") if flag in entry})
        if resource.provider_id is not None:
            plain["provider_id"] = resource.provider_id
        for _ in range(resource.copies):
            yield plain


def _fields(message: Message) -> Any:
    # All that is set, by name: no defaults, so that absent and empty stay apart.
    result: Case = {}
    for field, value in message.ListFields():
        result[field.name] = [_value(field, item) for item in value] if field.is_repeated else _value(field, value)
    return result


def _value(field: Any, value: Any) -> Any:
    if field.message_type is not None:
        return _fields(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value


def _canonical(entry: Case) -> str:
    # A text that is the same for equal entries: numbers to nine places, items of sets in any order.
    entry = dict(entry)
    if entry.get("type") == "SET":
        entry["value"] = sorted(entry["value"])
    return json.dumps(_rounded(entry), sort_keys=True)


def _rounded(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return f"{float(value):.9f}" if abs(value) < 2**53 else str(value)
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return value


def assert_same(actual: Resources | None, expected: list[Case] | None, *, what: str, in_order: bool = False) -> None:
    if actual is None or expected is None:
        assert (actual, expected) == (None, None), what
        return
    ours = [_canonical(entry) for entry in to_plain(actual)]
    theirs = [_canonical(entry) for entry in expected]
    if not in_order:
        ours.sort()
        theirs.sort()
    assert ours == theirs, what


def assert_amounts(actual: Quantities, expected: dict[str, float], *, what: str) -> None:
    assert list(actual) == sorted(expected), what
    for name, value in expected.items():
        assert abs(actual.get(name) - value) <= 1e-9, f"{what}: {name}: expected {value}, got {actual.get(name)}"


def _messages(entries: list[Case]) -> list[pb.Resource]:
    return [from_json(json.dumps(entry), pb.Resource) for entry in entries]


# --- one function per file ---------------------------------------------------------------------------------------------


def refusal(case: Case, ask: Callable[[], T]) -> T | None:
    """What is answered; None if it is refused, rightly and in the right words."""
    try:
        answer = ask()
    except ResourcesError as error:
        refused = str(error)
    else:
        assert "error" not in case, f"got {answer}, expected: {case['error']}"
        return answer
    assert refused == case.get("error")
    return None


def check_text(case: Case) -> None:
    resources = refusal(case, lambda: Resources.parse(case["text"], case.get("default_role", "*")))
    if resources is None:
        return
    assert_same(resources, case["resources"], what=case["text"], in_order=True)
    # The printed items of a set may come in another order than they were given in.
    if any(resource.type == "SET" for resource in resources):
        assert sorted(str(resources)) == sorted(case["printed"])
    else:
        assert str(resources) == case["printed"]


def check_attributes(case: Case) -> None:
    attributes = refusal(case, lambda: parse_attributes(case["text"]))
    if attributes is None:
        return
    plain = [{"name": one.name, "type": one.type.value, "value": one.value} for one in attributes]
    assert _rounded(plain) == _rounded(case["attributes"])
    assert str(attributes) == case["printed"]


def check_quantities(case: Case) -> None:
    quantities = refusal(case, lambda: Quantities.parse(case["text"]))
    if quantities is None:
        return
    assert_amounts(quantities, case["quantities"], what=case["text"])
    assert str(quantities) == case["printed"]


def check_validate(case: Case) -> None:
    messages = _messages(case["resources"])
    assert validation_error(messages) == case.get("error")
    if len(messages) == 1:
        assert validation_error(messages[0]) == case.get("single_error")
    if "error" not in case:
        resources = Resources.from_messages(messages)
        assert_same(resources, case["result"], what=str(resources))
        assert str(resources) == case["printed"]


def check_convert(case: Case) -> None:
    resources = [Resources.from_messages([message]) for message in _messages(case["resources"])]
    formats = {"post": Format.POST_REFINEMENT, "endpoint": Format.ENDPOINT, "pre": Format.PRE_REFINEMENT}
    for name, format_ in formats.items():
        expected = {"error": case[f"{name}_error"]} if f"{name}_error" in case else {}
        converted = refusal(
            expected, lambda form=format_: [_fields(m) for one in resources for m in one.to_messages(form)]
        )
        if converted is not None:
            assert _rounded(converted) == _rounded(case[name]), name


def check_binary(case: Case) -> None:
    a, b = plain_to_resources(case["a"]), plain_to_resources(case["b"])
    assert_same(a + b, case["sum"], what="sum")
    assert_same(a - b, case["difference"], what="difference")
    assert a.contains(b) is case["contains"]
    assert b.contains(a) is case["contained"]
    assert (a == b) is case["equal"]
    assert not case["equal"] or hash(a) == hash(b)
    assert_same(a.find(b), case["find"], what="find")
    ours, theirs, expected = a.scalar_quantities(), b.scalar_quantities(), case["quantities"]
    assert_amounts(ours + theirs, expected["sum"], what="sum of quantities")
    assert_amounts(ours - theirs, expected["difference"], what="difference of quantities")
    assert ours.contains(theirs) is expected["contains"]
    assert a.contains_quantities(b.scalar_quantities()) is case["contains_quantities"]


def check_unary(case: Case) -> None:
    a = plain_to_resources(case["a"])
    views = {
        "held": a,
        "to_unreserved": a.to_unreserved(),
        "unreserved": a.unreserved(),
        "reserved": a.reserved(),
        "revocable": a.revocable(),
        "non_revocable": a.non_revocable(),
        "shared": a.shared(),
        "non_shared": a.non_shared(),
        "scalars": a.scalars(),
        "persistent_volumes": a.persistent_volumes(),
        "stripped_scalar_quantity": a.stripped_scalar_quantity(),
    }
    for name, view in views.items():
        assert_same(view, case[name], what=name)
    assert_amounts(a.quantities(), case["quantities"], what="quantities")
    assert_amounts(a.scalar_quantities(), case["scalar_quantities"], what="scalar_quantities")
    for name in {*a.names(), *case["get_scalar"]}:
        assert a.get_scalar(name) == case["get_scalar"].get(name), name
    for role, expected in case["roles"].items():
        assert_same(a.allocatable_to(role), expected["allocatable_to"], what=f"allocatable to {role}")
        if "reserved" in expected:
            assert_same(a.reserved(role), expected["reserved"], what=f"reserved to {role}")
            assert_same(a.reserved_to_subtree(role), expected["reserved_to_subtree"], what=f"reserved below {role}")
    groups = a.by_reservation_role()
    assert groups.keys() == case["reservations"].keys()
    for role, expected in case["reservations"].items():
        assert_same(groups[role], expected, what=f"reservations of {role}")
    if "printed" in case:
        assert str(a) == case["printed"]


def check_push_pop(case: Case) -> None:
    a = plain_to_resources(case["a"])
    result = (
        a.pop_reservation() if case["op"] == "pop" else a.push_reservation(plain_to_reservation(case["reservation"]))
    )
    assert_same(result, case["result"], what=case["op"])


def check_apply(case: Case) -> None:
    operation = _operation(case)
    if operation is None:
        return
    assert operation_error(operation) == case.get("invalid")
    if "invalid" not in case:
        parts = {"error": _parts(case["error"])} if "error" in case else {}
        result = refusal(parts, lambda: _apply(case, operation))
        if result is not None:
            assert_same(result, case["result"], what="result")


def _operation(case: Case) -> pb.Offer.Operation | None:
    try:
        operation = from_json(json.dumps(case["operation"]), pb.Offer.Operation)
    except ConversionError as error:
        refused = str(error)
    else:
        assert "conversion_error" not in case
        return operation
    assert refused == case.get("conversion_error")
    return None


def _apply(case: Case, operation: pb.Offer.Operation) -> Resources:
    try:
        return plain_to_resources(case["a"]).apply(operation)
    except ResourcesError as error:
        raise ResourcesError(_parts(str(error))) from None


def _parts(error: str) -> str:
    # The order of what a pool does not contain is that of the arithmetic inside.
    return " does not contain ".join("; ".join(sorted(side.split("; "))) for side in error.split(" does not contain "))


CHECKS: dict[str, Callable[[Case], None]] = {
    "resources_text": check_text,
    "resources_json": check_text,
    "resources_attributes": check_attributes,
    "resources_quantities": check_quantities,
    "resources_validate": check_validate,
    "resources_convert": check_convert,
    "resources_binary": check_binary,
    "resources_unary": check_unary,
    "resources_push_pop": check_push_pop,
    "resources_apply": check_apply,
}
