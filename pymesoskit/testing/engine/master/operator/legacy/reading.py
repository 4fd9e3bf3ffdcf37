"""The older endpoints that show the master's state. Source: docs/reference/operator-api.md 3.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine import version
from pymesoskit.testing.engine.authorization import Action
from pymesoskit.testing.engine.formats import legacy_json as model
from pymesoskit.testing.engine.http.forms import numify
from pymesoskit.testing.engine.master.operator import roles
from pymesoskit.testing.engine.master.operator.legacy import fragments
from pymesoskit.testing.engine.master.operator.legacy.answers import Listing, json_answer
from pymesoskit.testing.engine.master.operator.views import visible_tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.formats.legacy_json import Json
    from pymesoskit.testing.engine.http.handler import Request, Response
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.entities import Task
    from pymesoskit.testing.engine.master.state import Framework

#: What ``/state`` says that the master can do. (The v1 enumeration has no name for the last.)
CAPABILITIES = ("AGENT_UPDATE", "AGENT_DRAINING", "QUOTA_V2")

#: ``/tasks`` gives at most so many unless told otherwise.
TASK_LIMIT = 100

#: Limits and offsets are unsigned to Mesos: a negative limit is none, and behind a negative offset there is nothing.
_SIZE = 2**64


def state(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/state``: everything."""
    info, flags = core.info, core.flags
    active = sum(agent.active for agent in core.state.agents.values())
    body: Json = {
        **version.build_model(),
        "start_time": core.state.start_time,
        "elected_time": core.state.elected_time,
        "id": info.id,
        "pid": info.pid,
        "hostname": info.hostname,
        "capabilities": list(CAPABILITIES),
        "activated_slaves": float(active),
        "deactivated_slaves": float(len(core.state.agents) - active),
        "unreachable_slaves": float(len(core.state.unreachable)),
    }
    if info.HasField("domain"):
        body["domain"] = model.domain(info.domain)
    body["leader"] = info.pid
    body["leader_info"] = {"id": info.id, "pid": info.pid, "port": info.port, "hostname": info.hostname}
    if info.HasField("domain"):
        body["leader_info"]["domain"] = model.domain(info.domain)
    if permissions.allows(Action.VIEW_FLAGS):
        for name in ("cluster", "log_dir", "external_log_file"):
            value = getattr(flags, name)
            if value is not None:
                body[name] = value
        body["flags"] = flags.as_text()
    body["slaves"] = Listing(fragments.agent(agent, permissions) for agent in core.state.agents.values())
    body["recovered_slaves"] = _recovered(core)
    body["frameworks"] = _frameworks(core.state.frameworks, permissions)
    body["completed_frameworks"] = _frameworks(core.state.completed_frameworks, permissions)
    body["orphan_tasks"] = []
    body["unregistered_frameworks"] = []
    return json_answer(body, request)


def _frameworks(group: Mapping[str, Framework], permissions: Permissions, wanted: str | None = None) -> Listing:
    """Those of the group that can be seen; of them that with the wanted id, if one is wanted."""
    return Listing(
        fragments.framework(framework, permissions)
        for framework in permissions.frameworks(group.values())
        if wanted in {None, framework.id}
    )


def _recovered(core: Core) -> list[Json]:
    return [model.agent_info(record.info) for record in core.state.recovered_agents.values()]


def state_summary(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/state-summary``: agents and frameworks with numbers of tasks."""
    summaries = fragments.TaskSummaries(core.state.frameworks.values())
    body: Json = {"hostname": core.info.hostname}
    if core.flags.cluster is not None:
        body["cluster"] = core.flags.cluster
    body["slaves"] = Listing(
        {**fragments.agent(agent, permissions), **summaries.of_agent(agent.id)} for agent in core.state.agents.values()
    )
    body["frameworks"] = [
        {**fragments.framework_summary(framework), **summaries.of_framework(framework.id)}
        for framework in permissions.frameworks(core.state.frameworks.values())
    ]
    return json_answer(body, request)


def slaves(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/slaves?slave_id=``: agents with all metadata of their resources."""
    wanted = request.query().get("slave_id")
    body = {
        "slaves": Listing(
            {**fragments.agent(agent, permissions), **fragments.full_resources(agent, permissions)}
            for agent in core.state.agents.values()
            if wanted in {None, agent.id}
        ),
        "recovered_slaves": [fragment for fragment in _recovered(core) if wanted in {None, fragment["id"]}],
    }
    return json_answer(body, request)


def frameworks(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/frameworks?framework_id=``."""
    wanted = request.query().get("framework_id")
    body = {
        "frameworks": _frameworks(core.state.frameworks, permissions, wanted),
        "completed_frameworks": _frameworks(core.state.completed_frameworks, permissions, wanted),
        "unregistered_frameworks": [],
    }
    return json_answer(body, request)


def tasks(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/tasks?framework_id=&task_id=&limit=&offset=&order=``: sorted by the time of the first status, latest first.

    A task without status is older than all others.
    """
    query = request.query()
    ascending = query.get("order") == "asc"
    limit, offset = _number(query, "limit", TASK_LIMIT), _number(query, "offset", 0)
    end = (offset + limit) % _SIZE
    found = [
        task
        for group in (core.state.frameworks, core.state.completed_frameworks)
        for framework in permissions.frameworks(group.values())
        if query.get("framework_id") in {None, framework.id}
        for some in (framework.tasks.values(), framework.unreachable_tasks.values(), framework.completed_tasks)
        for task in visible_tasks(some, framework, permissions)
        if query.get("task_id") in {None, task.id}
    ]
    found.sort(key=_first_seen, reverse=not ascending)
    return json_answer({"tasks": fragments.tasks(found[offset:end])}, request)


def _first_seen(task: Task) -> tuple[bool, float]:
    statuses = task.message.statuses
    return (True, statuses[0].timestamp) if statuses else (False, 0.0)


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    """A parameter that is a number of 32 bits, as one without a sign of 64; what is none counts as not given."""
    try:
        return numify(query.get(name, ""), 32) % _SIZE
    except ValueError:
        return default


def all_roles(core: Core, request: Request, permissions: Permissions) -> Response:
    """``/roles``."""
    return json_answer({"roles": list(roles.role_models(core, permissions))}, request)


def constraints_debug(core: Core, request: Request, _: Permissions) -> Response:
    """``/allocator/offer_constraints_debug``."""
    return json_answer(core.allocator.constraints_debug(), request)
