"""What calls to the agent's operator API must have, with Mesos's texts.

Source: docs/reference/operator-api.md 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.wire.v1 import agent, mesos

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Longest id of anything, and of a container.
MAX_ID_LENGTH = 255
MAX_CONTAINER_ID_LENGTH = 242

#: The payload that each type of call must have.
PAYLOADS: Mapping[int, str] = {
    agent.Call.GET_METRICS: "get_metrics",
    agent.Call.SET_LOGGING_LEVEL: "set_logging_level",
    agent.Call.LIST_FILES: "list_files",
    agent.Call.READ_FILE: "read_file",
    agent.Call.LAUNCH_NESTED_CONTAINER: "launch_nested_container",
    agent.Call.WAIT_NESTED_CONTAINER: "wait_nested_container",
    agent.Call.KILL_NESTED_CONTAINER: "kill_nested_container",
    agent.Call.REMOVE_NESTED_CONTAINER: "remove_nested_container",
    agent.Call.LAUNCH_NESTED_CONTAINER_SESSION: "launch_nested_container_session",
    agent.Call.ATTACH_CONTAINER_INPUT: "attach_container_input",
    agent.Call.ATTACH_CONTAINER_OUTPUT: "attach_container_output",
    agent.Call.LAUNCH_CONTAINER: "launch_container",
    agent.Call.WAIT_CONTAINER: "wait_container",
    agent.Call.KILL_CONTAINER: "kill_container",
    agent.Call.REMOVE_CONTAINER: "remove_container",
    agent.Call.ADD_RESOURCE_PROVIDER_CONFIG: "add_resource_provider_config",
    agent.Call.UPDATE_RESOURCE_PROVIDER_CONFIG: "update_resource_provider_config",
    agent.Call.REMOVE_RESOURCE_PROVIDER_CONFIG: "remove_resource_provider_config",
    agent.Call.MARK_RESOURCE_PROVIDER_GONE: "mark_resource_provider_gone",
}


def call_error(call: agent.Call) -> str | None:
    """What is wrong with a call; None if nothing is."""
    if not call.HasField("type"):
        return "Expecting 'type' to be present"
    name = PAYLOADS.get(call.type)
    if name is None:
        return None
    if not call.HasField(name):
        return f"Expecting '{name}' to be present"
    if call.type == agent.Call.ATTACH_CONTAINER_INPUT:
        return _input_error(call.attach_container_input)
    payload = getattr(call, name)
    if "container_id" not in type(payload).DESCRIPTOR.fields_by_name:
        return None
    error = container_id_error(payload.container_id)
    if error is not None:
        return f"'{name}.container_id' is invalid: {error}"
    if "nested" in name and not payload.container_id.HasField("parent"):
        return f"Expecting '{name}.container_id.parent' to be present"
    return None


def _input_error(attach: agent.Call.AttachContainerInput) -> str | None:
    if not attach.HasField("type"):
        return "Expecting 'attach_container_input.type' to be present"
    if attach.type == agent.Call.AttachContainerInput.UNKNOWN:
        return "'attach_container_input.type' is unknown"
    if attach.type == agent.Call.AttachContainerInput.CONTAINER_ID:
        error = container_id_error(attach.container_id)
        return None if error is None else f"'attach_container_input.container_id' is invalid: {error}"
    return None


def id_error(name: str) -> str | None:
    """What is wrong with an id of any kind."""
    if not name:
        return "ID must not be empty"
    if len(name.encode()) > MAX_ID_LENGTH:
        return f"ID must not be greater than {MAX_ID_LENGTH} characters"
    if name in {".", ".."}:
        return f"'{name}' is disallowed"
    if any(character in "/\\" or ord(character) < 0x20 or ord(character) == 0x7F for character in name):
        return f"'{name}' contains invalid characters"
    return None


def container_id_error(container_id: mesos.ContainerID) -> str | None:
    """What is wrong with a container's id, or with that of one around it."""
    name = container_id.value
    error = id_error(name)
    if error is not None:
        return error
    if "." in name or " " in name:
        return f"'ContainerID.value' '{name}' contains invalid characters"
    if len(name) > MAX_CONTAINER_ID_LENGTH:
        return f"'ContainerID.value' '{name}' must not be greater than {MAX_CONTAINER_ID_LENGTH} characters"
    if container_id.HasField("parent"):
        error = container_id_error(container_id.parent)
        return None if error is None else f"'ContainerID.parent' is invalid: {error}"
    return None
