"""What frameworks and agents ask leave for: registration, tasks, operations; and the words in which it is refused.

Each is a list of requests (an action, and what it is done to) that must all be granted. Operators ask for the same when
they reserve or make volumes. The authorizer decides whether they are granted. Source: docs/authorization.md,
docs/reference/scheduler-api.md 3 and 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.authorization import Action, Object
from pymesoskit.testing.engine.authorization.local import task_user
from pymesoskit.testing.engine.master.state import roles_of
from pymesoskit.wire import dumps_value, to_json
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pymesoskit.testing.engine.authorization import Permissions

Operation = mesos.Offer.Operation
DiskType = mesos.Resource.DiskInfo.Source


@frozen
class Request:
    """One thing that somebody wants to be allowed to do. No object: to any."""

    action: Action
    thing: Object | None = None

    def __str__(self) -> str:
        """As Mesos says it in refusals."""
        thing = self.thing
        if thing is None:
            return f"perform action {self.action} on ANY object"
        framework = thing.framework_info
        if framework is not None and thing.task_info is not None:
            task = thing.task_info
            user = task_user(task, framework)
            return f"launch task {task.task_id.value} of framework {framework.id.value} under user '{user}'"
        if framework is not None:
            roles = ", ".join(sorted(set(roles_of(framework))))
            return f"register framework {framework.id.value} with roles {{ {roles} }}"
        return f"perform action {self.action} on object {_object_json(thing)}"


def _object_json(thing: Object) -> str:
    members = []
    if thing.value is not None:
        members.append(f'"value":{dumps_value(thing.value)}')
    if thing.resource is not None:
        members.append(f'"resource":{to_json(thing.resource)}')
    return f"{{{','.join(members)}}}"


def refused(permissions: Permissions, requests: Iterable[Request]) -> Request | None:
    """The first of them that is not granted; None if all are."""
    return next((request for request in requests if not permissions.allows(request.action, request.thing)), None)


def registration_request(framework: mesos.FrameworkInfo) -> Request:
    """A framework wants to be registered with its roles."""
    return Request(Action.REGISTER_FRAMEWORK, Object(framework_info=framework))


def registration_error(permissions: Permissions, framework: mesos.FrameworkInfo) -> str | None:
    """Why a framework must not be registered so; None if it may."""
    if permissions.unrestricted:
        return None
    request = refused(permissions, [registration_request(framework)])
    return None if request is None else f"Not authorized to {request}"


def launch_request(task: mesos.TaskInfo, framework: mesos.FrameworkInfo) -> Request:
    """A task is to run as the user that it, its executor or its framework says."""
    return Request(Action.RUN_TASK, Object(task_info=task, framework_info=framework))


def agent_error(permissions: Permissions, info: mesos.AgentInfo) -> str | None:
    """Why an agent must not be registered; None if it may. What it has reserved itself counts, too."""
    if permissions.unrestricted:
        return None
    resources = Resources.from_messages(info.resources)
    requests = [*(_reserve(resources) if resources.reserved() else ()), Request(Action.REGISTER_AGENT)]
    if refused(permissions, requests) is None:
        return None
    whose = f"with principal '{permissions.principal}'" if permissions.principal is not None else "without a principal"
    return f"Not authorized to register agent providing resources '{resources}' {whose}"


# Operations


def operation_requests(operation: mesos.Offer.Operation) -> list[Request]:
    """What an operation (no launch) needs; it is valid."""
    return list(_REQUESTS[operation.type](operation))


def operation_refusal(
    permissions: Permissions, operation: mesos.Offer.Operation, framework: mesos.FrameworkInfo
) -> str | None:
    """Why an operation of a framework is dropped; None if it may be carried out."""
    if permissions.unrestricted:
        return None
    request = refused(permissions, operation_requests(operation))
    return None if request is None else refusal(request, framework)


def refusal(request: Request, framework: mesos.FrameworkInfo) -> str:
    """What a framework is told (the grammar is Mesos's)."""
    return f"Principal '{framework.principal}' no authorized to {request}"


def _on(action: Action, resource: mesos.Resource, value: str) -> Request:
    return Request(action, Object(value=value, resource=resource))


def _role(resource: mesos.Resource) -> str:
    """The role of the last reservation; ``*`` without one."""
    return resource.reservations[-1].role if resource.reservations else "*"


def _messages(resources: Iterable[mesos.Resource]) -> list[mesos.Resource]:
    """The resources, each as it came, but with the reservations in the newer form."""
    return [message for each in resources for message in Resources.from_messages([each]).to_messages()]


def _once_per_role(action: Action, resources: Iterable[mesos.Resource]) -> Iterator[Request]:
    seen: set[str] = set()
    for resource in resources:
        role = _role(resource)
        if role not in seen:
            seen.add(role)
            yield _on(action, resource, role)


def _reserve(resources: Resources) -> Iterator[Request]:
    return _once_per_role(Action.RESERVE_RESOURCES, resources.to_messages())


def _unreserve(resources: Resources) -> Iterator[Request]:
    without_principal = False
    for resource in resources.to_messages():
        if resource.reservations and resource.reservations[-1].HasField("principal"):
            yield _on(Action.UNRESERVE_RESOURCES, resource, resource.reservations[-1].principal)
        else:
            without_principal = True
    if without_principal:
        yield Request(Action.UNRESERVE_RESOURCES)


def _of_reserve(operation: mesos.Offer.Operation) -> Iterator[Request]:
    """Without a source what is reserved; with one, each layer that is taken off, and each that is put on."""
    target = Resources.from_messages(operation.reserve.resources)
    if not operation.reserve.source:
        yield from _reserve(target)
        return
    current = Resources.from_messages(operation.reserve.source)
    before = next(iter(current)).kind.reservations
    after = next(iter(target)).kind.reservations
    common = 0
    while common < min(len(before), len(after)) and before[common] == after[common]:
        common += 1
    for _ in before[common:]:
        yield from _unreserve(current)
        current = current.pop_reservation()
    for layer in after[common:]:
        current = current.push_reservation(layer)
        yield from _reserve(current)


def _of_unreserve(operation: mesos.Offer.Operation) -> Iterator[Request]:
    return _unreserve(Resources.from_messages(operation.unreserve.resources))


def _of_create(operation: mesos.Offer.Operation) -> Iterator[Request]:
    return _once_per_role(Action.CREATE_VOLUME, _messages(operation.create.volumes))


def _of_destroy(operation: mesos.Offer.Operation) -> Iterator[Request]:
    for volume in _messages(operation.destroy.volumes):
        yield _on(Action.DESTROY_VOLUME, volume, volume.disk.persistence.principal)


def _of_resize(operation: mesos.Offer.Operation) -> Iterator[Request]:
    grows = operation.type == Operation.GROW_VOLUME
    (volume,) = _messages([operation.grow_volume.volume if grows else operation.shrink_volume.volume])
    yield _on(Action.RESIZE_VOLUME, volume, _role(volume))


_CREATE_DISK = {DiskType.MOUNT: Action.CREATE_MOUNT_DISK, DiskType.BLOCK: Action.CREATE_BLOCK_DISK}
_DESTROY_DISK = {
    DiskType.MOUNT: Action.DESTROY_MOUNT_DISK,
    DiskType.BLOCK: Action.DESTROY_BLOCK_DISK,
    DiskType.RAW: Action.DESTROY_RAW_DISK,
}


def _of_create_disk(operation: mesos.Offer.Operation) -> Iterator[Request]:
    (source,) = _messages([operation.create_disk.source])
    yield _on(_CREATE_DISK[operation.create_disk.target_type], source, _role(source))


def _of_destroy_disk(operation: mesos.Offer.Operation) -> Iterator[Request]:
    (source,) = _messages([operation.destroy_disk.source])
    yield _on(_DESTROY_DISK[source.disk.source.type], source, _role(source))


_REQUESTS: Mapping[int, Callable[[mesos.Offer.Operation], Iterable[Request]]] = {
    Operation.RESERVE: _of_reserve,
    Operation.UNRESERVE: _of_unreserve,
    Operation.CREATE: _of_create,
    Operation.DESTROY: _of_destroy,
    Operation.GROW_VOLUME: _of_resize,
    Operation.SHRINK_VOLUME: _of_resize,
    Operation.CREATE_DISK: _of_create_disk,
    Operation.DESTROY_DISK: _of_destroy_disk,
}
