"""The ten operations on offers, one function each; their results go into ``accept``.

Resources may be given as text, ``Resources`` values or messages. With an ``operation_id`` the framework gets
UPDATE_OPERATION_STATUS events for the operation; launches cannot have one. Rules: docs/reference/scheduler-api.md 4.3
and 4.6.
"""

from __future__ import annotations

from pymesoskit.resources import Reservation
from pymesoskit.resources.forms import ResourceLike, ResourcesLike, as_message, as_messages, as_resources
from pymesoskit.scheduler import ids
from pymesoskit.wire.v1 import mesos

Operation = mesos.Offer.Operation


def _id(operation_id: ids.OperationIDLike | None) -> mesos.OperationID | None:
    return None if operation_id is None else ids.operation_id(operation_id)


def launch(*tasks: mesos.TaskInfo) -> Operation:
    """Returns a LAUNCH operation for tasks that are independent of each other."""
    return Operation(type=Operation.LAUNCH, launch=Operation.Launch(task_infos=tasks))


def launch_group(executor: mesos.ExecutorInfo, *tasks: mesos.TaskInfo) -> Operation:
    """Returns a LAUNCH_GROUP operation: one executor (of type DEFAULT) starts all of these tasks, or none of them."""
    return Operation(
        type=Operation.LAUNCH_GROUP,
        launch_group=Operation.LaunchGroup(executor=executor, task_group=mesos.TaskGroupInfo(tasks=tasks)),
    )


def reserve(
    resources: ResourcesLike,
    source: ResourcesLike = (),
    operation_id: ids.OperationIDLike | None = None,
    *,
    role: str | None = None,
    principal: str | None = None,
) -> Operation:
    """Returns a RESERVE operation: ``resources`` are the reserved ones, with the new reservation as their last one.

    With ``role``, ``resources`` are those before the reservation (``cpus:2``, or what ``OfferPool.take`` returned), and
    a dynamic reservation for that role and ``principal`` is added to each. ``source`` names the resources that are
    converted, if they are not simply ``resources`` without their last reservation.

    Raises ``ResourcesError`` if the text is invalid or the reservation does not refine an existing one.
    """
    if role is not None:
        resources = as_resources(resources).push_reservation(Reservation.dynamic(role, principal))
    payload = Operation.Reserve(resources=as_messages(resources), source=as_messages(source))
    return Operation(type=Operation.RESERVE, id=_id(operation_id), reserve=payload)


def unreserve(resources: ResourcesLike, operation_id: ids.OperationIDLike | None = None) -> Operation:
    """Returns an UNRESERVE operation, which removes the last reservation of each of the resources."""
    payload = Operation.Unreserve(resources=as_messages(resources))
    return Operation(type=Operation.UNRESERVE, id=_id(operation_id), unreserve=payload)


def create(volumes: ResourcesLike, operation_id: ids.OperationIDLike | None = None) -> Operation:
    """Returns a CREATE operation, which creates persistent volumes on reserved disk."""
    payload = Operation.Create(volumes=as_messages(volumes))
    return Operation(type=Operation.CREATE, id=_id(operation_id), create=payload)


def destroy(volumes: ResourcesLike, operation_id: ids.OperationIDLike | None = None) -> Operation:
    """Returns a DESTROY operation, which deletes persistent volumes and the files on them."""
    payload = Operation.Destroy(volumes=as_messages(volumes))
    return Operation(type=Operation.DESTROY, id=_id(operation_id), destroy=payload)


def grow_volume(
    volume: ResourceLike, addition: ResourceLike, operation_id: ids.OperationIDLike | None = None
) -> Operation:
    """Returns a GROW_VOLUME operation: the volume grows by ``addition``, disk with the same reservations.

    The grown volume is in a later offer; tasks of the same ACCEPT cannot use it. Raises ``ResourcesError`` if an
    argument is not exactly one resource.
    """
    payload = Operation.GrowVolume(volume=as_message(volume), addition=as_message(addition))
    return Operation(type=Operation.GROW_VOLUME, id=_id(operation_id), grow_volume=payload)


def shrink_volume(volume: ResourceLike, megabytes: float, operation_id: ids.OperationIDLike | None = None) -> Operation:
    """Returns a SHRINK_VOLUME operation: the volume shrinks by so many megabytes.

    The shrunk volume and the freed disk are in a later offer; tasks of the same ACCEPT cannot use them. Raises
    ``ResourcesError`` if ``volume`` is not exactly one resource.
    """
    payload = Operation.ShrinkVolume(volume=as_message(volume), subtract=mesos.Value.Scalar(value=megabytes))
    return Operation(type=Operation.SHRINK_VOLUME, id=_id(operation_id), shrink_volume=payload)


def create_disk(
    source: ResourceLike,
    target_type: mesos.Resource.DiskInfo.Source.Type,
    target_profile: str | None = None,
    operation_id: ids.OperationIDLike | None = None,
) -> Operation:
    """Returns a CREATE_DISK operation, which turns a RAW disk of a resource provider into a MOUNT or BLOCK disk.

    Raises ``ResourcesError`` if ``source`` is not exactly one resource.
    """
    payload = Operation.CreateDisk(source=as_message(source), target_type=target_type, target_profile=target_profile)
    return Operation(type=Operation.CREATE_DISK, id=_id(operation_id), create_disk=payload)


def destroy_disk(source: ResourceLike, operation_id: ids.OperationIDLike | None = None) -> Operation:
    """Returns a DESTROY_DISK operation, which turns a MOUNT or BLOCK disk of a resource provider back into a RAW one.

    Raises ``ResourcesError`` if ``source`` is not exactly one resource.
    """
    payload = Operation.DestroyDisk(source=as_message(source))
    return Operation(type=Operation.DESTROY_DISK, id=_id(operation_id), destroy_disk=payload)
