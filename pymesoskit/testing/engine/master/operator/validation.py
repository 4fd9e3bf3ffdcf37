"""Whether an operator's call has what its type needs. Source: docs/reference/operator-api.md 2."""

from __future__ import annotations

from pymesoskit.wire.v1 import master as pb

Type = pb.Call.Type

#: The payload that a call of each type must carry; the other types need none.
_PAYLOADS = {
    Type.GET_METRICS: "get_metrics",
    Type.SET_LOGGING_LEVEL: "set_logging_level",
    Type.LIST_FILES: "list_files",
    Type.READ_FILE: "read_file",
    Type.UPDATE_WEIGHTS: "update_weights",
    Type.RESERVE_RESOURCES: "reserve_resources",
    Type.UNRESERVE_RESOURCES: "unreserve_resources",
    Type.CREATE_VOLUMES: "create_volumes",
    Type.DESTROY_VOLUMES: "destroy_volumes",
    Type.GROW_VOLUME: "grow_volume",
    Type.SHRINK_VOLUME: "shrink_volume",
    Type.UPDATE_MAINTENANCE_SCHEDULE: "update_maintenance_schedule",
    Type.START_MAINTENANCE: "start_maintenance",
    Type.STOP_MAINTENANCE: "stop_maintenance",
    Type.DRAIN_AGENT: "drain_agent",
    Type.DEACTIVATE_AGENT: "deactivate_agent",
    Type.REACTIVATE_AGENT: "reactivate_agent",
    Type.UPDATE_QUOTA: "update_quota",
    Type.SET_QUOTA: "set_quota",
    Type.REMOVE_QUOTA: "remove_quota",
    Type.TEARDOWN: "teardown",
    Type.MARK_AGENT_GONE: "mark_agent_gone",
}


def call_error(call: pb.Call) -> str | None:
    """The first thing wrong with the call, or None."""
    if not call.HasField("type"):
        return "Expecting 'type' to be present"
    payload = _PAYLOADS.get(call.type)
    if payload is not None and not call.HasField(payload):
        return f"Expecting '{payload}' to be present"
    if call.type == Type.GROW_VOLUME and not call.grow_volume.HasField("agent_id"):
        return "Expecting 'agent_id' to be present"
    if call.type == Type.SHRINK_VOLUME and not call.shrink_volume.HasField("agent_id"):
        return "Expecting 'agent_id' to be present"
    return None
