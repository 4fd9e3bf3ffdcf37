"""Offer operations on reservations, volumes and disks, by frameworks and by operators.

``framework`` is None for an operator's operation; ``principal`` is who is behind the operation, None if unknown.
Source: docs/reference/scheduler-api.md 4.2 and 4.6, operator-api.md 2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pymesoskit.resources import (
    DiskType,
    Resource,
    Resources,
    allocation_role_error,
    persistent_volumes_error,
    resources_from_messages,
    single_provider_error,
    unique_persistence_error,
    used_resources_error,
    validation_error,
)
from pymesoskit.resources.values import to_units
from pymesoskit.testing.engine.master.state import Agent, Capability, Framework
from pymesoskit.testing.engine.validation import as_json, first
from pymesoskit.wire.v1 import mesos

Operation = mesos.Offer.Operation


def operation_error(
    operation: mesos.Offer.Operation, agent: Agent, framework: Framework | None, principal: str | None
) -> str | None:
    """The first thing wrong with an operation whose payload is there and whose resources are valid by themselves."""
    rule = _RULES.get(operation.type)
    return first(rule(operation, agent, framework, principal)) if rule is not None else None


def feedback_error(operation: mesos.Offer.Operation, agent: Agent) -> str | None:
    """Whether the agent can tell what becomes of an operation that has an id."""
    if "RESOURCE_PROVIDER" not in agent.capabilities:
        return (
            f"Operation requested feedback, but agent {agent.id} does not have the required RESOURCE_PROVIDER "
            "capability"
        )
    if "AGENT_OPERATION_FEEDBACK" not in agent.capabilities and not _from_provider(operation):
        return (
            f"Operation on agent default resources requested feedback, but agent {agent.id} does not have the required "
            "AGENT_OPERATION_FEEDBACK and RESOURCE_PROVIDER capabilities"
        )
    return None


def _from_provider(operation: mesos.Offer.Operation) -> bool:
    return any(resource.HasField("provider_id") for resource in resources_of(operation))


def resources_of(operation: mesos.Offer.Operation) -> Iterator[mesos.Resource]:
    """All resources that an operation (other than a launch) names: the messages themselves, to be read or filled in."""
    if operation.type == Operation.RESERVE:
        yield from operation.reserve.source
        yield from operation.reserve.resources
    elif operation.type == Operation.UNRESERVE:
        yield from operation.unreserve.resources
    elif operation.type == Operation.CREATE:
        yield from operation.create.volumes
    elif operation.type == Operation.DESTROY:
        yield from operation.destroy.volumes
    elif operation.type == Operation.GROW_VOLUME:
        yield operation.grow_volume.volume
        yield operation.grow_volume.addition
    elif operation.type == Operation.SHRINK_VOLUME:
        yield operation.shrink_volume.volume
    elif operation.type == Operation.CREATE_DISK:
        yield operation.create_disk.source
    elif operation.type == Operation.DESTROY_DISK:
        yield operation.destroy_disk.source


def _listed(messages: Iterable[mesos.Resource]) -> Iterator[str | None]:
    """What holds for the lists of resources of all operations."""
    messages = list(messages)
    yield _prefixed("Invalid resources: ", used_resources_error(messages))
    yield _prefixed("Invalid resources: ", single_provider_error(_each(messages)))


def _each(messages: Iterable[mesos.Resource]) -> list[Resource]:
    """One by one as they are named: neither merged nor dropped if they are empty."""
    return resources_from_messages(messages)


def _reserve(
    operation: mesos.Offer.Operation, agent: Agent, framework: Framework | None, principal: str | None
) -> Iterator[str | None]:
    messages = operation.reserve.resources
    yield _prefixed("Invalid resources: ", used_resources_error(messages))
    yield _prefixed("Invalid source: ", used_resources_error(operation.reserve.source))
    if operation.reserve.source:
        yield from _source_errors(operation.reserve)
    yield from _listed(messages)
    for message, resource in zip(messages, _each(messages), strict=True):
        if not resource.is_dynamically_reserved:
            yield f"Resource {resource.print_one()} is not dynamically reserved"
        yield from _agent_errors(agent, "Resource", resource, "reserved")
        if principal is not None:
            yield _reserver_error(resource, principal)
        if framework is not None:
            yield from _allocation_errors(framework, resource, is_allocated=message.allocation_info.HasField("role"))
        elif resource.allocation_role is not None:
            yield (
                "A reserve operation was attempted with an allocated resource, but the operator API only allows "
                "reservations to be made to unallocated resources"
            )
    if framework is not None:
        yield _prefixed("Invalid reservation resources: ", allocation_role_error(_each(messages)))


def _source_errors(reserve: mesos.Offer.Operation.Reserve) -> Iterator[str | None]:
    for name, messages in (("source", reserve.source), ("resources", reserve.resources)):
        each = _each(messages)
        if not each:
            yield f"Invalid {name}: Resource cannot be empty"
        if len({resource.reservations for resource in each}) > 1:
            yield f"Invalid {name}: Mixed reservations are not supported{as_json(messages)}"
    source, target = (
        Resources.from_messages(messages).to_unreserved() for messages in (reserve.source, reserve.resources)
    )
    if source != target:
        yield f"Source and target resources should refer to identical resource quantities: {source} vs. {target}"


def _agent_errors(agent: Agent, what: str, resource: Resource, done: str) -> Iterator[str | None]:
    role = resource.reservation_role or ""
    if "HIERARCHICAL_ROLE" not in agent.capabilities and "/" in role:
        yield (
            f"{what} {resource.print_one()} with reservation for hierarchical role '{role}' cannot be {done} on an "
            "agent without HIERARCHICAL_ROLE capability"
        )
    if "RESERVATION_REFINEMENT" not in agent.capabilities and len(resource.reservations) > 1:
        yield (
            f"{what} {resource.print_one()} with reservation refinement cannot be {done} on an agent without "
            "RESERVATION_REFINEMENT capability"
        )


def _reserver_error(resource: Resource, principal: str) -> str | None:
    reserver = resource.reservations[-1].principal
    if reserver is None:
        return (
            f"A reserve operation was attempted by principal '{principal}', but there is a reserved resource in the "
            "request with no principal set"
        )
    if reserver != principal:
        return (
            f"A reserve operation was attempted by authenticated principal '{principal}', which does not match a "
            f"reserved resource in the request with principal '{reserver}'"
        )
    return None


def _allocation_errors(framework: Framework, resource: Resource, *, is_allocated: bool) -> Iterator[str | None]:
    allocated, reserved = resource.allocation_role, resource.reservation_role
    if not is_allocated:  # neither is what has an ``allocation_info`` without a role
        yield (
            f"A reserve operation was attempted on unallocated resource {resource.print_one()}, but frameworks can "
            "only perform reservations on allocated resources"
        )
    if allocated != reserved:
        yield (
            f"A reserve operation was attempted for a resource with role '{reserved}', but the resource was allocated "
            f"to role '{allocated}'"
        )
    if allocated not in framework.roles:
        roles = f"{{ {', '.join(sorted(framework.roles))} }}"
        yield (
            f"A reserve operation was attempted for a resource allocated to role '{allocated}', but the framework only "
            f"has roles '{roles}'"
        )


def _unreserve(
    operation: mesos.Offer.Operation, _agent: Agent, _framework: Framework | None, _principal: str | None
) -> Iterator[str | None]:
    messages = operation.unreserve.resources
    yield from _listed(messages)
    for resource in _each(messages):
        if not resource.is_dynamically_reserved:
            yield f"Resource {resource.print_one()} is not dynamically reserved"
        if resource.is_persistent_volume:
            yield (
                f"A dynamically reserved persistent volume {resource.print_one()} cannot be unreserved directly. "
                "Please destroy the persistent volume first then unreserve the resource"
            )


def _create(
    operation: mesos.Offer.Operation, agent: Agent, framework: Framework | None, principal: str | None
) -> Iterator[str | None]:
    messages = operation.create.volumes
    yield from _listed(messages)
    volumes = _each(messages)
    yield _prefixed("Not a persistent volume: ", persistent_volumes_error(volumes))
    yield unique_persistence_error([*agent.checkpointed_resources, *volumes])
    for volume in volumes:
        if framework is not None and volume.shared and not framework.has(Capability.SHARED_RESOURCES):
            yield (
                f"Create volume operation for '{volume.print_one()}' has been attempted by framework '{framework.id}' "
                "with no SHARED_RESOURCES capability"
            )
        yield from _agent_errors(agent, "Volume", volume, "created")
        if principal is not None:
            yield _creator_error(volume, principal)
    if framework is not None:
        yield _prefixed("Invalid volume resources: ", allocation_role_error(volumes))


def _creator_error(volume: Resource, principal: str) -> str | None:
    persistence = volume.disk.persistence if volume.disk is not None else None
    if persistence is None or persistence.principal is None:
        return (
            f"Create volume operation attempted by principal '{principal}', but there is a volume in the operation "
            "with no principal set in 'disk.persistence'"
        )
    if persistence.principal != principal:
        return (
            f"Create volume operation attempted by authenticated principal '{principal}', which does not match a "
            f"volume in the operation with principal '{persistence.principal}' set in 'disk.persistence'"
        )
    return None


def _destroy(
    operation: mesos.Offer.Operation, agent: Agent, _framework: Framework | None, _principal: str | None
) -> Iterator[str | None]:
    # Volumes and what is in use are compared without regard to whom they are allocated.
    volumes = Resources.from_messages(operation.destroy.volumes).unallocated()
    yield from _listed(volumes.to_messages())
    yield _prefixed("Not a persistent volume: ", persistent_volumes_error(volumes))
    for volume in volumes:
        if volume.provider_id is None and not agent.checkpointed_resources.contains(volume):
            yield "Persistent volumes not found"
    for used in agent.used.by.values():
        unallocated = used.unallocated()
        if any(unallocated.contains(volume) for volume in volumes):
            yield "Persistent volumes in use"


def _grow_volume(
    operation: mesos.Offer.Operation, agent: Agent, _framework: Framework | None, _principal: str | None
) -> Iterator[str | None]:
    grow = operation.grow_volume
    yield _prefixed("Invalid resource in the 'GrowVolume.volume' field: ", validation_error(grow.volume))
    yield _prefixed("Invalid resource in the 'GrowVolume.addition' field: ", validation_error(grow.addition))
    volume, addition = _each((grow.volume, grow.addition))
    if to_units(grow.addition.scalar.value) <= 0:
        yield "The size of 'GrowVolume.addition' field must be greater than zero"
    if volume.provider_id is not None:
        yield "Growing a volume from a resource provider is not supported"
    yield _prefixed("Invalid persistent volume in the 'GrowVolume.volume' field: ", persistent_volumes_error((volume,)))
    if volume.shared:
        yield "Growing a shared persistent volume is not supported"
    stripped = volume.with_disk(volume.disk.without_volume() if volume.disk is not None else None, shared=False)
    if len(Resources((stripped, addition))) != 1:
        yield "Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields"
    if "RESIZE_VOLUME" not in agent.capabilities:
        yield f"Volume {volume.print_one()} cannot be grown on an agent without RESIZE_VOLUME capability"


def _shrink_volume(
    operation: mesos.Offer.Operation, agent: Agent, _framework: Framework | None, _principal: str | None
) -> Iterator[str | None]:
    shrink = operation.shrink_volume
    yield _prefixed("Invalid resource in the 'ShrinkVolume.volume' field: ", validation_error(shrink.volume))
    subtract = to_units(shrink.subtract.value)
    if subtract <= 0:
        yield "Value of 'ShrinkVolume.subtract' must be greater than zero"
    if to_units(shrink.volume.scalar.value) <= subtract:
        yield "Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'"
    for volume in _each((shrink.volume,)):
        if volume.provider_id is not None:
            yield "Shrinking a volume from a resource provider is not supported"
        if volume.disk is not None and volume.disk.source is not None and volume.disk.source.type is DiskType.MOUNT:
            yield "Shrinking a volume on a MOUNT disk is not supported"
        yield _prefixed(
            "Invalid persistent volume in the 'ShrinkVolume.volume' field: ", persistent_volumes_error((volume,))
        )
        if volume.shared:
            yield "Shrinking a shared persistent volume is not supported"
        if "RESIZE_VOLUME" not in agent.capabilities:
            yield f"Volume {volume.print_one()} cannot be shrunk on an agent without RESIZE_VOLUME capability"


_Source = mesos.Resource.DiskInfo.Source


def _create_disk(
    operation: mesos.Offer.Operation, _agent: Agent, _framework: Framework | None, _principal: str | None
) -> Iterator[str | None]:
    create = operation.create_disk
    source = create.source
    yield _prefixed("Invalid resource: ", used_resources_error((source,)))
    if not source.HasField("provider_id"):
        yield "'source' is not managed by a resource provider"
    if source.disk.source.type != _Source.RAW:
        yield "'source' is not a RAW disk resource"
    if create.target_type not in {_Source.MOUNT, _Source.BLOCK}:
        yield "'target_type' is neither MOUNT or BLOCK"
    if source.disk.source.HasField("profile") == create.HasField("target_profile"):
        yield (
            "'target_profile' must not be set when 'source' has a profile"
            if create.HasField("target_profile")
            else "'target_profile' must be set when 'source' has no profile"
        )


def _destroy_disk(
    operation: mesos.Offer.Operation, _agent: Agent, _framework: Framework | None, _principal: str | None
) -> Iterator[str | None]:
    source = operation.destroy_disk.source
    yield _prefixed("Invalid resource: ", used_resources_error((source,)))
    if not source.HasField("provider_id"):
        yield "'source' is not managed by a resource provider"
    if source.disk.source.type not in {_Source.MOUNT, _Source.BLOCK, _Source.RAW}:
        yield "'source' is neither a MOUNT, BLOCK or RAW disk resource"
    if not source.disk.source.HasField("id"):
        yield "'source' is not backed by a CSI volume"
    (disk,) = _each((source,))
    if disk.is_persistent_volume:
        yield (
            f"A disk resource containing a persistent volume {disk.print_one()} cannot be destroyed directly. Please "
            "destroy the persistent volume first then destroy the disk resource"
        )


def _prefixed(prefix: str, error: str | None) -> str | None:
    return None if error is None else prefix + error


Rule = Callable[[mesos.Offer.Operation, Agent, Framework | None, str | None], Iterator[str | None]]

_RULES: dict[int, Rule] = {
    Operation.RESERVE: _reserve,
    Operation.UNRESERVE: _unreserve,
    Operation.CREATE: _create,
    Operation.DESTROY: _destroy,
    Operation.GROW_VOLUME: _grow_volume,
    Operation.SHRINK_VOLUME: _shrink_volume,
    Operation.CREATE_DISK: _create_disk,
    Operation.DESTROY_DISK: _destroy_disk,
}
