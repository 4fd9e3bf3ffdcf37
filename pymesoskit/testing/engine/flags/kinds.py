"""The text of flags' values: durations, sizes, rates, switches, lists.

Each ``Kind`` of value knows how to read its text, how to write it as ``/flags`` does, and what a person should write.
Which flags there are stands in ``flags.py``. Source: docs/reference/agent-executor.md (notation; 14).
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import evolve, frozen

from pymesoskit.resources import Quantities, Resources, ResourcesError, parse_attributes
from pymesoskit.testing.runtime.units import Rate, parse_duration, parse_size, print_duration, print_size
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.authorization.acls import Acls

T = TypeVar("T")


@frozen
class Kind(Generic[T]):
    """What a flag's value is."""

    expects: str  # what a person should write, for error texts
    parse: Callable[[str], T]  # raises ValueError
    print: Callable[[T], str]
    check: Callable[[T], bool] | None = None  # whether a value that could be read is allowed; None: each is

    def limited(self, expects: str, check: Callable[[T], bool]) -> Kind[T]:
        """The same with fewer values allowed."""
        return evolve(self, expects=expects, check=check)


def _parse_bool(text: str) -> bool:
    if text not in {"true", "false", "1", "0"}:
        raise ValueError(text)
    return text in {"true", "1"}


def _parse_number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _parse_integer(text: str) -> int:
    if not re.fullmatch(r"\d+", text):
        raise ValueError(text)
    return int(text)


def _parse_percentage(text: str) -> float:
    if not text.endswith("%"):
        raise ValueError(text)
    return _parse_number(text[:-1]) / 100


def _parse_list(text: str) -> tuple[str, ...]:
    return tuple(item for item in text.split(",") if item)


def _parse_weights(text: str) -> tuple[tuple[str, float], ...]:
    weights = []
    for item in _parse_list(text):
        role, equals, weight = item.partition("=")
        if not equals or not role or _parse_number(weight) <= 0:
            raise ValueError(text)
        weights.append((role, float(weight)))
    return tuple(weights)


def _parse_resources(text: str) -> str:
    try:
        Resources.parse(text)
    except ResourcesError as error:
        raise ValueError(str(error)) from None
    return text


def _parse_attributes(text: str) -> str:
    try:
        parse_attributes(text)
    except ResourcesError as error:
        raise ValueError(str(error)) from None
    return text


def _parse_quantity_sets(text: str) -> tuple[Quantities, ...]:
    try:
        return tuple(Quantities.parse(part) for part in text.split("|") if part)
    except ResourcesError as error:
        raise ValueError(str(error)) from None


def read_text_or_file(text: str) -> str:
    """The text itself, or what the file holds that ``file:///path`` or ``/path`` names.

    Raises ValueError if the file cannot be read.
    """
    path = text.removeprefix("file://")
    if not path.startswith("/"):
        return text
    try:
        return Path(path).read_text()
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None


def _parse_variables(text: str) -> tuple[tuple[str, str], ...]:
    variables = json.loads(read_text_or_file(text))
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise ValueError("it must only contain string values")
    return tuple(variables.items())


def _parse_domain(text: str) -> mesos.DomainInfo:
    from pymesoskit.wire import ConversionError, JsonSyntaxError, from_json

    try:
        return from_json(read_text_or_file(text), mesos.DomainInfo)
    except (JsonSyntaxError, ConversionError) as error:
        raise ValueError(str(error)) from None


def _print_domain(domain: mesos.DomainInfo) -> str:
    from pymesoskit.wire import to_json

    return str(to_json(domain))


def _parse_acls(text: str) -> Acls:
    from pymesoskit.testing.engine.authorization.acls import parse_acls

    return parse_acls(read_text_or_file(text))


def _one_of(*names: str) -> Kind[str]:
    return TEXT.limited(f"one of {', '.join(names)}", frozenset(names).__contains__)


TEXT: Kind[str] = Kind("text", str, str)
PATH: Kind[str] = Kind("a path, /path/to/file or file:///path/to/file", lambda text: text.removeprefix("file://"), str)
BOOL: Kind[bool] = Kind("true or false", _parse_bool, lambda value: "true" if value else "false")
INTEGER: Kind[int] = Kind("a whole number", _parse_integer, str)
POSITIVE: Kind[int] = INTEGER.limited("a whole number of at least 1", lambda value: value >= 1)
PORT: Kind[int] = INTEGER.limited("a port, 0 to 65535", lambda value: 0 <= value <= 65535)
FRACTION: Kind[float] = Kind(
    "a number from 0 to 1", _parse_number, lambda x: f"{x:.15g}", lambda value: 0 <= value <= 1
)
PERCENTAGE: Kind[float] = Kind(
    "a percentage from 0% to 100%",
    _parse_percentage,
    lambda value: f"{value * 100:.15g}%",
    lambda value: 0 <= value <= 1,
)
DURATION: Kind[float] = Kind(
    "a duration such as 500ms, 5secs, 10mins, 1hrs, 2weeks", parse_duration, print_duration, lambda value: value >= 0
)
POSITIVE_DURATION: Kind[float] = DURATION.limited(
    "a duration of more than 0, such as 500ms or 5secs", lambda value: value > 0
)
SIZE: Kind[int] = Kind("a size such as 512B, 4KB, 2GB", parse_size, print_size)
RATE: Kind[Rate] = Kind("a rate COUNT/DURATION such as 1/10mins", Rate.parse, str)
LIST: Kind[tuple[str, ...]] = Kind("a comma-separated list", _parse_list, ",".join)
WEIGHTS: Kind[tuple[tuple[str, float], ...]] = Kind(
    "role=weight,role=weight with weights of more than 0",
    _parse_weights,
    lambda weights: ",".join(f"{role}={weight:.15g}" for role, weight in weights),
)
RESOURCES: Kind[str] = Kind("resources such as cpus:4;mem:4096;ports:[31000-32000]", _parse_resources, str)
ATTRIBUTES: Kind[str] = Kind("attributes such as rack:r1;level:10", _parse_attributes, str)
QUANTITY_SETS: Kind[tuple[Quantities, ...]] = Kind(
    "sets of quantities such as cpus:0.01|mem:32;ports:1",
    _parse_quantity_sets,
    lambda sets: "|".join(str(one) for one in sets),
)
VARIABLES: Kind[tuple[tuple[str, str], ...]] = Kind(
    'a JSON object such as {"PATH": "/bin:/usr/bin"}, or the path of a file with one',
    _parse_variables,
    lambda variables: json.dumps(dict(variables)),
)
DOMAIN: Kind[mesos.DomainInfo] = Kind(
    'a DomainInfo in JSON ({"fault_domain": {"region": {"name": "r"}, "zone": {"name": "z"}}}), or the path of a file',
    _parse_domain,
    _print_domain,
)
ACLS: Kind[Acls] = Kind(
    'ACLs in JSON ({"permissive": true, "run_tasks": […], …}), or the path of a file', _parse_acls, str
)
SORTER = _one_of("drf", "random")
REGISTRY = _one_of("in_memory", "replicated_log")
RECOVER = _one_of("reconnect", "cleanup")
RECONFIGURATION = _one_of("equal", "additive")
LOGGING_LEVEL = _one_of("INFO", "WARNING", "ERROR")

#: A kind whatever the type of its values, as tables of flags hold it.
AnyKind = Kind[Any]
