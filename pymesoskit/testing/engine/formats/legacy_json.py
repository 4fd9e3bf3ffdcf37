"""Fragments of the JSON of the endpoints from before the v1 API, which master and agents share.

Plain dicts with the keys in Mesos's order, ready to be written out: resources in their short form, attributes, tasks
and their statuses, executors, commands, offers. Whole answers are put together in ``master/legacy`` and by the agent.
This is the older protocol: it says slave, amounts are numbers, ranges and sets are text.
Source: docs/reference/operator-api.md 3.1 and 4.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pymesoskit.resources import Attributes, Resource, ValueType
from pymesoskit.resources.values import Ranges, add_items, coalesce, print_items, print_ranges
from pymesoskit.wire import to_json_value
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Json = dict[str, Any]

#: Names of task states by number: looked up once per status, so not asked of protobuf each time.
TASK_STATES: Mapping[int, str] = {value: name for name, value in mesos.TaskState.items()}


def resources(amounts: Iterable[Resource]) -> Json:
    """Resources by name: numbers, and ranges and sets as text. Reservations and disks are summed up.

    The four usual scalars are always there; revocable amounts have names of their own (``cpus_revocable``).
    """
    scalars = {"cpus": 0.0, "gpus": 0.0, "mem": 0.0, "disk": 0.0}
    ranges: dict[str, Ranges] = {}
    sets: dict[str, tuple[str, ...]] = {}
    for resource in amounts:
        kind = resource.kind
        name = f"{kind.name}_revocable" if kind.is_revocable else kind.name
        if kind.type is ValueType.SCALAR:
            scalars[name] = scalars.get(name, 0.0) + cast("float", resource.value)
        elif kind.type is ValueType.RANGES:
            ranges[name] = coalesce(ranges.get(name, ()) + cast("Ranges", resource.measure))
        else:
            sets[name] = add_items(sets.get(name, ()), cast("tuple[str, ...]", resource.value))
    # Mesos keeps each kind in a hash map, which lists what was put in last first.
    model: Json = dict(reversed(scalars.items()))
    model.update((name, print_ranges(value)) for name, value in reversed(ranges.items()))
    model.update((name, print_items(value)) for name, value in reversed(sets.items()))
    return model


def labels(message: mesos.Labels) -> list[Any]:
    """Labels as a bare list of ``{key, value}``."""
    return [to_json_value(label) for label in message.labels]


def domain(message: mesos.DomainInfo) -> Json:
    """A fault domain."""
    if not message.HasField("fault_domain"):
        return {}
    fault_domain = message.fault_domain
    return {"fault_domain": {"region": {"name": fault_domain.region.name}, "zone": {"name": fault_domain.zone.name}}}


def agent_info(info: mesos.AgentInfo) -> Json:
    """What is shown of an agent that is only known from the registry, and first of any other."""
    model: Json = {
        "id": info.id.value,
        "hostname": info.hostname,
        "port": info.port,
        "attributes": Attributes.from_messages(info.attributes).to_legacy_json(),
    }
    if info.HasField("domain"):
        model["domain"] = domain(info.domain)
    return model


def task(message: mesos.Task, amounts: Iterable[Resource]) -> Json:
    """A task with its statuses; ``amounts`` are its resources."""
    model: Json = {
        "id": message.task_id.value,
        "name": message.name,
        "framework_id": message.framework_id.value,
        "executor_id": message.executor_id.value,
        "slave_id": message.agent_id.value,
        "state": TASK_STATES[message.state],
        "resources": resources(amounts),
    }
    if message.limits:
        model["limits"] = {name: scalar.value for name, scalar in message.limits.items()}
    model["role"] = role_of(amounts)
    model["statuses"] = statuses(message.statuses)
    if message.HasField("user"):
        model["user"] = message.user
    if message.HasField("labels"):
        model["labels"] = labels(message.labels)
    for name in ("discovery", "container", "health_check"):
        if message.HasField(name):
            model[name] = to_json_value(getattr(message, name))
    return model


def role_of(amounts: Iterable[Resource]) -> str:
    """The role that resources are allocated to; those of one task or executor are all of one role."""
    return next((resource.kind.allocation_role or "" for resource in amounts), "")


def statuses(messages: Iterable[mesos.TaskStatus]) -> list[Json]:
    """The statuses of one task, oldest first: without message, reason, source and uuid."""
    models: list[Json] = []
    container: mesos.ContainerStatus | None = None
    container_model: Json = {}
    for status in messages:
        model: Json = {"state": TASK_STATES[status.state], "timestamp": status.timestamp}
        if status.HasField("labels"):
            model["labels"] = labels(status.labels)
        if status.HasField("container_status"):
            if status.container_status != container:  # mostly it is the same in all of them
                container = status.container_status
                container_model = container_status(container)
            model["container_status"] = container_model
        if status.HasField("healthy"):
            model["healthy"] = status.healthy
        models.append(model)
    return models


def container_status(message: mesos.ContainerStatus) -> Json:
    """A container's id and networks."""
    model: Json = {}
    if message.HasField("container_id"):
        model["container_id"] = to_json_value(message.container_id)
    if message.network_infos:
        model["network_infos"] = [_network_info(info) for info in message.network_infos]
    if message.HasField("cgroup_info"):
        model["cgroup_info"] = to_json_value(message.cgroup_info)
    return model


def _network_info(message: mesos.NetworkInfo) -> Json:
    model: Json = {}
    if message.groups:
        model["groups"] = list(message.groups)
    if message.HasField("labels"):
        model["labels"] = labels(message.labels)
    if message.ip_addresses:
        model["ip_addresses"] = [to_json_value(address) for address in message.ip_addresses]
    if message.HasField("name"):
        model["name"] = message.name
    if message.port_mappings:
        model["port_mappings"] = [to_json_value(mapping) for mapping in message.port_mappings]
    return model


def command(message: mesos.CommandInfo) -> Json:
    """A command; ``shell`` and ``value`` only if they are set."""
    model: Json = {}
    if message.HasField("shell"):
        model["shell"] = message.shell
    if message.HasField("value"):
        model["value"] = message.value
    model["argv"] = list(message.arguments)
    if message.HasField("environment"):
        model["environment"] = to_json_value(message.environment)
    model["uris"] = [{"value": uri.value, "executable": uri.executable} for uri in message.uris]
    return model


def executor(info: mesos.ExecutorInfo, amounts: Iterable[Resource]) -> Json:
    """An executor of a framework; ``amounts`` are its own resources (a default executor may have none)."""
    model: Json = {
        "executor_id": info.executor_id.value,
        "name": info.name,
        "framework_id": info.framework_id.value,
        "command": command(info.command),
        "resources": resources(amounts),
    }
    role = role_of(amounts)
    if role:
        model["role"] = role
    if info.HasField("labels"):
        model["labels"] = labels(info.labels)
    if info.HasField("type"):
        model["type"] = mesos.ExecutorInfo.Type.Name(info.type)
    return model


def offer(message: mesos.Offer, amounts: Iterable[Resource]) -> Json:
    """An outstanding offer."""
    return {
        "id": message.id.value,
        "framework_id": message.framework_id.value,
        "allocation_info": to_json_value(message.allocation_info),
        "slave_id": message.agent_id.value,
        "resources": resources(amounts),
    }
