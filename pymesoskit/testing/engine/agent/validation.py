"""What calls to the agent's operator API must have, with Mesos's texts.

Source: docs/reference/operator-api.md 4.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from pymesoskit.resources import Resources, validation_error
from pymesoskit.testing.engine.validation import command_error, container_error, id_error
from pymesoskit.wire.v1 import agent, mesos

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The longest id of a container, in bytes.
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
    if name.endswith("_resource_provider_config") and not name.startswith("remove") and payload.info.HasField("id"):
        return f"Expecting '{name}.info.id' to be unset"
    if "container_id" not in type(payload).DESCRIPTOR.fields_by_name:
        return None
    error = container_id_error(payload.container_id)
    if error is not None:
        return f"'{name}.container_id' is invalid: {error}"
    if "nested" in name and not payload.container_id.HasField("parent"):
        return f"Expecting '{name}.container_id.parent' to be present"
    if name == "launch_container":
        return _resources_error(payload) or _launch_error(name, payload) or _launch_container_error(payload)
    return _launch_error(name, payload) if name.startswith("launch") else None


Launch = Union[
    agent.Call.LaunchContainer,
    agent.Call.LaunchNestedContainer,
    agent.Call.LaunchNestedContainerSession,
]


def _launch_error(name: str, launch: Launch) -> str | None:
    """What is wrong with the command or the container of a launch."""
    if launch.HasField("command") and (error := command_error(launch.command)) is not None:
        return f"'{name}.command' is invalid: {error}"
    if not launch.HasField("container"):
        return None
    if (error := container_error(launch.container)) is not None:
        return f"'{name}.container' is invalid: {error}"
    own_cgroups = launch.container.HasField("linux_info") and not launch.container.linux_info.share_cgroups
    if isinstance(launch, agent.Call.LaunchNestedContainerSession) and own_cgroups:
        return (
            f"'{name}.container.linux_info' is invalid: 'share_cgroups' cannot be set to 'false' for nested container"
            " sessions"
        )
    if isinstance(launch, agent.Call.LaunchNestedContainer) and own_cgroups and _is_deep(launch.container_id):
        return f"'{name}' is invalid: {_TOO_DEEP} set 'share_cgroups' to 'false'"
    return None


_TOO_DEEP = "containers nested at the second level or greater cannot"


def _is_deep(container_id: mesos.ContainerID) -> bool:
    return container_id.HasField("parent") and container_id.parent.HasField("parent")


def _resources_error(launch: agent.Call.LaunchContainer) -> str | None:
    """What is wrong with the resources of a launch; a container on its own takes none that the master accounts for."""
    error = validation_error(launch.resources)
    if error is not None:
        return f"Invalid resources: {error}"
    messages = Resources.from_messages(launch.resources).to_messages()
    gpus = sum(item.scalar.value for item in messages if item.name == "gpus")
    if round(gpus * 1000) % 1000:
        return "Invalid GPU resources: The 'gpus' resource must be an unsigned integer"
    if launch.container_id.HasField("parent"):
        return None
    for item in messages:
        if item.reservations:
            return "'launch_container.resources' must be unreserved"
        if item.disk.HasField("persistence"):
            return "'launch_container.resources' may not use persistent volumes"
        if item.HasField("revocable"):
            return "'launch_container.resources' must be non-revocable"
    return None


def _launch_container_error(launch: agent.Call.LaunchContainer) -> str | None:
    linux = launch.container.linux_info
    if _is_deep(launch.container_id):
        if launch.resources:
            return f"'launch_container' is invalid: {_TOO_DEEP} specify resources"
        if launch.limits:
            return f"'launch_container' is invalid: {_TOO_DEEP} specify resource limits"
        if linux.HasField("share_cgroups") and not linux.share_cgroups:
            return f"'launch_container' is invalid: {_TOO_DEEP} set 'share_cgroups' to 'false'"
    if not launch.container_id.HasField("parent") and linux.HasField("share_cgroups") and linux.share_cgroups:
        return "'launch_container' is invalid: containers without a parent cannot set 'share_cgroups' to 'true'"
    return None


def process_io_error(attach: agent.Call.AttachContainerInput) -> str | None:
    """What is wrong with a record that follows the first one of an ATTACH_CONTAINER_INPUT."""
    if attach.type != agent.Call.AttachContainerInput.PROCESS_IO:
        kind = agent.Call.AttachContainerInput.Type.Name(attach.type)
        return f"Expecting 'attach_container_input.type' to be 'PROCESS_IO' instead of: '{kind}'"
    if not attach.HasField("process_io"):
        return "Expecting 'attach_container_input.process_io' to be present"
    message = attach.process_io
    if not message.HasField("type"):
        return "Expecting 'process_io.type' to be present"
    if message.type == agent.ProcessIO.CONTROL:
        return _control_error(message)
    return _data_error(message) if message.type == agent.ProcessIO.DATA else "'process_io.type' is unknown"


def _control_error(message: agent.ProcessIO) -> str | None:
    if not message.HasField("control"):
        return "Expecting 'process_io.control' to be present"
    control = message.control
    if not control.HasField("type"):
        return "Expecting 'process_io.control.type' to be present"
    if control.type == agent.ProcessIO.Control.TTY_INFO:
        if not control.HasField("tty_info"):
            return "Expecting 'process_io.control.tty_info' to be present"
        return None if control.tty_info.HasField("window_size") else "Expecting 'tty_info.window_size' to be present"
    if control.type == agent.ProcessIO.Control.HEARTBEAT:
        return None if control.HasField("heartbeat") else "Expecting 'process_io.control.heartbeat' to be present"
    return "'process_io.control.type' is unknown"


def _data_error(message: agent.ProcessIO) -> str | None:
    if not message.HasField("data"):
        return "Expecting 'process_io.data' to be present"
    if not message.data.HasField("type"):
        return "Expecting 'process_io.data.type' to be present"
    if message.data.type != agent.ProcessIO.Data.STDIN:
        return "Expecting 'process_io.data.type' to be 'STDIN'"
    return None if message.data.HasField("data") else "Expecting 'process_io.data.data' to be present"


def _input_error(attach: agent.Call.AttachContainerInput) -> str | None:
    if not attach.HasField("type"):
        return "Expecting 'attach_container_input.type' to be present"
    if attach.type == agent.Call.AttachContainerInput.UNKNOWN:
        return "'attach_container_input.type' is unknown"
    if attach.type == agent.Call.AttachContainerInput.CONTAINER_ID:
        error = container_id_error(attach.container_id)
        return None if error is None else f"'attach_container_input.container_id' is invalid: {error}"
    return None


def container_id_error(container_id: mesos.ContainerID) -> str | None:
    """What is wrong with a container's id, or with that of one around it."""
    name = container_id.value
    error = id_error(name)
    if error is not None:
        return error
    if len(name.encode()) > MAX_CONTAINER_ID_LENGTH:
        return f"'ContainerID.value' '{name}' exceeds the maximum length ({MAX_CONTAINER_ID_LENGTH})"
    if "." in name or " " in name:
        return f"'ContainerID.value' '{name}' contains invalid characters"
    if container_id.HasField("parent"):
        error = container_id_error(container_id.parent)
        return None if error is None else f"'ContainerID.parent' is invalid: {error}"
    return None
