"""Agents and frameworks in the JSON of the older endpoints.

What agents' own endpoints share is in ``testing/model.py``. Source: docs/reference/operator-api.md 3.1.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pymesoskit.resources import Format, resource_to_message
from pymesoskit.testing.engine.formats import legacy_json as model
from pymesoskit.testing.engine.master.operator.legacy.answers import Listing
from pymesoskit.testing.engine.master.operator.views import drain_info, visible_tasks
from pymesoskit.wire import to_json_value
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from pymesoskit.resources import Resources
    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.formats.legacy_json import Json
    from pymesoskit.testing.engine.master.entities import Executor, Task
    from pymesoskit.testing.engine.master.state import Agent, Framework

_CAPABILITIES = {number: name for name, number in mesos.FrameworkInfo.Capability.Type.items()}

#: The states that summaries count, in their order.
SUMMARY_STATES = (
    "TASK_STAGING",
    "TASK_STARTING",
    "TASK_RUNNING",
    "TASK_KILLING",
    "TASK_FINISHED",
    "TASK_KILLED",
    "TASK_FAILED",
    "TASK_LOST",
    "TASK_ERROR",
    "TASK_UNREACHABLE",
)


def agent(registered: Agent, permissions: Permissions) -> Json:
    """A registered agent, with what is reserved for the roles that can be seen."""
    total = registered.total_resources
    fragment = model.agent_info(registered.info)
    fragment["pid"] = registered.address
    fragment["registered_time"] = registered.registered_time
    if registered.reregistered_time is not None:
        fragment["reregistered_time"] = registered.reregistered_time
    fragment["resources"] = model.resources(total)
    fragment["used_resources"] = model.resources(registered.used.total)
    fragment["offered_resources"] = model.resources(registered.offered.total)
    fragment["reserved_resources"] = {
        role: model.resources(reserved) for role, reserved in permissions.by_role(total.by_reservation_role()).items()
    }
    fragment["unreserved_resources"] = model.resources(total.unreserved())
    fragment["active"] = registered.active
    fragment["deactivated"] = registered.deactivated
    fragment["version"] = registered.version
    fragment["capabilities"] = list(registered.capabilities)
    drains = drain_info(registered)
    if drains is not None:
        fragment["drain_info"] = to_json_value(drains)
        if registered.estimated_drain_start_time is not None:
            fragment["estimated_drain_start_time_seconds"] = registered.estimated_drain_start_time
    return fragment


def full_resources(registered: Agent, permissions: Permissions) -> Json:
    """What only ``/slaves`` adds to an agent: its resources with all their metadata, as far as they can be seen."""
    total = registered.total_resources
    return {
        "reserved_resources_full": {
            role: _full(held, permissions) for role, held in permissions.by_role(total.by_reservation_role()).items()
        },
        "unreserved_resources_full": _full(total.unreserved(), permissions),
        "used_resources_full": _full(registered.used.total, permissions),
        "offered_resources_full": _full(registered.offered.total, permissions),
    }


def _full(resources: Resources, permissions: Permissions) -> list[Any]:
    return [to_json_value(resource_to_message(each, Format.ENDPOINT)) for each in permissions.resources(resources)]


def framework_summary(framework: Framework) -> Json:
    """A framework in short."""
    info = framework.info
    return {
        "id": framework.id,
        "name": info.name,
        "used_resources": model.resources(framework.used.total),
        "offered_resources": model.resources(framework.offered.total),
        "capabilities": [_CAPABILITIES[capability.type] for capability in info.capabilities],
        "hostname": info.hostname,
        "webui_url": info.webui_url,
        "active": framework.active,
        "connected": framework.connected,
        "recovered": framework.recovered,
    }


def framework(registered: Framework, permissions: Permissions) -> Json:
    """A framework (a completed one, too) with its offers, and the tasks and executors that can be seen.

    In the place of an executor that cannot be seen is an empty object, as in Mesos.
    """
    info = registered.info
    fragment = framework_summary(registered)
    fragment["user"] = info.user
    fragment["failover_timeout"] = info.failover_timeout
    fragment["checkpoint"] = info.checkpoint
    fragment["registered_time"] = registered.registered_time
    fragment["unregistered_time"] = registered.unregistered_time
    if info.HasField("principal"):
        fragment["principal"] = info.principal
    fragment["resources"] = model.resources(registered.used.total + registered.offered.total)
    if registered.reregistered_time not in {0.0, registered.registered_time}:
        fragment["reregistered_time"] = registered.reregistered_time
    if registered.has(mesos.FrameworkInfo.Capability.MULTI_ROLE):
        fragment["roles"] = list(info.roles)
    else:
        fragment["role"] = info.role
    fragment["tasks"] = tasks(visible_tasks(registered.tasks.values(), registered, permissions))
    fragment["unreachable_tasks"] = tasks(visible_tasks(registered.unreachable_tasks.values(), registered, permissions))
    fragment["completed_tasks"] = tasks(visible_tasks(registered.completed_tasks, registered, permissions))
    fragment["offers"] = Listing(model.offer(offer.message, offer.resources) for offer in registered.offers.values())
    fragment["executors"] = [
        _executor(executor, agent_id)
        if permissions.unrestricted or permissions.sees_executor(executor.info, info)
        else {}
        for agent_id, executors in registered.executors.items()
        for executor in executors.values()
    ]
    if info.HasField("labels"):
        fragment["labels"] = model.labels(info.labels)
    constraints = registered.offer_constraints
    fragment["offer_constraints"] = to_json_value(constraints) if constraints is not None else {}
    return fragment


def _executor(executor: Executor, agent_id: str) -> Json:
    return {**model.executor(executor.info, executor.resources), "slave_id": agent_id}


def tasks(items: Iterable[Task]) -> Listing:
    """A list of tasks."""
    return Listing(model.task(task.message, task.resources) for task in items)


class TaskSummaries:
    """How many tasks of registered frameworks are in which state, by framework and by agent, and who is where."""

    def __init__(self, frameworks: Iterable[Framework]) -> None:
        self._by_framework: dict[str, Counter[int]] = {}
        self._by_agent: dict[str, Counter[int]] = {}
        self._agents: dict[str, dict[str, None]] = {}
        self._frameworks: dict[str, dict[str, None]] = {}
        for each in frameworks:
            for group in (each.tasks.values(), each.unreachable_tasks.values(), each.completed_tasks):
                for task in group:
                    state, agent_id = task.state, task.agent_id
                    self._by_framework.setdefault(each.id, Counter())[state] += 1
                    self._by_agent.setdefault(agent_id, Counter())[state] += 1
                    self._agents.setdefault(each.id, {})[agent_id] = None
                    self._frameworks.setdefault(agent_id, {})[each.id] = None

    def of_agent(self, agent_id: str) -> Json:
        """What is added to an agent."""
        counts = _counts(self._by_agent.get(agent_id, Counter()))
        return {**counts, "framework_ids": list(self._frameworks.get(agent_id, ()))}

    def of_framework(self, framework_id: str) -> Json:
        """What is added to a framework's summary."""
        counts = _counts(self._by_framework.get(framework_id, Counter()))
        return {**counts, "slave_ids": list(self._agents.get(framework_id, ()))}


def _counts(states: Counter[int]) -> Json:
    return {name: states[mesos.TaskState.Value(name)] for name in SUMMARY_STATES}
