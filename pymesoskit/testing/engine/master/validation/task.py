"""Tasks of a LAUNCH, and groups of a LAUNCH_GROUP. Source: docs/reference/scheduler-api.md 4.4.

The order of the rules decides which error is told. Where the real master aborts (two tasks of one id in one group), the
rule that comes nearest refuses.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pymesoskit.resources import (
    Quantities,
    Resources,
    allocation_role_error,
    revocable_mix_error,
    unique_persistence_error,
    used_resources_error,
)
from pymesoskit.testing.engine.master.validation.equality import same_executor
from pymesoskit.testing.engine.master.validation.executor import (
    executor_error,
    launched_executor_error,
    minimum_error,
    to_bytes,
)
from pymesoskit.testing.engine.validation import (
    as_json,
    check_error,
    command_error,
    container_error,
    first,
    health_check_error,
    id_error,
)
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymesoskit.testing.engine.master.entities import Executor
    from pymesoskit.testing.engine.master.state import Agent, Framework

_SHARE_CGROUPS = (
    "If set, the value of 'share_cgroups' must be the same for all tasks in each task group and under a single executor"
)


def task_error(
    task: mesos.TaskInfo, resources: Resources, framework: Framework, agent: Agent, available: Resources
) -> str | None:
    """The first thing wrong with a task of a LAUNCH.

    ``resources`` are the task's own, ``available`` is what is left of the offers.
    """
    return first(_task_errors(task, resources, framework, agent, available))


def _task_errors(
    task: mesos.TaskInfo, resources: Resources, framework: Framework, agent: Agent, available: Resources
) -> Iterator[str | None]:
    yield from _any_task_errors(task, resources, framework, agent)
    if task.HasField("executor") == task.HasField("command"):
        yield "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
    needed = resources
    if task.HasField("executor"):
        executor = task.executor
        yield executor_error(executor, framework, agent)
        yield launched_executor_error(executor)
        if agent.executor(framework.id, executor.executor_id.value) is None:
            needed += Resources.from_messages(executor.resources)
        yield _with_executor_error(task, resources)
    if not available.contains(needed):
        yield f"Total resources {needed} required by task and its executor is more than available {available}"
    linux = task.container.linux_info
    if linux.HasField("share_cgroups") and not linux.share_cgroups:
        yield "Only tasks in a task group may have 'share_cgroups' set to 'false'"


def _any_task_errors(
    task: mesos.TaskInfo, resources: Resources, framework: Framework, agent: Agent
) -> Iterator[str | None]:
    """What holds for tasks of both operations, beside their executors."""
    task_id = task.task_id.value
    yield id_error(task_id)
    if task_id in framework.tasks:
        yield f"Task has duplicate ID: {task_id}"
    if task_id in framework.unreachable_tasks:
        yield f"Task reuses the ID of an unreachable task: {task_id}"
    if task.agent_id.value != agent.id:
        yield f"Task uses invalid agent {task.agent_id.value} while agent {agent.id} is expected"
    if task.kill_policy.grace_period.nanoseconds < 0:
        yield "Task's 'kill_policy.grace_period' must be non-negative"
    if task.max_completion_time.nanoseconds < 0:
        yield "Task's `max_completion_time` must be non-negative"
    if task.HasField("check"):
        yield _prefixed("Task uses invalid check: ", check_error(task.check))
    if task.HasField("health_check"):
        yield _prefixed("Task uses invalid health check: ", health_check_error(task.health_check))
    if not task.resources:
        yield "Task uses no resources"
    yield _prefixed("Task uses invalid resources: ", used_resources_error(task.resources))
    yield _prefixed("Task uses duplicate persistence ID: ", unique_persistence_error(resources))
    yield _prefixed("Invalid task resources: ", allocation_role_error(resources))
    yield _prefixed("Task mixes revocable and non-revocable resources: ", revocable_mix_error(resources))
    if task.HasField("command"):
        yield _prefixed("Task's `CommandInfo` is invalid: ", command_error(task.command))
    if task.HasField("container"):
        yield _prefixed("Task's `ContainerInfo` is invalid: ", container_error(task.container))
    if task.limits:
        yield from _limit_errors(task, resources, agent)


def _limit_errors(task: mesos.TaskInfo, resources: Resources, agent: Agent) -> Iterator[str | None]:
    if "TASK_RESOURCE_LIMITS" not in agent.capabilities:
        yield "Agent is not capable of handling task resource limits"
    if not set(task.limits) <= {"cpus", "mem"}:
        yield "Only cpus and mem may be included in a task's resource limits"
    if "cpus" in task.limits:
        cpus = resources.get_scalar("cpus")
        if cpus is None:
            yield "When a CPU limit is specified, a CPU request must also be specified"
        elif task.limits["cpus"].value < cpus:
            yield "The cpu limit must be greater than or equal to the cpu request"
    if "mem" in task.limits:
        mem, limit = resources.get_scalar("mem"), task.limits["mem"].value
        if mem is None:
            yield "When a memory limit is specified, a memory request must also be specified"
        elif math.isfinite(limit) and to_bytes(int(limit)) < to_bytes(mem):  # limits are whole MB to this check
            yield "The memory limit must be greater than or equal to the memory request"


def _with_executor_error(task: mesos.TaskInfo, own: Resources) -> str | None:
    """What task and executor cannot use together."""
    executors = Resources.from_messages(task.executor.resources)
    total = own + executors
    error = _prefixed("Task and its executor use invalid resources: ", used_resources_error(total.to_messages()))
    if error is None and _overlap((own, executors)):
        error = (
            f"There are overlapping resources in the task resources {as_json(task.resources)} and executor resources "
            f"{as_json(task.executor.resources)}"
        )
    return (
        error
        or _prefixed("Task and its executor use duplicate persistence ID: ", unique_persistence_error(total))
        or _prefixed("Task and its executor mix revocable and non-revocable resources: ", revocable_mix_error(total))
    )


def _overlap(parts: Sequence[Resources]) -> bool:
    """Whether ranges or sets have something in common: their sum is then less than what it is made of."""
    return sum((part.quantities() for part in parts), Quantities()) != sum(parts, Resources()).quantities()


def _prefixed(prefix: str, error: str | None) -> str | None:
    return None if error is None else prefix + error


# Groups


def group_error(
    group: Sequence[mesos.TaskInfo],
    executor: mesos.ExecutorInfo,
    framework: Framework,
    agent: Agent,
    available: Resources,
) -> str | None:
    """The first thing wrong with a group; all of its tasks are then refused."""
    return first(_group_errors(group, executor, framework, agent, available))


def _group_errors(
    group: Sequence[mesos.TaskInfo],
    executor: mesos.ExecutorInfo,
    framework: Framework,
    agent: Agent,
    available: Resources,
) -> Iterator[str | None]:
    seen: set[str] = set()
    of_tasks = [Resources.from_messages(task.resources) for task in group]
    for task, resources in zip(group, of_tasks, strict=True):
        error = first(_group_task_errors(task, resources, framework, agent))
        if error is None and task.task_id.value in seen:
            error = f"Task has duplicate ID: {task.task_id.value}"
        seen.add(task.task_id.value)
        yield _prefixed(f"Task '{task.task_id.value}' is invalid: ", error)
    yield executor_error(executor, framework, agent)
    if not executor.HasField("type"):
        yield "'ExecutorInfo.type' must be set"
    if executor.type == mesos.ExecutorInfo.UNKNOWN:
        yield "Unknown executor type"
    if executor.container.type == mesos.ContainerInfo.DOCKER and executor.HasField("container"):
        yield "Docker ContainerInfo is not supported on the executor"
    for task in group:
        if task.HasField("executor") and not same_executor(task.executor, executor):
            yield (
                f"The `ExecutorInfo` of task '{task.task_id.value}' is different from "
                f"executor '{executor.executor_id.value}'"
            )
    yield minimum_error(executor)
    yield from _group_resources_errors(of_tasks, executor, framework, agent, available)
    yield _share_cgroups_error(group, executor, framework, agent)


def _group_task_errors(
    task: mesos.TaskInfo, resources: Resources, framework: Framework, agent: Agent
) -> Iterator[str | None]:
    yield from _any_task_errors(task, resources, framework, agent)
    if not task.HasField("executor"):
        yield "'TaskInfo.executor' must be set"
    if task.HasField("container"):
        over_network = task.health_check.type in {mesos.HealthCheck.HTTP, mesos.HealthCheck.TCP}
        if task.container.network_infos and task.HasField("health_check") and over_network:
            yield "HTTP and TCP health checks are not supported for nested containers not joining parent's network"
        if task.container.type == mesos.ContainerInfo.DOCKER:
            yield "Docker ContainerInfo is not supported on the task"
    if task.limits and (not task.container.HasField("linux_info") or task.container.linux_info.share_cgroups):
        yield (
            "Resource limits may only be set for tasks within a task group when the 'share_cgroups' field is set to "
            "'false'."
        )


def _group_resources_errors(
    of_tasks: Sequence[Resources],
    executor: mesos.ExecutorInfo,
    framework: Framework,
    agent: Agent,
    available: Resources,
) -> Iterator[str | None]:
    of_executor = Resources.from_messages(executor.resources)
    needed = sum(of_tasks, Resources())
    total = of_executor + needed
    yield _prefixed("Task group and executor use duplicate persistence ID: ", unique_persistence_error(total))
    yield _prefixed("Task group and executor mix revocable and non-revocable resources: ", revocable_mix_error(total))
    if _overlap((*of_tasks, of_executor)):
        texts = ", ".join(map(str, of_tasks))
        yield (
            f"There are overlapping resources in the task group's task resources [ {texts} ] "
            f"and/or executor resources {as_json(executor.resources)}"
        )
    if agent.executor(framework.id, executor.executor_id.value) is None:
        needed += of_executor
    if not available.contains(needed):
        yield f"Total resources {needed} required by task group and its executor are more than available {available}"


def _share_cgroups_error(
    group: Sequence[mesos.TaskInfo], executor: mesos.ExecutorInfo, framework: Framework, agent: Agent
) -> str | None:
    linux = executor.container.linux_info
    if linux.HasField("share_cgroups") and linux.share_cgroups:
        return "The 'share_cgroups' field cannot be set to 'true' on executor containers"
    values = {task.container.linux_info.share_cgroups for task in group}
    known = agent.executor(framework.id, executor.executor_id.value)
    if known is not None:
        values |= _share_cgroups_under(known, framework)
    return _SHARE_CGROUPS if len(values) > 1 else None


def _share_cgroups_under(executor: Executor, framework: Framework) -> set[bool]:
    """What the executor's tasks say already."""
    return {
        task.message.container.linux_info.share_cgroups
        for tasks in (framework.tasks, framework.unreachable_tasks)
        for task in tasks.values()
        if task.agent_id == executor.agent_id and task.executor_id == executor.id
    }
