"""The syntax of an agent's ``--resources``: ``cpus:4;mem:1024;ports(web):[8000-8010]``, or a JSON array of messages.

Rules: docs/reference/json-and-resources.md, "Text syntax", and agent-executor.md, section 14.
"""

from __future__ import annotations

from typing import Any, Final, cast

from pymesoskit.resources.algebra import Resources
from pymesoskit.resources.checks import resource_error, validation_value_error
from pymesoskit.resources.errors import ResourcesError
from pymesoskit.resources.kind import Kind, Reservation
from pymesoskit.resources.messages import resource_from_message, upgrade
from pymesoskit.resources.resource import Resource, make_resource
from pymesoskit.resources.roles import DEFAULT_ROLE
from pymesoskit.resources.values import Value, ValueType, parse_value
from pymesoskit.wire import ConversionError, from_json, json_text
from pymesoskit.wire.errors import JsonSyntaxError
from pymesoskit.wire.v1 import mesos_pb2 as pb

_WHITE_SPACE: Final = " \t\n\r"


def parse_resources(text: str, default_role: str = DEFAULT_ROLE) -> Resources:
    """Returns the resources of a text, as ``Resources.parse``; if it is not a JSON array, it is read as plain text."""
    array = _json_array(text)
    result = Resources(_parse_plain(text, default_role) if array is None else _parse_json(array, default_role))
    error = _command_line_error(result)
    if error is not None:
        raise ResourcesError(error)
    return result


# --- plain text -------------------------------------------------------------------------------------------------------


def _parse_plain(text: str, default_role: str) -> list[Resource]:
    # Mesos reads all tokens before it validates the first resource; that decides which of two errors it reports.
    parsed = [_parse_token(token, default_role) for token in text.split(";") if token]
    for kind, value in parsed:
        error = resource_error(kind, value, validation_value_error)
        if error is not None:
            raise ResourcesError(error)
    return [make_resource(kind, value) for kind, value in parsed]


def _parse_token(token: str, default_role: str) -> tuple[Kind, Value]:
    pair = [part for part in token.split(":") if part]
    if len(pair) != 2:
        raise ResourcesError(f"Bad value for resources, missing or extra ':' in {token}")
    name, role = _split_role(pair[0], default_role, token)
    try:
        type_, value = parse_value(pair[1])
    except ResourcesError as error:
        raise ResourcesError(f"Failed to parse resource {name} value {pair[1]} error {error}") from None
    if type_ is ValueType.TEXT:
        raise ResourcesError(f"Bad type for resource {name} value {pair[1]} type TEXT")
    reservations = () if role == DEFAULT_ROLE else (Reservation.static(role),)
    return Kind(name, type_, reservations), cast("Value", value)


def _split_role(text: str, default_role: str, token: str) -> tuple[str, str]:
    opening, closing = text.find("("), text.find(")")
    if opening < 0:
        return text.strip(_WHITE_SPACE), default_role
    if closing < opening:
        raise ResourcesError(f"Bad value for resources, mismatched parentheses in {token}")
    return text[:opening].strip(_WHITE_SPACE), text[opening + 1 : closing].strip(_WHITE_SPACE)


# --- JSON -------------------------------------------------------------------------------------------------------------


def _json_array(text: str) -> list[Any] | None:
    if not text.lstrip(_WHITE_SPACE).startswith("["):
        return None
    try:
        value = json_text.loads(text.encode(errors="surrogatepass"))
    except JsonSyntaxError:
        return None
    return value if isinstance(value, list) else None


def _parse_json(array: list[Any], default_role: str) -> list[Resource]:
    try:
        messages = [from_json(json_text.dumps(element), pb.Resource) for element in array]
    except ConversionError as error:
        raise ResourcesError(f"Some JSON resources were not formatted properly: {error}") from None
    for message in messages:
        if not message.HasField("role") and not message.reservations:
            message.role = default_role
    # Unlike in messages, the older fields are dropped if a stack is given; they are not compared with it.
    return [resource_from_message(upgrade(message)) for message in messages]


# --- what cannot be given on a command line ---------------------------------------------------------------------------


def _command_line_error(resources: Resources) -> str | None:
    types: dict[str, ValueType] = {}
    for resource in resources:
        if resource.is_persistent_volume:
            return "Persistent volumes cannot be specified at the command line"
        if resource.revocable:
            return (
                "Revocable resources cannot be specified at the command line; do not include a 'revocable' key in the"
                " resources JSON"
            )
        if resource.is_dynamically_reserved:
            return (
                "Dynamic reservations cannot be specified at the command line; do not include a reservation with"
                " DYNAMIC type in the resources JSON"
            )
        if types.setdefault(resource.name, resource.type) is not resource.type:
            return f"Resources with the same name ('{resource.name}') but different types are not allowed"
    return None
