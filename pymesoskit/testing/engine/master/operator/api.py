"""``POST /api/v1``: checks a call, carries it out, answers in the type that the client accepts.

Queries of the master's state live in ``queries.py``, what calls change in the master's modules beside this package.
Source: docs/reference/operator-api.md 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.testing.engine import version
from pymesoskit.testing.engine.authorization import Action
from pymesoskit.testing.engine.endpoints.files import FilesError
from pymesoskit.testing.engine.http.handler import Response
from pymesoskit.testing.engine.http.v1 import JSON, answer, check_method, negotiate, parse_call, refuse
from pymesoskit.testing.engine.master import draining
from pymesoskit.testing.engine.master.gauges import read_metrics
from pymesoskit.testing.engine.master.operator import maintenance, queries, quota, reservations, roles, weights
from pymesoskit.testing.engine.master.operator.changes import mark_agent_gone, teardown
from pymesoskit.testing.engine.master.operator.validation import call_error
from pymesoskit.wire.v1 import master as pb
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.endpoints.files import FileRoots
    from pymesoskit.testing.engine.http.handler import Request, Responder
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.operator.events import OperatorEvents

Type = pb.Call.Type
Operation = mesos.Offer.Operation

OK = Response(200)
ACCEPTED = Response(202)


@frozen
class _Call:
    """A call that is to be carried out, who sent it, and in which type to answer."""

    message: pb.Call
    permissions: Permissions
    content_type: str


#: The actions that a call as such must be allowed; others depend on what the call is about, and are asked for when that
#: has been looked at.
_REQUIRED: Mapping[pb.Call.Type, Action] = {
    Type.GET_FLAGS: Action.VIEW_FLAGS,
    Type.SET_LOGGING_LEVEL: Action.SET_LOG_LEVEL,
    Type.DEACTIVATE_AGENT: Action.DEACTIVATE_AGENT,
    Type.REACTIVATE_AGENT: Action.REACTIVATE_AGENT,
    Type.MARK_AGENT_GONE: Action.MARK_AGENT_GONE,
}


class OperatorApi:
    """The endpoint of one master."""

    def __init__(self, core: Core, events: OperatorEvents, files: FileRoots) -> None:
        self._core = core
        self._events = events
        self._files = files
        self._queries: Mapping[pb.Call.Type, Callable[[_Call], pb.Response]] = {
            Type.GET_HEALTH: self._get_health,
            Type.GET_FLAGS: self._get_flags,
            Type.GET_VERSION: self._get_version,
            Type.GET_METRICS: self._get_metrics,
            Type.GET_LOGGING_LEVEL: self._get_logging_level,
            Type.LIST_FILES: self._list_files,
            Type.READ_FILE: self._read_file,
            Type.GET_OPERATIONS: self._get_operations,
            Type.GET_ROLES: self._get_roles,
            Type.GET_WEIGHTS: self._get_weights,
            Type.GET_MASTER: self._get_master,
            Type.GET_MAINTENANCE_STATUS: self._get_maintenance_status,
            Type.GET_MAINTENANCE_SCHEDULE: self._get_maintenance_schedule,
            Type.GET_QUOTA: self._get_quota,
        }
        self._changes: Mapping[pb.Call.Type, Callable[[_Call], None]] = {
            Type.SET_LOGGING_LEVEL: self._set_logging_level,
            Type.UPDATE_WEIGHTS: lambda call: weights.update(
                core, call.message.update_weights.weight_infos, call.permissions
            ),
            Type.UPDATE_MAINTENANCE_SCHEDULE: lambda call: maintenance.update_schedule(
                core, call.message.update_maintenance_schedule.schedule, call.permissions
            ),
            Type.START_MAINTENANCE: lambda call: maintenance.start(
                core, call.message.start_maintenance.machines, call.permissions
            ),
            Type.STOP_MAINTENANCE: lambda call: maintenance.stop(
                core, call.message.stop_maintenance.machines, call.permissions
            ),
            Type.DRAIN_AGENT: lambda call: draining.drain(core, call.message.drain_agent, call.permissions),
            Type.DEACTIVATE_AGENT: lambda call: draining.deactivate(core, call.message.deactivate_agent.agent_id.value),
            Type.REACTIVATE_AGENT: lambda call: draining.reactivate(core, call.message.reactivate_agent.agent_id.value),
            Type.MARK_AGENT_GONE: lambda call: mark_agent_gone(core, call.message.mark_agent_gone.agent_id.value),
            Type.TEARDOWN: lambda call: teardown(core, call.message.teardown.framework_id.value, call.permissions),
            Type.UPDATE_QUOTA: self._update_quota,
            Type.SET_QUOTA: lambda call: quota.set_quota(core, call.message.set_quota.quota_request, call.permissions),
            Type.REMOVE_QUOTA: lambda call: quota.remove(core, call.message.remove_quota.role, call.permissions),
        }

    def handle(self, request: Request, responder: Responder, permissions: Permissions) -> None:
        """Serves a request of somebody with these permissions. Raises ``Refused``."""
        check_method(request, "POST")
        message = parse_call(request, pb.Call)
        error = call_error(message)
        if error is not None:
            raise refuse(400, f"Failed to validate master::Call: {error}")
        call = _Call(message, permissions, negotiate(request))
        kind = message.type
        if kind in _REQUIRED:
            permissions.require(_REQUIRED[kind])
        if kind == Type.SUBSCRIBE:
            self._events.subscribe(responder, call.content_type, permissions)
        elif kind in _LISTINGS:
            responder.respond(_listing(self._core, kind, call))
        elif kind in self._queries:
            response = self._queries[kind](call)
            response.MergeFrom(pb.Response(type=Type.Name(kind)))  # an answer is named as its call
            responder.respond(answer(response, call.content_type))
        elif kind in self._changes:
            self._changes[kind](call)
            responder.respond(OK)
        elif kind in _OPERATIONS:
            agent_id, operation = _OPERATIONS[kind](message)
            reservations.apply(self._core, agent_id, operation, permissions)
            responder.respond(ACCEPTED)
        else:
            raise refuse(501, "501 Not Implemented.")

    # Queries

    def _get_health(self, _: _Call) -> pb.Response:
        return pb.Response(get_health=pb.Response.GetHealth(healthy=True))

    def _get_flags(self, _: _Call) -> pb.Response:
        flags = self._core.flags.as_text().items()
        return pb.Response(
            get_flags=pb.Response.GetFlags(flags=(mesos.Flag(name=name, value=value) for name, value in flags))
        )

    def _get_version(self, _: _Call) -> pb.Response:
        return pb.Response(get_version=pb.Response.GetVersion(version_info=version.version_info()))

    def _get_metrics(self, _: _Call) -> pb.Response:
        metrics = (
            mesos.Metric(name=name, value=value) for name, value in read_metrics(self._core, len(self._events)).items()
        )
        return pb.Response(get_metrics=pb.Response.GetMetrics(metrics=metrics))

    def _get_logging_level(self, _: _Call) -> pb.Response:
        return pb.Response(get_logging_level=pb.Response.GetLoggingLevel(level=self._core.log.level))

    def _list_files(self, call: _Call) -> pb.Response:
        try:
            infos = self._files.browse(call.message.list_files.path, call.permissions)
        except FilesError as error:
            raise refuse(error.status, error.message) from None
        return pb.Response(list_files=pb.Response.ListFiles(file_infos=infos))

    def _read_file(self, call: _Call) -> pb.Response:
        read = call.message.read_file
        try:
            length = read.length if read.HasField("length") else None
            piece = self._files.read(read.path, read.offset, length, call.permissions)
        except FilesError as error:
            raise refuse(error.status, error.message) from None
        return pb.Response(read_file=pb.Response.ReadFile(size=piece.size, data=piece.data))

    def _get_operations(self, call: _Call) -> pb.Response:
        return pb.Response(get_operations=queries.operations_message(self._core.state, call.permissions))

    def _get_roles(self, call: _Call) -> pb.Response:
        return pb.Response(get_roles=pb.Response.GetRoles(roles=roles.role_messages(self._core, call.permissions)))

    def _get_weights(self, call: _Call) -> pb.Response:
        response = pb.Response()
        for info in weights.all_weights(self._core, call.permissions):  # without any there is no payload at all
            response.get_weights.weight_infos.append(info)
        return response

    def _get_master(self, _: _Call) -> pb.Response:
        state = self._core.state
        return pb.Response(
            get_master=pb.Response.GetMaster(
                master_info=self._core.info, start_time=state.start_time, elected_time=state.elected_time
            )
        )

    def _get_maintenance_status(self, call: _Call) -> pb.Response:
        status = maintenance.status(self._core, call.permissions)
        return pb.Response(get_maintenance_status=pb.Response.GetMaintenanceStatus(status=status))

    def _get_maintenance_schedule(self, call: _Call) -> pb.Response:
        schedule = maintenance.schedule(self._core, call.permissions)
        return pb.Response(get_maintenance_schedule=pb.Response.GetMaintenanceSchedule(schedule=schedule))

    def _get_quota(self, call: _Call) -> pb.Response:
        return pb.Response(get_quota=pb.Response.GetQuota(status=quota.status(self._core, call.permissions)))

    # Changes

    def _set_logging_level(self, call: _Call) -> None:
        wanted = call.message.set_logging_level
        self._core.log.raise_to(wanted.level, wanted.duration.nanoseconds / 1e9)

    def _update_quota(self, call: _Call) -> None:
        update = call.message.update_quota
        quota.update(self._core, update.quota_configs, call.permissions, force=update.force)


# Listings: their JSON is not that of their message


_LISTINGS = {
    Type.GET_STATE: ("get_state", queries.state_json, queries.state_message),
    Type.GET_AGENTS: ("get_agents", queries.agents_json, queries.agents_message),
    Type.GET_FRAMEWORKS: ("get_frameworks", queries.frameworks_json, queries.frameworks_message),
    Type.GET_EXECUTORS: ("get_executors", queries.executors_json, queries.executors_message),
    Type.GET_TASKS: ("get_tasks", queries.tasks_json, queries.tasks_message),
}


def _listing(core: Core, kind: pb.Call.Type, call: _Call) -> Response:
    name, as_json, as_message = _LISTINGS[kind]
    if call.content_type == JSON:
        return Response.json(f'{{"type":"{Type.Name(kind)}","{name}":{as_json(core.state, call.permissions)}}}')
    response = pb.Response(type=Type.Name(kind))
    getattr(response, name).MergeFrom(as_message(core.state, call.permissions))
    return answer(response, call.content_type)


# Operations on an agent's resources: the same as a framework's, in other words


def _reserve(call: pb.Call) -> tuple[str, mesos.Offer.Operation]:
    wanted = call.reserve_resources
    reserve = Operation.Reserve(source=wanted.source, resources=wanted.resources)
    return wanted.agent_id.value, Operation(type=Operation.RESERVE, reserve=reserve)


def _unreserve(call: pb.Call) -> tuple[str, mesos.Offer.Operation]:
    wanted = call.unreserve_resources
    unreserve = Operation.Unreserve(resources=wanted.resources)
    return wanted.agent_id.value, Operation(type=Operation.UNRESERVE, unreserve=unreserve)


def _create(call: pb.Call) -> tuple[str, mesos.Offer.Operation]:
    wanted = call.create_volumes
    create = Operation.Create(volumes=wanted.volumes)
    return wanted.agent_id.value, Operation(type=Operation.CREATE, create=create)


def _destroy(call: pb.Call) -> tuple[str, mesos.Offer.Operation]:
    wanted = call.destroy_volumes
    destroy = Operation.Destroy(volumes=wanted.volumes)
    return wanted.agent_id.value, Operation(type=Operation.DESTROY, destroy=destroy)


def _grow(call: pb.Call) -> tuple[str, mesos.Offer.Operation]:
    wanted = call.grow_volume
    grow = Operation.GrowVolume(volume=wanted.volume, addition=wanted.addition)
    return wanted.agent_id.value, Operation(type=Operation.GROW_VOLUME, grow_volume=grow)


def _shrink(call: pb.Call) -> tuple[str, mesos.Offer.Operation]:
    wanted = call.shrink_volume
    shrink = Operation.ShrinkVolume(volume=wanted.volume, subtract=wanted.subtract)
    return wanted.agent_id.value, Operation(type=Operation.SHRINK_VOLUME, shrink_volume=shrink)


_OPERATIONS: Mapping[pb.Call.Type, Callable[[pb.Call], tuple[str, mesos.Offer.Operation]]] = {
    Type.RESERVE_RESOURCES: _reserve,
    Type.UNRESERVE_RESOURCES: _unreserve,
    Type.CREATE_VOLUMES: _create,
    Type.DESTROY_VOLUMES: _destroy,
    Type.GROW_VOLUME: _grow,
    Type.SHRINK_VOLUME: _shrink,
}
