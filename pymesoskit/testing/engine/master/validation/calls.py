"""Scheduler calls: is everything there that its type needs? Source: docs/reference/scheduler-api.md 1.3."""

from __future__ import annotations

from pymesoskit.testing.engine.validation import uuid_error
from pymesoskit.wire.v1 import scheduler

Type = scheduler.Call.Type

#: The message that a call of each type must carry; REVIVE, SUPPRESS and TEARDOWN need none.
_PAYLOADS = {
    Type.SUBSCRIBE: "subscribe",
    Type.ACCEPT: "accept",
    Type.DECLINE: "decline",
    Type.ACCEPT_INVERSE_OFFERS: "accept_inverse_offers",
    Type.DECLINE_INVERSE_OFFERS: "decline_inverse_offers",
    Type.KILL: "kill",
    Type.SHUTDOWN: "shutdown",
    Type.ACKNOWLEDGE: "acknowledge",
    Type.ACKNOWLEDGE_OPERATION_STATUS: "acknowledge_operation_status",
    Type.RECONCILE: "reconcile",
    Type.RECONCILE_OPERATIONS: "reconcile_operations",
    Type.MESSAGE: "message",
    Type.REQUEST: "request",
    Type.UPDATE_FRAMEWORK: "update_framework",
}


def call_error(call: scheduler.Call, principal: str | None) -> str | None:
    """The first thing wrong with the call; ``principal`` is who sent it, if that is known."""
    if not call.HasField("type"):
        return "Expecting 'type' to be present"
    if call.type != Type.SUBSCRIBE and not call.HasField("framework_id"):
        return "Expecting 'framework_id' to be present"
    payload = _PAYLOADS.get(call.type)
    if payload is not None and not call.HasField(payload):
        return f"Expecting '{payload}' to be present"
    rule = _RULES.get(call.type)
    return rule(call, principal) if rule is not None else None


def principal_mismatch(principal: str, claimed: str) -> str:
    """The text about a caller who is not the framework's principal."""
    return f"Authenticated principal '{principal}' does not match principal '{claimed}' set in `FrameworkInfo`"


def _subscribe_error(call: scheduler.Call, principal: str | None) -> str | None:
    info = call.subscribe.framework_info
    if info.id.value != call.framework_id.value:
        return "'framework_id' differs from 'subscribe.framework_info.id'"
    if principal is not None and info.HasField("principal") and info.principal != principal:
        return principal_mismatch(principal, info.principal)
    return None


def _acknowledge_error(call: scheduler.Call, _: str | None) -> str | None:
    return uuid_error(call.acknowledge.uuid)


def _acknowledge_operation_error(call: scheduler.Call, _: str | None) -> str | None:
    error = uuid_error(call.acknowledge_operation_status.uuid)
    if error is None and not call.acknowledge_operation_status.HasField("agent_id"):
        return "Expecting 'agent_id' to be present"
    return error


def _update_framework_error(call: scheduler.Call, _: str | None) -> str | None:
    if call.update_framework.framework_info.id.value != call.framework_id.value:
        return "'framework_id' differs from 'update_framework.framework_info.id'"
    return None


_RULES = {
    Type.SUBSCRIBE: _subscribe_error,
    Type.ACKNOWLEDGE: _acknowledge_error,
    Type.ACKNOWLEDGE_OPERATION_STATUS: _acknowledge_operation_error,
    Type.UPDATE_FRAMEWORK: _update_framework_error,
}
