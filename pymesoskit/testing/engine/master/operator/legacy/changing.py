"""The older endpoints that change something, and those that show what they change. All answer errors in plain text.

Source: docs/reference/operator-api.md 3.2 and 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pymesoskit.testing.engine.http.forms import decode_form
from pymesoskit.testing.engine.http.handler import Response
from pymesoskit.testing.engine.http.v1 import check_method, refuse
from pymesoskit.testing.engine.master.operator import maintenance, quota, reservations, weights
from pymesoskit.testing.engine.master.operator.changes import teardown
from pymesoskit.testing.engine.master.operator.legacy.answers import json_answer, json_text_answer
from pymesoskit.wire import ConversionError, JsonSyntaxError, from_json_value, to_json, to_json_value
from pymesoskit.wire.json_text import loads
from pymesoskit.wire.v1 import maintenance as pb_maintenance
from pymesoskit.wire.v1 import mesos
from pymesoskit.wire.v1 import quota as pb_quota

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf.message import Message

    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.http.handler import Request
    from pymesoskit.testing.engine.master.core import Core


M = TypeVar("M", bound="Message")
V = TypeVar("V", bound="dict[str, object] | list[object]")

OK = Response(200)
ACCEPTED = Response(202)

Operation = mesos.Offer.Operation


def _parse(text: str | bytes, kind: type[V]) -> V:
    """A JSON list or object. Raises ``JsonSyntaxError``."""
    value = loads(text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text)
    if not isinstance(value, kind):
        raise JsonSyntaxError("Unexpected JSON type parsed")
    return value


def _messages(kind: type[M], elements: Iterable[object]) -> list[M]:
    """The messages that JSON values stand for. Raises ``ConversionError``."""
    return [from_json_value(element, kind) for element in elements]


# Quota and weights


def serve_quota(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/quota`` and ``/quota/<role>``."""
    check_method(request, "GET", "POST", "DELETE")
    if request.method == "GET":
        return json_text_answer(to_json(quota.status(core, permissions)), request)
    if request.method == "POST":
        quota.set_quota(core, _quota_request(request.body), permissions)
    else:
        path = request.path
        if not path.startswith("/master/"):
            path = f"/master{path}"  # as libprocess writes it when it passes a request on
        parts = [part for part in path.split("/") if part]
        if len(parts) < 3:
            text = f"expected 3 tokens, found {len(parts)} tokens"
            raise refuse(400, f"Failed to parse remove quota request for path '{path}': {text}")
        quota.remove(core, "/".join(parts[2:]), permissions, path)
    return OK


def _quota_request(body: bytes) -> pb_quota.QuotaRequest:
    shown = body.decode("utf-8", "surrogateescape")
    try:
        return from_json_value(_parse(body, dict), pb_quota.QuotaRequest)
    except JsonSyntaxError as error:
        raise refuse(400, f"Failed to parse set quota request JSON '{shown}': {error}") from None
    except ConversionError as error:
        raise refuse(400, f"Failed to validate set quota request JSON '{shown}': {error}") from None


def serve_weights(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/weights``."""
    check_method(request, "GET", "PUT")
    if request.method == "GET":
        return json_answer([to_json_value(info) for info in weights.all_weights(core, permissions)], request)
    shown = request.body.decode("utf-8", "surrogateescape")
    try:
        infos = _messages(mesos.WeightInfo, _parse(request.body, list))
    except JsonSyntaxError as error:
        raise refuse(400, f"Failed to parse update weights request JSON '{shown}': {error}") from None
    except ConversionError as error:
        raise refuse(400, f"Failed to convert weights JSON array to protobuf '{shown}': {error}") from None
    weights.update(core, infos, permissions)
    return OK


# Maintenance


def serve_schedule(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/maintenance/schedule``."""
    check_method(request, "GET", "POST")
    if request.method == "GET":
        return json_text_answer(to_json(maintenance.schedule(core, permissions)), request)
    try:
        schedule = from_json_value(_parse(request.body, dict), pb_maintenance.Schedule)
    except (JsonSyntaxError, ConversionError) as error:
        raise refuse(400, str(error)) from None
    maintenance.update_schedule(core, schedule, permissions)
    return OK


def serve_maintenance_status(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/maintenance/status``."""
    check_method(request, "GET")
    return json_text_answer(to_json(maintenance.status(core, permissions)), request)


def _machines(request: Request) -> list[mesos.MachineID]:
    check_method(request, "POST")
    try:
        return _messages(mesos.MachineID, _parse(request.body, list))
    except (JsonSyntaxError, ConversionError) as error:
        raise refuse(400, str(error)) from None


def machine_down(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/machine/down``."""
    maintenance.start(core, _machines(request), permissions)
    return OK


def machine_up(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/machine/up``."""
    maintenance.stop(core, _machines(request), permissions)
    return OK


# Forms


def _form(request: Request) -> dict[str, str]:
    check_method(request, "POST")
    try:
        return decode_form(request.body)
    except ValueError as error:
        raise refuse(400, f"Unable to decode query string: {error}") from None


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if value is None:
        raise refuse(400, f"Missing '{name}' query parameter in the request body")
    return value


def _resources(form: Mapping[str, str], name: str, parsing: str = "Error in parsing") -> list[mesos.Resource]:
    text = _required(form, name)
    try:
        return _messages(mesos.Resource, _parse(text, list))
    except (JsonSyntaxError, ConversionError) as error:
        raise refuse(400, f"{parsing} '{name}' query parameter in the request body: {error}") from None


def serve_teardown(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/teardown``."""
    teardown(core, _required(_form(request), "frameworkId"), permissions)
    return OK


def reserve(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/reserve``."""
    form = _form(request)
    agent_id = _required(form, "slaveId")
    message = Operation.Reserve(resources=_resources(form, "resources", "Error parsing"))
    if "source" in form:
        message.source.extend(_resources(form, "source", "Error parsing"))
    reservations.apply(core, agent_id, Operation(type=Operation.RESERVE, reserve=message), permissions)
    return ACCEPTED


def unreserve(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/unreserve``."""
    form = _form(request)
    agent_id = _required(form, "slaveId")
    message = Operation.Unreserve(resources=_resources(form, "resources"))
    reservations.apply(core, agent_id, Operation(type=Operation.UNRESERVE, unreserve=message), permissions)
    return ACCEPTED


def create_volumes(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/create-volumes``."""
    form = _form(request)
    agent_id = _required(form, "slaveId")
    message = Operation.Create(volumes=_resources(form, "volumes"))
    reservations.apply(core, agent_id, Operation(type=Operation.CREATE, create=message), permissions)
    return ACCEPTED


def destroy_volumes(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/destroy-volumes``."""
    form = _form(request)
    agent_id = _required(form, "slaveId")
    message = Operation.Destroy(volumes=_resources(form, "volumes"))
    reservations.apply(core, agent_id, Operation(type=Operation.DESTROY, destroy=message), permissions)
    return ACCEPTED
