"""Tasks that arrive: why they may be refused, and to which executor they go.

The failures are those of docs/reference/agent-executor.md 4, in that order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.agent import executors, frameworks, reports, subscriptions
from pymesoskit.testing.engine.agent.access import launch_error
from pymesoskit.testing.engine.agent.checkpointed import needs_checkpoint
from pymesoskit.testing.engine.agent.container import Kind
from pymesoskit.testing.engine.agent.state import Executor, Framework, Task
from pymesoskit.testing.engine.agent.transitions import ExecutorState
from pymesoskit.testing.engine.containers.commands import SandboxError, describe_command, is_docker
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.network.messages import RunTask, RunTaskGroup

Reason = mesos.TaskStatus

#: What is added to a command task's kill grace for its executor's own, in seconds.
COMMAND_EXTRA_GRACE = 2.0

#: What an agent adds for the command executor of a task.
COMMAND_OVERHEAD = {"cpus": 0.1, "mem": 32.0}

#: Which isolator a limit needs, and what its refusal calls it.
LIMIT_ISOLATORS = {"cpus": ("cgroups/cpu", "CPU"), "mem": ("cgroups/mem", "Memory")}

_NANOSECONDS = 1_000_000_000


@frozen
class Refusal:
    """Why tasks are not launched."""

    reason: mesos.TaskStatus.Reason
    message: str
    names_executor: bool = True  # whether the statuses name the executor
    tells_exit: bool = True  # whether the master is told that the executor that it expected is not there
    state: mesos.TaskState | None = None  # None: dropped, or lost for frameworks that know no more


def command_executor_info(
    framework_id: mesos.FrameworkID, task: mesos.TaskInfo, launcher_dir: str
) -> mesos.ExecutorInfo:
    """Returns the executor that an agent makes up for a command task."""
    info = mesos.ExecutorInfo(name=describe_command(task), source=task.task_id.value)
    info.executor_id.value = task.task_id.value
    info.framework_id.CopyFrom(framework_id)
    info.command.value = f"{launcher_dir}/mesos-executor"
    info.command.shell = True
    info.command.uris.extend(task.command.uris)
    if task.command.HasField("environment"):
        info.command.environment.CopyFrom(task.command.environment)
    if task.command.HasField("user"):
        info.command.user = task.command.user
    for name in ("labels", "discovery", "container"):
        if task.HasField(name):
            getattr(info, name).CopyFrom(getattr(task, name))
    role = task.resources[0].allocation_info if task.resources else None
    for name, amount in COMMAND_OVERHEAD.items():
        resource = info.resources.add(name=name, type=mesos.Value.SCALAR)
        resource.scalar.value = amount
        if role is not None and role.role:
            resource.allocation_info.CopyFrom(role)
    if task.kill_policy.HasField("grace_period"):
        grace = task.kill_policy.grace_period.nanoseconds + int(COMMAND_EXTRA_GRACE * _NANOSECONDS)
        info.shutdown_grace_period.nanoseconds = grace
    return info


def kind_of(info: mesos.ExecutorInfo) -> Kind:
    """Returns whether an executor that a framework sent is its own (``CUSTOM``) or the default one."""
    return Kind.DEFAULT if info.type == mesos.ExecutorInfo.DEFAULT else Kind.CUSTOM


def run_task(core: Core, message: RunTask) -> None:
    """Launches a task, or reports why not."""
    task = message.task
    if task.HasField("executor"):
        info, kind = task.executor, kind_of(task.executor)
        if not info.HasField("framework_id"):
            filled = mesos.ExecutorInfo()
            filled.CopyFrom(info)
            filled.framework_id.CopyFrom(message.framework.id)
            info = filled
    else:
        info, kind = command_executor_info(message.framework.id, task, core.flags.launcher_dir), Kind.COMMAND
    _run(core, message.framework, info, kind, (task,), message.launch_executor, grouped=False)


def run_group(core: Core, message: RunTaskGroup) -> None:
    """Launches a group of tasks, all of it or nothing."""
    info = message.executor
    _run(core, message.framework, info, kind_of(info), message.tasks, message.launch_executor, grouped=True)


def _run(
    core: Core,
    framework_info: mesos.FrameworkInfo,
    info: mesos.ExecutorInfo,
    kind: Kind,
    tasks: Sequence[mesos.TaskInfo],
    launch_executor: bool,
    *,
    grouped: bool,
) -> None:
    if any(task.agent_id.value != core.agent_id for task in tasks):
        core.note(f"ignores tasks for {tasks[0].agent_id.value}, which it is not any more")
        return
    framework = frameworks.framework_of(core, framework_info)
    refusal = _limits_refusal(core, tasks)
    if refusal is not None:
        _refuse(core, framework, info, tasks, refusal, launch_executor)
        return
    if framework.terminating:
        if launch_executor:
            executors.send_exited(core, framework.id, info.executor_id.value)
        return
    refusal = (
        _authorization_refusal(core, framework_info, tasks, grouped=grouped)
        or _draining_refusal(core)
        or _resources_refusal(core, info, tasks)
    )
    if refusal is not None:
        _refuse(core, framework, info, tasks, refusal, launch_executor)
        return
    executor = framework.executors.get(info.executor_id.value)
    refusal = _executor_refusal(executor, kind, launch_executor)
    if refusal is not None:
        _drop(core, framework, info, tasks, refusal)
        if launch_executor and kind is not Kind.COMMAND and executor is not None:
            _clear_away(core, framework, executor)
        return
    first = executor is None
    if executor is None:
        try:
            executor = executors.add(core, framework, info, kind, tasks)
        except SandboxError as error:
            refusal = Refusal(Reason.REASON_EXECUTOR_TERMINATED, str(error))
            _refuse(core, framework, info, tasks, refusal, launch_executor)
            return
    group = tuple(task.task_id.value for task in tasks) if grouped else ()
    for task in tasks:
        record = Task(task, framework.id, "" if kind is Kind.COMMAND else executor.id, group=group)
        executor.queued[record.id] = record
        framework.by_task[record.id] = executor
        if executor.checkpoint:
            core.host.store.write(executor.run.task(record.id, "task.info"), task.SerializeToString())
    core.note(f"launches {', '.join(task.task_id.value for task in tasks)} of {framework.id}")
    if first:
        executors.launch(core, framework, executor, tasks)
    else:
        subscriptions.deliver_queued(core, executor)


def _clear_away(core: Core, framework: Framework, executor: Executor) -> None:
    """Ends an executor that the master does not know, or takes for ended."""
    if executor.state is ExecutorState.TERMINATED:
        executors.send_exited(core, framework.id, executor.id)
    else:
        executors.shutdown(core, framework, executor)


def _draining_refusal(core: Core) -> Refusal | None:
    if core.drain is None:
        return None
    return Refusal(Reason.REASON_AGENT_DRAINING, "Task was received while agent was already draining")


def _authorization_refusal(
    core: Core, framework: mesos.FrameworkInfo, tasks: Sequence[mesos.TaskInfo], *, grouped: bool
) -> Refusal | None:
    permissions = core.permissions(framework.principal if framework.HasField("principal") else None)
    error = launch_error(permissions, tasks, framework)
    if error is None:
        return None
    reason = Reason.REASON_TASK_GROUP_UNAUTHORIZED if grouped else Reason.REASON_TASK_UNAUTHORIZED
    return Refusal(reason, error, names_executor=False, state=mesos.TASK_ERROR)


def _limits_refusal(core: Core, tasks: Iterable[mesos.TaskInfo]) -> Refusal | None:
    isolators = core.flags.isolators
    if core.host.simulates or "cgroups/all" in isolators:
        return None
    for task in tasks:
        if is_docker(task.container):
            continue  # the engine sees to them
        for name, (isolator, what) in LIMIT_ISOLATORS.items():
            if name in task.limits and isolator not in isolators:
                text = (
                    f"{what} limits can only be set on tasks launched in Mesos containers"
                    f" when the agent has loaded the '{isolator}' isolator"
                )
                return Refusal(Reason.REASON_GC_ERROR, text, names_executor=False, tells_exit=False)
    return None


def _resources_refusal(core: Core, info: mesos.ExecutorInfo, tasks: Sequence[mesos.TaskInfo]) -> Refusal | None:
    by_task = (resource for task in tasks for resource in task.resources)
    for resources, who in ((by_task, "task or task group"), (info.resources, "executor")):
        needed = [resource for resource in resources if needs_checkpoint(resource)]
        if needed and not core.total.contains(Resources.from_messages(needed).unallocated()):
            text = f"The checkpointed resources being used by the {who} are unknown to the agent"
            return Refusal(Reason.REASON_RESOURCES_UNKNOWN, text)
    return None


def _executor_refusal(executor: Executor | None, kind: Kind, launch_executor: bool) -> Refusal | None:
    if executor is None:
        if launch_executor:
            return None
        text = "No executor is expected to launch and there is none running"
        return Refusal(Reason.REASON_EXECUTOR_TERMINATED, text)
    if kind is Kind.COMMAND:
        text = "Cannot reuse an already existing executor for a command task"
        return Refusal(Reason.REASON_TASK_INVALID, text)
    if launch_executor:
        text = "Master wants to launch executor, but one already exists"
        return Refusal(Reason.REASON_EXECUTOR_TERMINATED, text)
    if executor.state in {ExecutorState.TERMINATING, ExecutorState.TERMINATED}:
        text = f"Executor {executor.state.value.lower()}"
        return Refusal(Reason.REASON_EXECUTOR_TERMINATED, text, names_executor=False)
    return None


def _refuse(
    core: Core,
    framework: Framework,
    info: mesos.ExecutorInfo,
    tasks: Iterable[mesos.TaskInfo],
    refusal: Refusal,
    launch_executor: bool,
) -> None:
    """Drops the tasks; no executor is launched, and the framework is removed if it has nothing else here."""
    if launch_executor and refusal.tells_exit:
        executors.send_exited(core, framework.id, info.executor_id.value)
    _drop(core, framework, info, tasks, refusal)
    if framework.idle:
        frameworks.remove(core, framework)


def _drop(
    core: Core, framework: Framework, info: mesos.ExecutorInfo, tasks: Iterable[mesos.TaskInfo], refusal: Refusal
) -> None:
    state = core.lost_state(framework, mesos.TASK_DROPPED) if refusal.state is None else refusal.state
    executor_id = info.executor_id.value if refusal.names_executor else ""
    for task in tasks:
        reports.from_agent(
            core, framework.id, task.task_id.value, state, refusal.reason, refusal.message, executor_id=executor_id
        )
