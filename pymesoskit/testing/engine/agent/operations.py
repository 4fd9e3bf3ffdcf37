"""Offer operations on the agent: reservations and volumes applied, remembered, reported.

Source: docs/reference/agent-executor.md 12 and 13, scheduler-api.md on operation feedback.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from pymesoskit.resources import Resources, ResourcesError
from pymesoskit.testing.engine.agent import draining
from pymesoskit.testing.engine.agent.checkpointed import checkpointed, with_checkpointed
from pymesoskit.testing.engine.agent.transitions import Phase
from pymesoskit.testing.engine.containers import layout, volumes
from pymesoskit.testing.engine.machine.identity import uuid_bytes
from pymesoskit.testing.engine.network.messages import (
    ApplyOperation,
    AskForOperations,
    OperationStatusAcknowledgement,
    ReconcileOperations,
    UpdateOperationStatus,
)
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.agent.core import Core


def apply(core: Core, message: ApplyOperation) -> None:
    """Carries an operation out, and reports it until the report is acknowledged.

    The framework acknowledges it if the operation has an id; otherwise the master does.
    """
    info = message.operation
    operation = mesos.Operation(info=info)
    operation.uuid.value = message.operation_uuid
    if message.framework_id:
        operation.framework_id.value = message.framework_id
    operation.agent_id.CopyFrom(core.info.id)
    status = operation.latest_status
    try:
        before = core.total
        core.total = Resources(before).apply(_unallocated(info))
        _create_volumes(core, before)
        status.state = mesos.OPERATION_FINISHED
        _remember(core)
        _remove_volumes(core, before)
    except ResourcesError as error:
        status.state = mesos.OPERATION_ERROR
        status.message = str(error)
    status.agent_id.CopyFrom(core.info.id)
    core.note(f"{mesos.Offer.Operation.Type.Name(info.type)}: {mesos.OperationState.Name(status.state)}")
    if info.HasField("id"):
        status.operation_id.CopyFrom(info.id)
    status.uuid.value = uuid_bytes(core.rng)
    operation.statuses.add().CopyFrom(status)
    core.operations[message.operation_uuid] = operation
    core.host.store.write(_path(core, message.operation_uuid), operation.SerializeToString())
    core.operation_updates.add(message.operation_uuid, status.uuid.value, status, terminal=True)


def _remember(core: Core) -> None:
    data = Resources.from_messages(checkpointed(core.total)).to_messages()
    document = mesos.Offer.Operation(type=mesos.Offer.Operation.RESERVE)  # a message that holds a list of resources
    document.reserve.resources.extend(data)
    core.host.store.write(layout.RESOURCES, document.reserve.SerializeToString())


def _create_volumes(core: Core, before: Resources) -> None:
    """Creates the directories of new volumes."""
    host = core.host
    if host.work_dir is None or host.simulates:
        return
    known = persistent_volumes(before)
    for key, volume in persistent_volumes(core.total).items():
        if key not in known:
            try:
                volumes.create(host.work_dir, volume)
            except OSError as error:  # a task that uses the volume will fail to launch
                core.note(f"cannot create the directory of the persistent volume {key[1]!r}: {error}")


def _remove_volumes(core: Core, before: Resources) -> None:
    """Removes the directories of volumes that are gone."""
    host = core.host
    if host.work_dir is None or host.remover is None or host.simulates:
        return
    kept = persistent_volumes(core.total)
    for key, volume in persistent_volumes(before).items():
        if key not in kept:
            volumes.destroy(host.work_dir, volume, host.remover.remove)


def _path(core: Core, operation_uuid: bytes) -> str:
    return layout.operation_updates(core.agent_id, str(uuid.UUID(bytes=operation_uuid)))


# Reports


def forward(core: Core, operation_uuid: bytes, status: mesos.OperationStatus) -> None:
    if core.phase is Phase.RUNNING:
        operation = core.operations[operation_uuid]
        _send(core, operation_uuid, operation.framework_id.value, status)


def _send(core: Core, operation_uuid: bytes, framework_id: str, status: mesos.OperationStatus) -> None:
    core.send(UpdateOperationStatus(core.agent_id, framework_id, operation_uuid, status, status))


def acknowledge(core: Core, message: OperationStatusAcknowledgement) -> None:
    """Forgets an operation whose end has been acknowledged."""
    if core.operation_updates.acknowledge(message.operation_uuid, message.status_uuid):
        core.operations.pop(message.operation_uuid, None)
        name = str(uuid.UUID(bytes=message.operation_uuid))
        core.host.store.remove(layout.operation_path(core.agent_id, name))
        draining.check_done(core)


def reconcile(core: Core, message: ReconcileOperations) -> None:
    """Reports operations that the master has and the agent does not as dropped: they never arrived."""
    for operation_uuid in message.operation_uuids:
        if operation_uuid not in core.operations:
            status = mesos.OperationStatus(state=mesos.OPERATION_DROPPED)
            status.agent_id.CopyFrom(core.info.id)
            _send(core, operation_uuid, "", status)


def answer(core: Core, message: AskForOperations) -> None:
    """Answers for operations of resource providers: they are unknown, because there are no resource providers."""
    for operation_id, provider_id in message.operations:
        status = mesos.OperationStatus(state=mesos.OPERATION_UNKNOWN)
        status.operation_id.value = operation_id
        status.agent_id.CopyFrom(core.info.id)
        status.resource_provider_id.value = provider_id
        _send(core, b"", message.framework_id, status)


# Recovery


def recover(core: Core) -> None:
    """Recovers what was checkpointed. Raises ``ResourcesError`` for reservations that do not fit."""
    data = core.host.store.read(layout.RESOURCES)
    if data is not None:
        known = Resources.from_messages(mesos.Offer.Operation.Reserve.FromString(data).resources)
        plain, core.total = core.total, with_checkpointed(core.total, known)
        _create_volumes(core, plain)
    for name in core.host.store.names(f"slaves/{core.agent_id}/operations"):
        document = core.host.store.read(layout.operation_updates(core.agent_id, name))
        if document is not None:
            operation = mesos.Operation.FromString(document)
            core.operations[operation.uuid.value] = operation
            status = operation.latest_status
            core.operation_updates.restore(operation.uuid.value, status.uuid.value, status, terminal=True)


def _unallocated(operation: mesos.Offer.Operation) -> mesos.Offer.Operation:
    """Returns the operation on unallocated resources, as an agent holds them."""
    result = mesos.Offer.Operation()
    result.CopyFrom(operation)
    payload = getattr(result, mesos.Offer.Operation.Type.Name(operation.type).lower())
    for descriptor, value in payload.ListFields():
        if descriptor.message_type is mesos.Resource.DESCRIPTOR:
            for resource in value if descriptor.is_repeated else (value,):
                resource.ClearField("allocation_info")
    return result


def persistent_volumes(resources: Resources) -> dict[tuple[str, str], mesos.Resource]:
    """Returns the persistent volumes among the resources by role and persistence id."""
    return {
        (resource.reservations[-1].role if resource.reservations else "*", resource.disk.persistence.id): resource
        for resource in volumes.persistent(resources.to_messages())
    }
