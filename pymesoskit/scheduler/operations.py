"""The ten operations on offers, one constructor each, for ``accept``. Rules: docs/reference/scheduler-api.md 4.3 and
4.6.

``operation_id`` asks for feedback (UPDATE_OPERATION_STATUS); launches cannot have one.
"""

from __future__ import annotations

from collections.abc import Iterable

from pymesoskit.scheduler import ids
from pymesoskit.wire.v1 import mesos

Operation = mesos.Offer.Operation
Resources = Iterable[mesos.Resource]


def _id(operation_id: ids.OperationIDLike | None) -> mesos.OperationID | None:
    return None if operation_id is None else ids.operation_id(operation_id)


def launch(*tasks: mesos.TaskInfo) -> Operation:
    """LAUNCH tasks, each independent of the others."""
    return Operation(type=Operation.LAUNCH, launch=Operation.Launch(task_infos=tasks))


def launch_group(executor: mesos.ExecutorInfo, *tasks: mesos.TaskInfo) -> Operation:
    """LAUNCH_GROUP: all of these tasks under one executor (of type DEFAULT), or none."""
    return Operation(
        type=Operation.LAUNCH_GROUP,
        launch_group=Operation.LaunchGroup(executor=executor, task_group=mesos.TaskGroupInfo(tasks=tasks)),
    )


def reserve(resources: Resources, source: Resources = (), operation_id: ids.OperationIDLike | None = None) -> Operation:
    """RESERVE: ``resources`` are those wanted, with their (last) reservation on them."""
    return Operation(
        type=Operation.RESERVE, id=_id(operation_id), reserve=Operation.Reserve(resources=resources, source=source)
    )


def unreserve(resources: Resources, operation_id: ids.OperationIDLike | None = None) -> Operation:
    """UNRESERVE: takes the last reservation off ``resources``."""
    return Operation(type=Operation.UNRESERVE, id=_id(operation_id), unreserve=Operation.Unreserve(resources=resources))


def create(volumes: Resources, operation_id: ids.OperationIDLike | None = None) -> Operation:
    """CREATE persistent volumes on reserved disk."""
    return Operation(type=Operation.CREATE, id=_id(operation_id), create=Operation.Create(volumes=volumes))


def destroy(volumes: Resources, operation_id: ids.OperationIDLike | None = None) -> Operation:
    """DESTROY persistent volumes and what is on them."""
    return Operation(type=Operation.DESTROY, id=_id(operation_id), destroy=Operation.Destroy(volumes=volumes))


def grow_volume(
    volume: mesos.Resource, addition: mesos.Resource, operation_id: ids.OperationIDLike | None = None
) -> Operation:
    """GROW_VOLUME by ``addition``, disk of the same reservation. What comes of it is in a later offer only."""
    return Operation(
        type=Operation.GROW_VOLUME,
        id=_id(operation_id),
        grow_volume=Operation.GrowVolume(volume=volume, addition=addition),
    )


def shrink_volume(
    volume: mesos.Resource, megabytes: float, operation_id: ids.OperationIDLike | None = None
) -> Operation:
    """SHRINK_VOLUME by so many megabytes. What comes of it is in a later offer only."""
    return Operation(
        type=Operation.SHRINK_VOLUME,
        id=_id(operation_id),
        shrink_volume=Operation.ShrinkVolume(volume=volume, subtract=mesos.Value.Scalar(value=megabytes)),
    )


def create_disk(
    source: mesos.Resource,
    target_type: mesos.Resource.DiskInfo.Source.Type,
    target_profile: str | None = None,
    operation_id: ids.OperationIDLike | None = None,
) -> Operation:
    """CREATE_DISK: turns a RAW disk of a resource provider into a MOUNT or BLOCK one."""
    return Operation(
        type=Operation.CREATE_DISK,
        id=_id(operation_id),
        create_disk=Operation.CreateDisk(source=source, target_type=target_type, target_profile=target_profile),
    )


def destroy_disk(source: mesos.Resource, operation_id: ids.OperationIDLike | None = None) -> Operation:
    """DESTROY_DISK: turns a MOUNT or BLOCK disk of a resource provider back into a RAW one."""
    return Operation(
        type=Operation.DESTROY_DISK, id=_id(operation_id), destroy_disk=Operation.DestroyDisk(source=source)
    )
