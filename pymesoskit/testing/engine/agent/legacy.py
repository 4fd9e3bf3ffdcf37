"""The agent's endpoints from before the v1 API: /state, /containers, /monitor/statistics and their like.

Source: docs/reference/operator-api.md 4.2; the fragments that master and agent share are in ``model.py``.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from pymesoskit.resources import Attributes, Format, Resources
from pymesoskit.testing.engine.agent.core import CAPABILITIES, Core
from pymesoskit.testing.engine.agent.limits import limit_of, memory_limit
from pymesoskit.testing.engine.agent.reports import bare_container_status
from pymesoskit.testing.engine.agent.transitions import Phase
from pymesoskit.testing.engine.authorization import Action
from pymesoskit.testing.engine.endpoints.logging import toggle_logging
from pymesoskit.testing.engine.formats import legacy_json as model
from pymesoskit.testing.engine.http.handler import Request, Response
from pymesoskit.testing.engine.version import build_model, version_model
from pymesoskit.testing.runtime.system import read_system, system_model
from pymesoskit.wire import to_json_value
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pymesoskit.testing.engine.agent.access import Access
    from pymesoskit.testing.engine.agent.auth import Answer
    from pymesoskit.testing.engine.agent.state import CompletedExecutor, Executor, Framework, Task
    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.machine.launcher import Usage

Json = dict[str, Any]

#: The isolators that count processes and threads.
CPU_ISOLATORS = frozenset({"cgroups/cpu", "cgroups/all"})


def amounts(messages: Iterable[mesos.Resource]) -> Resources:
    return Resources.from_messages(messages)


class Legacy:
    """Answers the older HTTP endpoints of an agent; ``routes`` gives the endpoints by path."""

    def __init__(self, core: Core, access: Access) -> None:
        self._core = core
        self._access = access

    def routes(self) -> Mapping[str, Answer]:
        return {
            "/state": self._serve(self.state),
            "/containers": self._serve(self.containers),
            "/monitor/statistics": self._serve(self.statistics),
            "/flags": self._serve(lambda _, __: {"flags": self._core.flags.as_text()}),
            "/version": self._serve(lambda _, __: version_model()),
            "/system/stats.json": self._serve(lambda _, __: system_model()),
            "/logging/toggle": lambda request, _: toggle_logging(self._core.log, request),
            "/containerizer/debug": self._serve(lambda _, __: {"pending": []}),
            "/health": lambda _, __: Response(200),
        }

    def _serve(self, document: Callable[[Request, Permissions], object]) -> Answer:
        def answer(request: Request, permissions: Permissions) -> Response:
            if self._core.phase is Phase.RECOVERING and request.path.rstrip("/").endswith("/state"):
                return Response.text(503, "Agent has not finished recovery")
            body = json.dumps(document(request, permissions), separators=(",", ":"))
            return Response.jsonp(body, request.query().get("jsonp"))

        return answer

    # /state

    def state(self, _: Request, permissions: Permissions) -> Json:
        """All that the agent knows and that can be seen."""
        core = self._core
        total = core.total
        allocated = amounts(resource for _, executor in core.executors() for resource in executor.resources())
        state: Json = {
            **build_model(),
            "start_time": core.start_time,
            "id": core.agent_id,
            "pid": core.address,
            "hostname": core.endpoint.hostname,
            "capabilities": list(CAPABILITIES),
        }
        if core.info.HasField("domain"):
            state["domain"] = model.domain(core.info.domain)
        if core.drain is not None:
            state["drain_config"] = to_json_value(core.drain)
            state["estimated_drain_start_time_seconds"] = core.drain_start
        state |= {
            "resources": model.resources(total),
            "reserved_resources": by_role(total, permissions),
            "unreserved_resources": model.resources(total.unreserved()),
            "reserved_resources_full": {
                role: full(resources) for role, resources in permissions.by_role(total.by_reservation_role()).items()
            },
            "unreserved_resources_full": full(total.unreserved()),
            "reserved_resources_allocated": by_role(allocated, permissions),
            "unreserved_resources_allocated": model.resources(allocated.unreserved()),
            "resource_providers": [],
            "attributes": Attributes.from_messages(core.info.attributes).to_legacy_json(),
        }
        if core.master is not None:
            state["master_hostname"] = core.master.partition("@")[2].partition(":")[0]
        if permissions.allows(Action.VIEW_FLAGS):
            for name in ("log_dir", "external_log_file"):
                value = getattr(core.flags, name)
                if value is not None:
                    state[name] = value
            state["flags"] = core.flags.as_text()
        for name, group in (
            ("frameworks", core.frameworks.values()),
            ("completed_frameworks", core.completed_frameworks),
        ):
            state[name] = [self._framework(framework, permissions) for framework in permissions.frameworks(group)]
        return state

    def _framework(self, framework: Framework, permissions: Permissions) -> Json:
        info = framework.info
        result: Json = {
            "id": framework.id,
            "name": info.name,
            "user": info.user,
            "failover_timeout": info.failover_timeout,
            "checkpoint": info.checkpoint,
            "hostname": info.hostname,
        }
        if info.HasField("principal"):
            result["principal"] = info.principal
        if any(item.type == mesos.FrameworkInfo.Capability.MULTI_ROLE for item in info.capabilities):
            result["roles"] = list(info.roles)
        else:
            result["role"] = info.role
        result["executors"] = [
            self._executor(executor, info, permissions)
            for executor in framework.executors.values()
            if permissions.unrestricted or permissions.sees_executor(executor.info, info)
        ]
        result["completed_executors"] = [
            completed_model(done, info, permissions)
            for done in framework.completed
            if permissions.unrestricted or permissions.sees_executor(done.info, info)
        ]
        return result

    def _executor(self, executor: Executor, framework: mesos.FrameworkInfo, permissions: Permissions) -> Json:
        launched = (task.message() for task in executor.launched.values())
        done = [*executor.completed_tasks(), *(task.message() for task in executor.terminated.values())]
        return {
            **executor_model(executor.info, executor.container_id, executor.directory, executor.resources()),
            "tasks": [task_model(message) for message in permissions.tasks(launched, framework)],
            "queued_tasks": [
                queued_model(task)
                for task in executor.queued.values()
                if permissions.unrestricted or permissions.sees_task_info(task.info, framework)
            ],
            "completed_tasks": [task_model(message) for message in permissions.tasks(done, framework)],
        }

    # /containers, /monitor/statistics

    def containers(self, request: Request, permissions: Permissions) -> list[Json]:
        """The executors' containers that can be seen."""
        wanted = request.query().get("container_id")
        return [
            {
                "container_id": executor.container_id,
                "executor_id": executor.id,
                "executor_name": executor.info.name,
                "framework_id": framework.id,
                "source": executor.info.source,
                "status": to_json_value(bare_container_status(executor)),
                **self._statistics(executor),
            }
            for framework, executor in self._core.executors()
            if executor.container is not None
            and wanted in {None, executor.container_id}
            and self._access.sees_container(mesos.ContainerID(value=executor.container_id), permissions)
        ]

    def statistics(self, _: Request, __: Permissions) -> list[Json]:
        """What the executors' containers use."""
        return [
            {
                "executor_id": executor.id,
                "executor_name": executor.info.name,
                "framework_id": framework.id,
                "source": executor.info.source,
                **statistics,
            }
            for framework, executor in self._core.executors()
            if (statistics := self._statistics(executor))
        ]

    def _statistics(self, executor: Executor) -> Json:
        statistics = resource_statistics(self._core, executor)
        return {} if statistics is None else {"statistics": to_json_value(statistics)}


def usage_statistics(core: Core, usage: Usage) -> mesos.ResourceStatistics:
    """Returns what a container uses now, as operators see it.

    Processes and threads are counted by the isolator cgroups/cpu only, if the agent's flags ask for it.
    """
    statistics = mesos.ResourceStatistics(
        timestamp=core.lifeline.time(),
        cpus_user_time_secs=usage.cpus_user_time_secs,
        cpus_system_time_secs=usage.cpus_system_time_secs,
        mem_rss_bytes=usage.mem_rss_bytes,
    )
    flags = core.flags
    if flags.cgroups_cpu_enable_pids_and_tids_count and flags.isolators & CPU_ISOLATORS:
        statistics.processes = usage.processes
        statistics.threads = usage.threads
    return statistics


def resource_statistics(core: Core, executor: Executor) -> mesos.ResourceStatistics | None:
    """Returns what an executor's container uses now; None if that is not known.

    There is a limit of CPU only where it is enforced: with ``--cgroups_enable_cfs``, or if a task has its own limit.
    """
    usage = None if executor.container is None else core.host.usage(executor.container)
    if usage is None:
        return None
    statistics = usage_statistics(core, usage)
    held = amounts(executor.resources()).to_messages()
    cpus, mem = (sum(item.scalar.value for item in held if item.name == name) for name in ("cpus", "mem"))
    statistics.cpus_soft_limit = cpus
    statistics.mem_soft_limit_bytes = int(mem * 2**20)
    cpu_limit, mem_limit = limit_of(executor, "cpus"), memory_limit(executor)
    machine = read_system()  # no limit at all is as much as there is
    if core.flags.cgroups_enable_cfs or any("cpus" in task.info.limits for task in executor.live()):
        statistics.cpus_limit = machine["system/cpus_total"] if cpu_limit == math.inf else cpu_limit
    statistics.mem_limit_bytes = int(machine["system/mem_total_bytes"] if mem_limit == math.inf else mem_limit)
    if executor.disk_used is not None:
        statistics.disk_limit_bytes = int(sum(item.scalar.value for item in held if item.name == "disk") * 2**20)
        statistics.disk_used_bytes = executor.disk_used
    return statistics


def executor_model(info: mesos.ExecutorInfo, container_id: str, directory: str, held: Iterable[mesos.Resource]) -> Json:
    """An executor without its tasks."""
    resources = amounts(held)
    result: Json = {
        "id": info.executor_id.value,
        "name": info.name,
        "source": info.source,
        "container": container_id,
        "directory": directory,
        "resources": model.resources(resources),
    }
    role = model.role_of(resources)
    if role:
        result["role"] = role
    if info.HasField("labels"):
        result["labels"] = model.labels(info.labels)
    if info.HasField("type"):
        result["type"] = mesos.ExecutorInfo.Type.Name(info.type)
    return result


def completed_model(done: CompletedExecutor, framework: mesos.FrameworkInfo, permissions: Permissions) -> Json:
    """An executor that was removed."""
    info = done.info
    tasks = (mesos.Task.FromString(data) for data in done.tasks)
    return {
        **executor_model(info, done.container_id, done.directory, info.resources),
        "tasks": [],
        "queued_tasks": [],
        "completed_tasks": [task_model(message) for message in permissions.tasks(tasks, framework)],
    }


def by_role(resources: Resources, permissions: Permissions) -> Json:
    visible = permissions.by_role(resources.by_reservation_role())
    return {role: model.resources(part) for role, part in visible.items()}


def full(resources: Resources) -> list[Any]:
    """Resources in full, in the format of endpoints (old and new fields)."""
    return [to_json_value(message) for message in resources.to_messages(Format.ENDPOINT)]


def task_model(message: mesos.Task) -> Json:
    return model.task(message, amounts(message.resources))


def queued_model(task: Task) -> Json:
    """A task that has not reached its executor."""
    info = task.info
    held = amounts(info.resources)
    result: Json = {
        "id": task.id,
        "name": info.name,
        "slave_id": info.agent_id.value,
        "resources": model.resources(held),
        "role": model.role_of(held),
    }
    if info.HasField("command"):
        result["command"] = model.command(info.command)
    if info.HasField("executor"):
        result["executor_id"] = info.executor.executor_id.value
    if info.HasField("discovery"):
        result["discovery"] = to_json_value(info.discovery)
    return result
