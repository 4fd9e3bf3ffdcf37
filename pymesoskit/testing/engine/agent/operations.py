"""Offer operations on the agent: reservations and volumes applied, remembered, reported.

Source: docs/reference/agent-executor.md 12 and 13, scheduler-api.md on operation feedback.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from pymesoskit.resources import Resources, ResourcesError
from pymesoskit.testing.engine.agent.registration import checkpointed
from pymesoskit.testing.engine.agent.state import Phase
from pymesoskit.testing.engine.agent.updates import UpdateStreams
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


class Operations:
    """See the module's text."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.streams: UpdateStreams[bytes, mesos.OperationStatus] = UpdateStreams(core.lifeline, self._forward)

    def apply(self, message: ApplyOperation) -> None:
        """Carries an operation out, and reports that until it is acknowledged: by its framework if it names an id,
        else by the master.
        """
        core = self._core
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
            self._create_volumes(before)
            status.state = mesos.OPERATION_FINISHED
            self._remember()
            self._remove_volumes(before)
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
        core.host.store.write(self._path(message.operation_uuid), operation.SerializeToString())
        self.streams.add(message.operation_uuid, status.uuid.value, status, terminal=True)

    def _remember(self) -> None:
        data = Resources.from_messages(checkpointed(self._core.total)).to_messages()
        document = mesos.Offer.Operation(type=mesos.Offer.Operation.RESERVE)  # a message that holds a list of resources
        document.reserve.resources.extend(data)
        self._core.host.store.write(layout.RESOURCES, document.reserve.SerializeToString())

    def _create_volumes(self, before: Resources) -> None:
        """Makes the directories of volumes that are new."""
        host = self._core.host
        if host.work_dir is None or host.simulates:
            return
        known = persistent_volumes(before)
        for key, volume in persistent_volumes(self._core.total).items():
            if key not in known:
                try:
                    volumes.create(host.work_dir, volume)
                except OSError as error:  # a task that uses the volume will fail to launch
                    self._core.note(f"cannot create the directory of the persistent volume {key[1]!r}: {error}")

    def _remove_volumes(self, before: Resources) -> None:
        """Removes the directories of volumes that are gone."""
        host = self._core.host
        if host.work_dir is None or host.remover is None or host.simulates:
            return
        kept = persistent_volumes(self._core.total)
        for key, volume in persistent_volumes(before).items():
            if key not in kept:
                volumes.destroy(host.work_dir, volume, host.remover.remove)

    def _path(self, operation_uuid: bytes) -> str:
        return layout.operation_updates(self._core.agent_id, str(uuid.UUID(bytes=operation_uuid)))

    # Reports

    def _forward(self, operation_uuid: bytes, status: mesos.OperationStatus) -> None:
        if self._core.phase is Phase.RUNNING:
            operation = self._core.operations[operation_uuid]
            self._send(operation_uuid, operation.framework_id.value, status)

    def _send(self, operation_uuid: bytes, framework_id: str, status: mesos.OperationStatus) -> None:
        self._core.send(UpdateOperationStatus(self._core.agent_id, framework_id, operation_uuid, status, status))

    def acknowledge(self, message: OperationStatusAcknowledgement) -> None:
        """The framework knows how the operation ended: it is forgotten."""
        if self.streams.acknowledge(message.operation_uuid, message.status_uuid):
            self._core.operations.pop(message.operation_uuid, None)
            name = str(uuid.UUID(bytes=message.operation_uuid))
            self._core.host.store.remove(layout.operation_path(self._core.agent_id, name))

    def reconcile(self, message: ReconcileOperations) -> None:
        """Tells the master of operations that it has and the agent does not: they never arrived."""
        for operation_uuid in message.operation_uuids:
            if operation_uuid not in self._core.operations:
                status = mesos.OperationStatus(state=mesos.OPERATION_DROPPED)
                status.agent_id.CopyFrom(self._core.info.id)
                self._send(operation_uuid, "", status)

    def answer(self, message: AskForOperations) -> None:
        """Answers for operations of resource providers: there are none, so nobody knows them."""
        for operation_id, provider_id in message.operations:
            status = mesos.OperationStatus(state=mesos.OPERATION_UNKNOWN)
            status.operation_id.value = operation_id
            status.agent_id.CopyFrom(self._core.info.id)
            status.resource_provider_id.value = provider_id
            self._send(b"", message.framework_id, status)

    # Recovery

    def recover(self) -> None:
        """Takes up what was checkpointed."""
        core = self._core
        data = core.host.store.read(layout.RESOURCES)
        if data is not None:
            known = Resources.from_messages(mesos.Offer.Operation.Reserve.FromString(data).resources)
            plain, core.total = core.total, with_checkpointed(core.total, known)
            self._create_volumes(plain)
        for name in core.host.store.names(f"slaves/{core.agent_id}/operations"):
            document = core.host.store.read(layout.operation_updates(core.agent_id, name))
            if document is not None:
                operation = mesos.Operation.FromString(document)
                core.operations[operation.uuid.value] = operation
                status = operation.latest_status
                self.streams.restore(operation.uuid.value, status.uuid.value, status, terminal=True)


def _unallocated(operation: mesos.Offer.Operation) -> mesos.Offer.Operation:
    """The operation on resources that nobody is allocated to, as an agent holds them."""
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


def with_checkpointed(total: Resources, known: Resources) -> Resources:
    """The agent's resources with those reservations and volumes in place of what they were made of."""
    for resource in known:
        plain = resource.with_disk(None, False) if resource.is_persistent_volume else resource
        while plain.is_dynamically_reserved:
            plain = plain.with_popped_reservation()
        if not total.contains(plain):
            raise ResourcesError(f"Checkpointed resources {known} are incompatible with agent resources {total}")
        total = total - plain + resource
    return total
