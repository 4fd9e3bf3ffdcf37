"""The queries of the v1 operator API that show the master's state: GET_STATE and what it is made of, GET_OPERATIONS.

Each answer exists as a message and as JSON text. The text is not that of the message: lists are printed even if they
are empty, as nowhere else in Mesos's JSON. It is put together from its items, so that nothing is copied.
Source: docs/reference/operator-api.md 2.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymesoskit.testing.engine.master.operator.views import (
    agent_info_value,
    agent_info_view,
    agent_value,
    agent_view,
    framework_view,
    visible_tasks,
)
from pymesoskit.wire import dumps_value, to_json
from pymesoskit.wire.v1 import master as pb
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.message import Message

    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.master.entities import Task
    from pymesoskit.testing.engine.master.state import Framework, MasterState

Executor = pb.Response.GetExecutors.Executor


# What there is to show


def _all_frameworks(state: MasterState, permissions: Permissions) -> Iterator[Framework]:
    yield from permissions.frameworks(state.frameworks.values())
    yield from permissions.frameworks(state.completed_frameworks.values())


def _tasks(frameworks: Iterable[Framework], permissions: Permissions) -> Iterator[Task]:
    for framework in frameworks:
        yield from visible_tasks(framework.tasks.values(), framework, permissions)


def _unreachable_tasks(frameworks: Iterable[Framework], permissions: Permissions) -> Iterator[Task]:
    for framework in frameworks:
        yield from visible_tasks(framework.unreachable_tasks.values(), framework, permissions)


def _completed_tasks(frameworks: Iterable[Framework], permissions: Permissions) -> Iterator[Task]:
    for framework in frameworks:
        yield from visible_tasks(framework.completed_tasks, framework, permissions)


def _executors(state: MasterState, permissions: Permissions) -> Iterator[Executor]:
    for framework in _all_frameworks(state, permissions):
        for agent_id, executors in framework.executors.items():
            for executor in executors.values():
                if permissions.unrestricted or permissions.sees_executor(executor.info, framework.info):
                    yield Executor(executor_info=executor.info, agent_id=mesos.AgentID(value=agent_id))


def _operations(state: MasterState, permissions: Permissions) -> Iterator[mesos.Operation]:
    for agent in state.agents.values():
        for operation in agent.operations.values():
            if permissions.sees_operation(operation.message.info):
                yield operation.message


# As messages


def tasks_message(state: MasterState, permissions: Permissions) -> pb.Response.GetTasks:
    """The payload of GET_TASKS. As in Mesos, and otherwise than in JSON, completed frameworks' tasks are left out."""
    frameworks = list(permissions.frameworks(state.frameworks.values()))
    return pb.Response.GetTasks(
        tasks=(task.message for task in _tasks(frameworks, permissions)),
        unreachable_tasks=(task.message for task in _unreachable_tasks(frameworks, permissions)),
        completed_tasks=(task.message for task in _completed_tasks(frameworks, permissions)),
    )


def executors_message(state: MasterState, permissions: Permissions) -> pb.Response.GetExecutors:
    """The payload of GET_EXECUTORS."""
    return pb.Response.GetExecutors(executors=_executors(state, permissions))


def frameworks_message(state: MasterState, permissions: Permissions) -> pb.Response.GetFrameworks:
    """The payload of GET_FRAMEWORKS."""
    return pb.Response.GetFrameworks(
        frameworks=map(framework_view, permissions.frameworks(state.frameworks.values())),
        completed_frameworks=map(framework_view, permissions.frameworks(state.completed_frameworks.values())),
    )


def agents_message(state: MasterState, permissions: Permissions) -> pb.Response.GetAgents:
    """The payload of GET_AGENTS."""
    return pb.Response.GetAgents(
        agents=(agent_view(agent, permissions) for agent in state.agents.values()),
        recovered_agents=(agent_info_view(record.info, permissions) for record in state.recovered_agents.values()),
    )


def state_message(state: MasterState, permissions: Permissions) -> pb.Response.GetState:
    """The payload of GET_STATE."""
    return pb.Response.GetState(
        get_tasks=tasks_message(state, permissions),
        get_executors=executors_message(state, permissions),
        get_frameworks=frameworks_message(state, permissions),
        get_agents=agents_message(state, permissions),
    )


def operations_message(state: MasterState, permissions: Permissions) -> pb.Response.GetOperations:
    """The payload of GET_OPERATIONS: what agents have been asked for, and have not ended or not been acknowledged."""
    return pb.Response.GetOperations(operations=_operations(state, permissions))


# As JSON


def _list(items: Iterable[Message]) -> str:
    return f"[{','.join(map(to_json, items))}]"


def _values(items: Iterable[dict[str, Any]]) -> str:
    return f"[{','.join(map(dumps_value, items))}]"


def _object(**members: str) -> str:
    return "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}"


def tasks_json(state: MasterState, permissions: Permissions) -> str:
    """The payload of GET_TASKS."""
    frameworks = list(_all_frameworks(state, permissions))
    return _object(
        tasks=_list(task.message for task in _tasks(frameworks, permissions)),
        unreachable_tasks=_list(task.message for task in _unreachable_tasks(frameworks, permissions)),
        completed_tasks=_list(task.message for task in _completed_tasks(frameworks, permissions)),
    )


def executors_json(state: MasterState, permissions: Permissions) -> str:
    """The payload of GET_EXECUTORS."""
    return _object(executors=_list(_executors(state, permissions)))


def frameworks_json(state: MasterState, permissions: Permissions) -> str:
    """The payload of GET_FRAMEWORKS."""
    return _object(
        frameworks=_list(map(framework_view, permissions.frameworks(state.frameworks.values()))),
        completed_frameworks=_list(map(framework_view, permissions.frameworks(state.completed_frameworks.values()))),
    )


def agents_json(state: MasterState, permissions: Permissions) -> str:
    """The payload of GET_AGENTS."""
    return _object(
        agents=_values(agent_value(agent_view(agent, permissions)) for agent in state.agents.values()),
        recovered_agents=_values(
            agent_info_value(agent_info_view(record.info, permissions)) for record in state.recovered_agents.values()
        ),
    )


def state_json(state: MasterState, permissions: Permissions) -> str:
    """The payload of GET_STATE."""
    return _object(
        get_tasks=tasks_json(state, permissions),
        get_executors=executors_json(state, permissions),
        get_frameworks=frameworks_json(state, permissions),
        get_agents=agents_json(state, permissions),
    )
