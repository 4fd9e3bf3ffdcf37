"""``POST /api/v1`` of the agent: the checks, and the calls that ask. Calls on containers are in ``container_api.py``.

Source: docs/reference/operator-api.md 2 and 4.1.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pymesoskit.testing.engine.agent.container_api import status_of
from pymesoskit.testing.engine.agent.legacy import resource_statistics, usage_statistics
from pymesoskit.testing.engine.agent.media_types import check_streaming, media_types, parse
from pymesoskit.testing.engine.agent.metrics import snapshot
from pymesoskit.testing.engine.agent.reports import bare_container_status
from pymesoskit.testing.engine.agent.transitions import Phase
from pymesoskit.testing.engine.agent.validation import call_error
from pymesoskit.testing.engine.authorization import Action
from pymesoskit.testing.engine.containers.containers import message_of
from pymesoskit.testing.engine.endpoints.files import FileRoots, FilesError
from pymesoskit.testing.engine.http.handler import Request, Responder, Response
from pymesoskit.testing.engine.http.v1 import JSON, RECORDIO, Refused, answer, check_method, refuse
from pymesoskit.testing.engine.version import version_info
from pymesoskit.wire import to_json_value
from pymesoskit.wire.v1 import agent, mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pymesoskit.testing.engine.agent.access import Access
    from pymesoskit.testing.engine.agent.container_api import ContainerApi
    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.agent.state import CompletedExecutor, Executor, Framework
    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.flags.flags import AgentFlags

    #: Fills in the answer to a call, as far as it may be seen.
    Query = Callable[[agent.Call, agent.Response, Permissions], None]

#: The actions that a call as such must be allowed. What containers need is in ``access.py``.
_REQUIRED: Mapping[int, Action] = {
    agent.Call.GET_FLAGS: Action.VIEW_FLAGS,
    agent.Call.SET_LOGGING_LEVEL: Action.SET_LOG_LEVEL,
    agent.Call.PRUNE_IMAGES: Action.PRUNE_IMAGES,
    agent.Call.ADD_RESOURCE_PROVIDER_CONFIG: Action.MODIFY_RESOURCE_PROVIDER_CONFIG,
    agent.Call.UPDATE_RESOURCE_PROVIDER_CONFIG: Action.MODIFY_RESOURCE_PROVIDER_CONFIG,
    agent.Call.REMOVE_RESOURCE_PROVIDER_CONFIG: Action.MODIFY_RESOURCE_PROVIDER_CONFIG,
    agent.Call.MARK_RESOURCE_PROVIDER_GONE: Action.MARK_RESOURCE_PROVIDER_GONE,
}

#: The one type of resource providers that agents can run.
STORAGE_PROVIDER = "org.apache.mesos.rp.local.storage"

#: Lists that JSON shows even when they are empty, by the message they are in.
ALWAYS_SHOWN: Mapping[str, tuple[str, ...]] = {
    "get_tasks": ("pending_tasks", "queued_tasks", "launched_tasks", "terminated_tasks", "completed_tasks"),
    "get_executors": ("executors", "completed_executors"),
    "get_frameworks": ("frameworks", "completed_frameworks"),
}


class OperatorApi:
    """The endpoint; ``handle`` serves it."""

    def __init__(
        self,
        core: Core,
        files: FileRoots,
        containers: ContainerApi,
        access: Access,
    ) -> None:
        self._core = core
        self._files = files
        self._containers = containers
        self._access = access
        call = agent.Call
        self._queries: Mapping[int, Query] = {
            call.GET_HEALTH: self._health,
            call.GET_FLAGS: self._flags,
            call.GET_VERSION: self._version,
            call.GET_METRICS: self._metrics,
            call.GET_LOGGING_LEVEL: self._get_logging_level,
            call.LIST_FILES: self._list_files,
            call.READ_FILE: self._read_file,
            call.GET_STATE: self._state,
            call.GET_CONTAINERS: self._get_containers,
            call.GET_FRAMEWORKS: lambda _, response, may: self._frameworks(response.get_frameworks, may),
            call.GET_EXECUTORS: lambda _, response, may: self._executors(response.get_executors, may),
            call.GET_OPERATIONS: self._operations,
            call.GET_TASKS: lambda _, response, may: self._tasks(response.get_tasks, may),
            call.GET_AGENT: self._agent,
            call.GET_RESOURCE_PROVIDERS: self._resource_providers,
        }

    def handle(self, request: Request, responder: Responder, permissions: Permissions) -> None:
        """Serves one request of somebody with these permissions. Raises ``Refused``."""
        if self._core.phase is Phase.RECOVERING:
            raise refuse(503, "Agent has not finished recovery")
        check_method(request, "POST")
        media = media_types(request)
        if media.content == RECORDIO:
            self._containers.attach_input(
                request, media, responder, lambda container_id: self._access.require_input(container_id, permissions)
            )
            return
        call = parse(request.body, media.content)
        error = call_error(call)
        if error is not None:
            raise refuse(400, f"Failed to validate agent::Call: {error}")
        check_streaming(call, media)
        if self._containers.streams(call):
            self._access.require_container(call, permissions)
            self._containers.stream(call, media, responder)
            return
        if call.type in _REQUIRED:
            permissions.require(_REQUIRED[call.type])
        self._access.require_container(call, permissions)
        content_type = media.accept
        query = self._queries.get(call.type)
        if query is not None:
            self._answer(call, query, content_type, responder, permissions)
        elif call.type == agent.Call.SET_LOGGING_LEVEL:
            wanted = call.set_logging_level
            self._core.log.raise_to(wanted.level, wanted.duration.nanoseconds / 1e9)
            responder.respond(Response(200))
        elif call.type == agent.Call.PRUNE_IMAGES:
            responder.respond(Response(200))
        elif not self._containers.handle(call, content_type, responder):
            raise provider_refusal(call, self._core.flags)

    def _answer(
        self,
        call: agent.Call,
        query: Query,
        content_type: str,
        responder: Responder,
        permissions: Permissions,
    ) -> None:
        name = agent.Call.Type.Name(call.type)
        response = agent.Response(type=name)
        try:
            query(call, response, permissions)
        except FilesError as error:
            raise refuse(error.status, error.message) from None
        if content_type == JSON and name in {"GET_STATE", "GET_TASKS", "GET_EXECUTORS", "GET_FRAMEWORKS"}:
            responder.respond(Response.json(json.dumps(with_empty_lists(to_json_value(response)))))
        else:
            responder.respond(answer(response, content_type))

    # Queries

    def _health(self, _: agent.Call, response: agent.Response, __: Permissions) -> None:
        response.get_health.healthy = True

    def _flags(self, _: agent.Call, response: agent.Response, __: Permissions) -> None:
        for name, value in self._core.flags.as_text().items():
            response.get_flags.flags.add(name=name, value=value)

    def _version(self, _: agent.Call, response: agent.Response, __: Permissions) -> None:
        response.get_version.version_info.CopyFrom(version_info())

    def _metrics(self, _: agent.Call, response: agent.Response, __: Permissions) -> None:
        for name, value in snapshot(self._core).items():
            response.get_metrics.metrics.add(name=name, value=value)

    def _get_logging_level(self, _: agent.Call, response: agent.Response, __: Permissions) -> None:
        response.get_logging_level.level = self._core.log.level

    def _list_files(self, call: agent.Call, response: agent.Response, permissions: Permissions) -> None:
        response.list_files.file_infos.extend(self._files.browse(call.list_files.path, permissions))

    def _read_file(self, call: agent.Call, response: agent.Response, permissions: Permissions) -> None:
        wanted = call.read_file
        length = wanted.length if wanted.HasField("length") else None
        piece = self._files.read(wanted.path, wanted.offset, length, permissions)
        response.read_file.size = piece.size
        response.read_file.data = piece.data

    def _state(self, _: agent.Call, response: agent.Response, permissions: Permissions) -> None:
        self._tasks(response.get_state.get_tasks, permissions)
        self._executors(response.get_state.get_executors, permissions)
        self._frameworks(response.get_state.get_frameworks, permissions)

    def _visible(self, permissions: Permissions) -> Iterator[tuple[Framework, list[Executor], list[CompletedExecutor]]]:
        """The frameworks that can be seen, with those of their executors that can."""
        for framework in permissions.frameworks([*self._core.frameworks.values(), *self._core.completed_frameworks]):
            executors, completed = list(framework.executors.values()), list(framework.completed)
            if not permissions.unrestricted:
                executors = [each for each in executors if permissions.sees_executor(each.info, framework.info)]
                completed = [each for each in completed if permissions.sees_executor(each.info, framework.info)]
            yield framework, executors, completed

    def _tasks(self, result: agent.Response.GetTasks, permissions: Permissions) -> None:
        result.SetInParent()
        for framework, executors, completed in self._visible(permissions):

            def seen(tasks: Iterable[mesos.Task], framework: Framework = framework) -> Iterable[mesos.Task]:
                return permissions.tasks(tasks, framework.info)

            for executor in executors:
                result.queued_tasks.extend(seen(task.message() for task in executor.queued.values()))
                result.launched_tasks.extend(seen(task.message() for task in executor.launched.values()))
                result.terminated_tasks.extend(seen(task.message() for task in executor.terminated.values()))
                result.completed_tasks.extend(seen(executor.completed_tasks()))
            for done in completed:
                result.completed_tasks.extend(seen(mesos.Task.FromString(data) for data in done.tasks))

    def _executors(self, result: agent.Response.GetExecutors, permissions: Permissions) -> None:
        result.SetInParent()
        for _, executors, completed in self._visible(permissions):
            for executor in executors:
                result.executors.add().executor_info.CopyFrom(executor.info)
            for done in completed:
                result.completed_executors.add().executor_info.CopyFrom(done.info)

    def _frameworks(self, result: agent.Response.GetFrameworks, permissions: Permissions) -> None:
        result.SetInParent()
        for framework in permissions.frameworks(self._core.frameworks.values()):
            result.frameworks.add().framework_info.CopyFrom(framework.info)
        for framework in permissions.frameworks(self._core.completed_frameworks):
            result.completed_frameworks.add().framework_info.CopyFrom(framework.info)

    def _get_containers(self, call: agent.Call, response: agent.Response, permissions: Permissions) -> None:
        for framework, executor in self._core.executors():
            top = mesos.ContainerID(value=executor.container_id)
            if executor.container is None or not self._access.sees_container(top, permissions):
                continue
            item = self._container(framework, executor)
            item.container_id.value = executor.container_id
            item.container_status.CopyFrom(bare_container_status(executor))
            statistics = resource_statistics(self._core, executor)
            if statistics is not None:
                item.resource_statistics.CopyFrom(statistics)
            response.get_containers.containers.append(item)
        wanted = call.get_containers
        for container in self._containers.others(nested=wanted.show_nested, standalone=wanted.show_standalone):
            if not self._access.sees_container(message_of(container.path), permissions):
                continue
            item = response.get_containers.containers.add()
            item.container_id.value = container.path[-1]  # whose it is only the status tells
            item.container_status.CopyFrom(status_of(container))
            usage = container.usage()
            if usage is None:
                continue
            if len(container.path) > 1:  # the posix isolators measure containers of the top level only
                item.resource_statistics.timestamp = self._core.lifeline.time()
            else:
                item.resource_statistics.CopyFrom(usage_statistics(self._core, usage))

    def _container(self, framework: Framework, executor: Executor) -> agent.Response.GetContainers.Container:
        item = agent.Response.GetContainers.Container(executor_name=executor.info.name)
        item.framework_id.CopyFrom(framework.info.id)
        item.executor_id.CopyFrom(executor.info.executor_id)
        return item

    def _operations(self, _: agent.Call, response: agent.Response, permissions: Permissions) -> None:
        response.get_operations.SetInParent()
        operations = self._core.operations.values()
        response.get_operations.operations.extend(each for each in operations if permissions.sees_operation(each.info))

    def _agent(self, _: agent.Call, response: agent.Response, __: Permissions) -> None:
        response.get_agent.agent_info.CopyFrom(self._core.info)
        if self._core.drain is not None:
            response.get_agent.drain_config.CopyFrom(self._core.drain)
            response.get_agent.estimated_drain_start_time.nanoseconds = int(self._core.drain_start * 1e9)

    def _resource_providers(self, _: agent.Call, response: agent.Response, __: Permissions) -> None:
        response.get_resource_providers.SetInParent()


def provider_refusal(call: agent.Call, flags: AgentFlags) -> Refused:
    """How a call about resource providers is answered by an agent that has none (as those without a directory for
    their configuration do); any other call that is not carried out is unknown.
    """
    kind = agent.Call
    if flags.resource_provider_config_dir is None:
        adds = {
            kind.ADD_RESOURCE_PROVIDER_CONFIG: call.add_resource_provider_config.info,
            kind.UPDATE_RESOURCE_PROVIDER_CONFIG: call.update_resource_provider_config.info,
        }
        info = adds.get(call.type)
        if info is not None and info.type != STORAGE_PROVIDER:
            return refuse(
                400,
                f"Failed to validate resource provider config with type '{info.type}' and name '{info.name}':"
                f" Unknown local resource provider type '{info.type}'",
            )
        if info is not None or call.type == kind.REMOVE_RESOURCE_PROVIDER_CONFIG:
            return refuse(500, "Missing required flag --resource_provider_config_dir")
    return refuse(501, "501 Not Implemented.")


def with_empty_lists(value: Any, name: str = "") -> Any:
    """A response's JSON with the lists that are always shown."""
    if not isinstance(value, dict):
        return value
    result = {}
    for shown in ALWAYS_SHOWN.get(name, ()):
        result[shown] = value.get(shown, [])
    for key, item in value.items():
        result.setdefault(key, with_empty_lists(item, key) if key in ALWAYS_SHOWN or key == "get_state" else item)
    return result
