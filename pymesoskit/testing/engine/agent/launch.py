"""Tasks that arrive: what is wrong with them, to which executor they go, how they are killed again.

The failures are those of docs/reference/agent-executor.md 4 and 5.4, in that order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.agent.access import launch_error
from pymesoskit.testing.engine.agent.executors import COMMAND_EXTRA_GRACE, Executors
from pymesoskit.testing.engine.agent.host import Kind
from pymesoskit.testing.engine.agent.state import Executor, ExecutorState, Framework, Task
from pymesoskit.testing.engine.containers.commands import SandboxError, describe_command, is_docker
from pymesoskit.wire.v1 import executor as executor_v1
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.network.messages import KillTask, RunTask, RunTaskGroup

Reason = mesos.TaskStatus

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
    """The executor that an agent makes up for a command task."""
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
    """Whether an executor that a framework brought is its own or the default one."""
    return Kind.DEFAULT if info.type == mesos.ExecutorInfo.DEFAULT else Kind.CUSTOM


class Launching:
    """See the module's text."""

    def __init__(self, core: Core, executors: Executors) -> None:
        self._core = core
        self._executors = executors
        self._reports = executors.reports

    # Launching

    def run_task(self, message: RunTask) -> None:
        """A task is to be launched."""
        task = message.task
        if task.HasField("executor"):
            info, kind = task.executor, kind_of(task.executor)
            if not info.HasField("framework_id"):
                filled = mesos.ExecutorInfo()
                filled.CopyFrom(info)
                filled.framework_id.CopyFrom(message.framework.id)
                info = filled
        else:
            info, kind = command_executor_info(message.framework.id, task, self._core.flags.launcher_dir), Kind.COMMAND
        self._run(message.framework, info, kind, (task,), message.launch_executor, grouped=False)

    def run_group(self, message: RunTaskGroup) -> None:
        """A group of tasks is to be launched, all of it or nothing."""
        info = message.executor
        self._run(message.framework, info, kind_of(info), message.tasks, message.launch_executor, grouped=True)

    def _run(
        self,
        framework_info: mesos.FrameworkInfo,
        info: mesos.ExecutorInfo,
        kind: Kind,
        tasks: Sequence[mesos.TaskInfo],
        launch_executor: bool,
        *,
        grouped: bool,
    ) -> None:
        core = self._core
        if any(task.agent_id.value != core.agent_id for task in tasks):
            core.note(f"ignores tasks for {tasks[0].agent_id.value}, which it is not any more")
            return
        framework = self._executors.framework_of(framework_info)
        refusal = self._limits_refusal(tasks)
        if refusal is not None:
            self._refuse(framework, info, tasks, refusal, launch_executor)
            return
        if framework.terminating:
            if launch_executor:
                self._executors.tell_exited(framework.id, info.executor_id.value)
            return
        refusal = (
            self._authorization_refusal(framework_info, tasks, grouped=grouped)
            or self._draining_refusal()
            or self._resources_refusal(info, tasks)
        )
        if refusal is not None:
            self._refuse(framework, info, tasks, refusal, launch_executor)
            return
        executor = framework.executors.get(info.executor_id.value)
        refusal = self._executor_refusal(executor, kind, launch_executor)
        if refusal is not None:
            self._drop(framework, info, tasks, refusal)
            if launch_executor and kind is not Kind.COMMAND and executor is not None:
                self._clear_away(framework, executor)
            return
        first = executor is None
        if executor is None:
            try:
                executor = self._executors.add(framework, info, kind, tasks)
            except SandboxError as error:
                refusal = Refusal(Reason.REASON_EXECUTOR_TERMINATED, str(error))
                self._refuse(framework, info, tasks, refusal, launch_executor)
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
            self._executors.launch(framework, executor, tasks)
        else:
            self._executors.deliver_queued(executor)

    def _clear_away(self, framework: Framework, executor: Executor) -> None:
        """The master does not know that executor, or thinks that it has ended: it has to."""
        if executor.state is ExecutorState.TERMINATED:
            self._executors.tell_exited(framework.id, executor.id)
        else:
            self._executors.shutdown(framework, executor)

    def _draining_refusal(self) -> Refusal | None:
        if self._core.drain is None:
            return None
        return Refusal(Reason.REASON_AGENT_DRAINING, "Task was received while agent was already draining")

    def _authorization_refusal(
        self, framework: mesos.FrameworkInfo, tasks: Sequence[mesos.TaskInfo], *, grouped: bool
    ) -> Refusal | None:
        permissions = self._core.permissions(framework.principal if framework.HasField("principal") else None)
        error = launch_error(permissions, tasks, framework)
        if error is None:
            return None
        reason = Reason.REASON_TASK_GROUP_UNAUTHORIZED if grouped else Reason.REASON_TASK_UNAUTHORIZED
        return Refusal(reason, error, names_executor=False, state=mesos.TASK_ERROR)

    def _limits_refusal(self, tasks: Iterable[mesos.TaskInfo]) -> Refusal | None:
        isolators = self._core.flags.isolators
        if self._core.host.simulates or "cgroups/all" in isolators:
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

    def _resources_refusal(self, info: mesos.ExecutorInfo, tasks: Sequence[mesos.TaskInfo]) -> Refusal | None:
        by_task = (resource for task in tasks for resource in task.resources)
        for resources, who in ((by_task, "task or task group"), (info.resources, "executor")):
            needed = [resource for resource in resources if needs_checkpoint(resource)]
            if needed and not self._core.total.contains(Resources.from_messages(needed).unallocated()):
                text = f"The checkpointed resources being used by the {who} are unknown to the agent"
                return Refusal(Reason.REASON_RESOURCES_UNKNOWN, text)
        return None

    def _executor_refusal(self, executor: Executor | None, kind: Kind, launch_executor: bool) -> Refusal | None:
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
        self,
        framework: Framework,
        info: mesos.ExecutorInfo,
        tasks: Iterable[mesos.TaskInfo],
        refusal: Refusal,
        launch_executor: bool,
    ) -> None:
        """The tasks are not launched, nor is an executor; the framework is forgotten if it has nothing else here."""
        if launch_executor and refusal.tells_exit:
            self._executors.tell_exited(framework.id, info.executor_id.value)
        self._drop(framework, info, tasks, refusal)
        if framework.idle:
            self._executors.remove_framework(framework)

    def _drop(
        self, framework: Framework, info: mesos.ExecutorInfo, tasks: Iterable[mesos.TaskInfo], refusal: Refusal
    ) -> None:
        state = self._core.lost_state(framework, mesos.TASK_DROPPED) if refusal.state is None else refusal.state
        executor_id = info.executor_id.value if refusal.names_executor else ""
        for task in tasks:
            self._reports.from_agent(
                framework.id, task.task_id.value, state, refusal.reason, refusal.message, executor_id=executor_id
            )

    # Killing

    def kill(self, message: KillTask) -> None:
        """A task is to be killed."""
        core = self._core
        framework = core.frameworks.get(message.framework_id)
        if framework is None or framework.terminating:
            return
        executor = framework.by_task.get(message.task_id)
        if executor is None:
            self._reports.from_agent(
                framework.id,
                message.task_id,
                core.lost_state(framework, mesos.TASK_DROPPED),
                Reason.REASON_EXECUTOR_TERMINATED,
                "Cannot find executor",
            )
            return
        self.kill_task(framework, executor, message.task_id, message.kill_policy)

    def kill_task(
        self, framework: Framework, executor: Executor, task_id: str, kill_policy: mesos.KillPolicy | None
    ) -> None:
        """Kills a task that an executor has or is to get."""
        if executor.state not in {ExecutorState.REGISTERING, ExecutorState.RUNNING}:
            return
        queued = executor.queued.get(task_id)
        if queued is not None:
            self._kill_queued(framework, executor, queued)  # the executor itself goes when it subscribes for nothing
        elif executor.connection is not None:  # be it that the task has ended, and is not acknowledged
            event = executor_v1.Event(type=executor_v1.Event.KILL)
            event.kill.task_id.value = task_id
            if kill_policy is not None and self._takes_kill_policies(executor):
                event.kill.kill_policy.CopyFrom(kill_policy)
            executor.connection.send(event)

    def _takes_kill_policies(self, executor: Executor) -> bool:
        docker = is_docker(executor.info.container)
        return not executor.is_command or docker or self._core.flags.http_command_executor

    def _kill_queued(self, framework: Framework, executor: Executor, task: Task) -> None:
        text = "Killed before delivery to the executor"
        if task.group:
            text = "A task within the task group was killed before delivery to the executor"
        for task_id in task.group or (task.id,):
            self._reports.from_agent(
                framework.id,
                task_id,
                mesos.TASK_KILLED,
                Reason.REASON_TASK_KILLED_DURING_LAUNCH,
                text,
                executor_id=executor.id,
            )


def needs_checkpoint(resource: mesos.Resource) -> bool:
    """Whether an agent must remember the resource: it is a dynamic reservation or a persistent volume."""
    dynamic = mesos.Resource.ReservationInfo.DYNAMIC
    return resource.disk.HasField("persistence") or any(item.type == dynamic for item in resource.reservations)
