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

_INTEGER = re.compile(r"\d{1,19}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class BadValue(ValueError):
    """A text is not a flag's value, and there is more to say than what is expected; the message says it to people."""


@frozen
class Kind(Generic[T]):
    """What the value of a flag is."""

    expects: str  # what a person should write, for error texts
    parse: Callable[[str], T]  # raises ValueError; the message is shown if it is a BadValue
    print: Callable[[T], str]
    holds: type | tuple[type, ...]  # the Python types of values
    check: Callable[[T], bool] | None = None  # whether a value that could be read is allowed; None: each is

    def limited(self, expects: str, check: Callable[[T], bool]) -> Kind[T]:
        """Returns a kind with the same syntax that allows only some of the values."""
        return evolve(self, expects=expects, check=check)

    def is_value(self, value: object) -> bool:
        """Whether the object can be a value of this kind, whether allowed or not."""
        return isinstance(value, self.holds) and not (isinstance(value, bool) and self.holds is not bool)


def _parse_bool(text: str) -> bool:
    if text not in {"true", "false", "1", "0"}:
        raise ValueError(text)
    return text in {"true", "1"}


def _parse_number(text: str) -> float:
    number = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _parse_integer(text: str) -> int:
    if not _INTEGER.fullmatch(text) or int(text) >= 2**63:
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
        raise BadValue(str(error)) from None
    return text


def _parse_attributes(text: str) -> str:
    try:
        parse_attributes(text)
    except ResourcesError as error:
        raise BadValue(str(error)) from None
    return text


def _parse_quantity_sets(text: str) -> tuple[Quantities, ...]:
    try:
        return tuple(Quantities.parse(part) for part in text.split("|") if part)
    except ResourcesError as error:
        raise BadValue(str(error)) from None


def read_text_or_file(text: str) -> str:
    """Returns the text, or what the file holds if the text is the path of one (``file:///path`` or ``/path``).

    Raises ``BadValue`` if the file cannot be read.
    """
    path = text.removeprefix("file://")
    if not path.startswith("/"):
        return text
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise BadValue(f"cannot read {path}: {error.strerror}") from None
    except ValueError:  # a NUL in the path; bytes in the file that are not UTF-8
        raise BadValue(f"cannot read {path!r}: the path or the file's content is not valid text") from None


def _parse_variables(text: str) -> tuple[tuple[str, str], ...]:
    try:
        variables = json.loads(read_text_or_file(text))
    except json.JSONDecodeError as error:
        raise BadValue(f"it is not JSON: {error}") from None
    except RecursionError:
        raise BadValue("it is not JSON of a usual depth") from None
    if not isinstance(variables, dict) or not all(isinstance(value, str) for value in variables.values()):
        raise BadValue("it must only contain string values")
    return tuple(variables.items())


def _parse_domain(text: str) -> mesos.DomainInfo:
    from pymesoskit.wire import ConversionError, JsonSyntaxError, from_json

    try:
        return from_json(read_text_or_file(text), mesos.DomainInfo)
    except (JsonSyntaxError, ConversionError) as error:
        raise BadValue(str(error)) from None


def _print_domain(domain: mesos.DomainInfo) -> str:
    from pymesoskit.wire import to_json

    return str(to_json(domain))


def _parse_acls(text: str) -> Acls:
    from pymesoskit.testing.engine.authorization.acls import AclError, parse_acls

    try:
        return parse_acls(read_text_or_file(text))
    except AclError as error:
        raise BadValue(str(error)) from None


def _one_of(*names: str) -> Kind[str]:
    return TEXT.limited(f"one of {', '.join(names)}", frozenset(names).__contains__)


_REAL = (int, float)

TEXT: Kind[str] = Kind("text", str, str, str)
PATH: Kind[str] = Kind(
    "a path, /path/to/file or file:///path/to/file", lambda text: text.removeprefix("file://"), str, str
)
BOOL: Kind[bool] = Kind("true or false", _parse_bool, lambda value: "true" if value else "false", bool)
INTEGER: Kind[int] = Kind("a whole number", _parse_integer, str, int)
POSITIVE: Kind[int] = INTEGER.limited("a whole number of at least 1", lambda value: value >= 1)
PORT: Kind[int] = INTEGER.limited("a port, 0 to 65535", lambda value: 0 <= value <= 65535)
FRACTION: Kind[float] = Kind(
    "a number from 0 to 1", _parse_number, lambda x: f"{x:.15g}", _REAL, lambda value: 0 <= value <= 1
)
PERCENTAGE: Kind[float] = Kind(
    "a percentage from 0% to 100%",
    _parse_percentage,
    lambda value: f"{value * 100:.15g}%",
    _REAL,
    lambda value: 0 <= value <= 1,
)
DURATION: Kind[float] = Kind(
    "a duration such as 500ms, 5secs, 10mins, 1hrs, 2weeks",
    parse_duration,
    print_duration,
    _REAL,
    lambda value: value >= 0,
)
POSITIVE_DURATION: Kind[float] = DURATION.limited(
    "a duration of more than 0, such as 500ms or 5secs", lambda value: value > 0
)
SIZE: Kind[int] = Kind("a size such as 512B, 4KB, 2GB", parse_size, print_size, int)
RATE: Kind[Rate] = Kind("a rate COUNT/DURATION such as 1/10mins", Rate.parse, str, Rate)
LIST: Kind[tuple[str, ...]] = Kind("a comma-separated list", _parse_list, ",".join, tuple)
WEIGHTS: Kind[tuple[tuple[str, float], ...]] = Kind(
    "role=weight,role=weight with weights of more than 0",
    _parse_weights,
    lambda weights: ",".join(f"{role}={weight:.15g}" for role, weight in weights),
    tuple,
)
RESOURCES: Kind[str] = Kind("resources such as cpus:4;mem:4096;ports:[31000-32000]", _parse_resources, str, str)
ATTRIBUTES: Kind[str] = Kind("attributes such as rack:r1;level:10", _parse_attributes, str, str)
QUANTITY_SETS: Kind[tuple[Quantities, ...]] = Kind(
    "sets of quantities such as cpus:0.01|mem:32;ports:1",
    _parse_quantity_sets,
    lambda sets: "|".join(str(one) for one in sets),
    tuple,
)
VARIABLES: Kind[tuple[tuple[str, str], ...]] = Kind(
    'a JSON object such as {"PATH": "/bin:/usr/bin"}, or the path of a file with one',
    _parse_variables,
    lambda variables: json.dumps(dict(variables)),
    tuple,
)
DOMAIN: Kind[mesos.DomainInfo] = Kind(
    'a DomainInfo in JSON ({"fault_domain": {"region": {"name": "r"}, "zone": {"name": "z"}}}), or the path of a file',
    _parse_domain,
    _print_domain,
    mesos.DomainInfo,
)
ACLS: Kind[Acls] = Kind(
    'ACLs in JSON ({"permissive": true, "run_tasks": […], …}), or the path of a file', _parse_acls, str, object
)
SORTER = _one_of("drf", "random")
REGISTRY = _one_of("in_memory", "replicated_log")
RECOVER = _one_of("reconnect", "cleanup")
RECONFIGURATION = _one_of("equal", "additive")
LOGGING_LEVEL = _one_of("INFO", "WARNING", "ERROR")

#: A kind whatever the type of its values, as tables of flags hold it.
AnyKind = Kind[Any]
