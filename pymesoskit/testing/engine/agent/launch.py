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
    from collections.abc import Iterable, Iterator, Sequence

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


@frozen
class Launch:
    """Tasks that are to be launched together."""

    framework: mesos.FrameworkInfo
    executor: mesos.ExecutorInfo | None  # None: a command task, for which the agent makes one up
    tasks: Sequence[mesos.TaskInfo]
    launch_executor: bool  # whether the master expects the executor to be launched for them
    grouped: bool

    @property
    def kind(self) -> Kind:
        return Kind.COMMAND if self.executor is None else kind_of(self.executor)

    @property
    def executor_id(self) -> str:
        return self.tasks[0].task_id.value if self.executor is None else self.executor.executor_id.value

    def task_ids(self) -> Iterator[str]:
        """Yields the ids of the tasks."""
        return (task.task_id.value for task in self.tasks)

    def executor_info(self, launcher_dir: str) -> mesos.ExecutorInfo:
        """Returns the whole info of the executor for these tasks."""
        if self.executor is None:
            return command_executor_info(self.framework.id, self.tasks[0], launcher_dir)
        if self.executor.HasField("framework_id"):
            return self.executor
        info = mesos.ExecutorInfo()
        info.CopyFrom(self.executor)
        info.framework_id.CopyFrom(self.framework.id)
        return info


def run_task(core: Core, message: RunTask) -> None:
    """Launches a task, or reports why not."""
    task = message.task
    executor = task.executor if task.HasField("executor") else None
    _run(core, Launch(message.framework, executor, (task,), message.launch_executor, grouped=False))


def run_group(core: Core, message: RunTaskGroup) -> None:
    """Launches a group of tasks, all of it or nothing."""
    _run(core, Launch(message.framework, message.executor, message.tasks, message.launch_executor, grouped=True))


def _run(core: Core, launch: Launch) -> None:
    if any(task.agent_id.value != core.agent_id for task in launch.tasks):
        core.note(f"ignores tasks for {launch.tasks[0].agent_id.value}, which it is not any more")
        return
    framework = frameworks.framework_of(core, launch.framework)
    try:
        _start(core, framework, launch)
    except Exception as error:
        _abandon(core, framework, launch, str(error))
        raise


def _start(core: Core, framework: Framework, launch: Launch) -> None:
    refusal = _limits_refusal(core, launch.tasks)
    if refusal is not None:
        _refuse(core, framework, launch, refusal)
        return
    if framework.terminating:
        if launch.launch_executor:
            executors.send_exited(core, framework.id, launch.executor_id)
        return
    info = launch.executor_info(core.flags.launcher_dir)
    refusal = _authorization_refusal(core, launch) or _draining_refusal(core) or _resources_refusal(core, launch, info)
    if refusal is not None:
        _refuse(core, framework, launch, refusal)
        return
    executor = framework.executors.get(launch.executor_id)
    refusal = _executor_refusal(executor, launch.kind, launch.launch_executor)
    if refusal is not None:
        _drop(core, framework, launch, refusal)
        if launch.launch_executor and launch.kind is not Kind.COMMAND and executor is not None:
            _clear_away(core, framework, executor)
        return
    first = executor is None
    if executor is None:
        try:
            executor = executors.add(core, framework, info, launch.kind, launch.tasks)
        except SandboxError as error:
            _refuse(core, framework, launch, Refusal(Reason.REASON_EXECUTOR_TERMINATED, str(error)))
            return
    _queue(core, framework, executor, launch)
    core.note(f"launches {', '.join(launch.task_ids())} of {framework.id}")
    if first:
        executors.launch(core, framework, executor, launch.tasks)
    else:
        subscriptions.deliver_queued(core, executor)


def _queue(core: Core, framework: Framework, executor: Executor, launch: Launch) -> None:
    group = tuple(launch.task_ids()) if launch.grouped else ()
    for task in launch.tasks:
        record = Task(task, framework.id, "" if launch.kind is Kind.COMMAND else executor.id, group=group)
        executor.queued[record.id] = record
        framework.by_task[record.id] = executor
        if executor.checkpoint:
            core.host.store.write(executor.run.task(record.id, "task.info"), task.SerializeToString())


def _abandon(core: Core, framework: Framework, launch: Launch, why: str) -> None:
    """Settles the books after an unexpected error in the middle of a launch: tasks that were not launched have failed.

    Where there is no status for such an error in Mesos (its agent would abort), this one is ours.
    """
    executor = framework.executors.get(launch.executor_id)
    is_new = executor is not None and executor.container is None  # it was made for these tasks
    for task_id in launch.task_ids():
        if executor is not None and (task_id in executor.launched or (is_new and task_id in executor.queued)):
            continue  # the executor has it, or it fails with the executor
        if (framework.id, task_id) not in core.status_updates:  # else it has been reported
            state = core.lost_state(framework, mesos.TASK_DROPPED)
            reason = Reason.REASON_CONTAINER_LAUNCH_FAILED
            core.attempt(reports.from_agent, core, framework.id, task_id, state, reason, f"Failed to launch: {why}")
    if executor is not None and is_new:
        core.attempt(executors.launch_failed, core, framework, executor, why)
    elif executor is None and launch.launch_executor:
        core.attempt(executors.send_exited, core, framework.id, launch.executor_id)
    if framework.idle:
        frameworks.remove(core, framework)


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


def _authorization_refusal(core: Core, launch: Launch) -> Refusal | None:
    framework = launch.framework
    permissions = core.permissions(framework.principal if framework.HasField("principal") else None)
    error = launch_error(permissions, launch.tasks, framework)
    if error is None:
        return None
    reason = Reason.REASON_TASK_GROUP_UNAUTHORIZED if launch.grouped else Reason.REASON_TASK_UNAUTHORIZED
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


def _resources_refusal(core: Core, launch: Launch, info: mesos.ExecutorInfo) -> Refusal | None:
    by_task = (resource for task in launch.tasks for resource in task.resources)
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


def _refuse(core: Core, framework: Framework, launch: Launch, refusal: Refusal) -> None:
    """Drops the tasks; no executor is launched, and the framework is removed if it has nothing else here."""
    if launch.launch_executor and refusal.tells_exit:
        executors.send_exited(core, framework.id, launch.executor_id)
    _drop(core, framework, launch, refusal)
    if framework.idle:
        frameworks.remove(core, framework)


def _drop(core: Core, framework: Framework, launch: Launch, refusal: Refusal) -> None:
    state = core.lost_state(framework, mesos.TASK_DROPPED) if refusal.state is None else refusal.state
    executor_id = launch.executor_id if refusal.names_executor else ""
    for task_id in launch.task_ids():
        reports.from_agent(core, framework.id, task_id, state, refusal.reason, refusal.message, executor_id=executor_id)
