"""What an agent finds when it starts on a machine where one ran before.

It takes up its id, its reservations and volumes, and the executors and updates of frameworks that checkpoint; it
ends everything else that still runs there. Source: docs/reference/agent-executor.md 5.5 and 12, failover.md 1 to 11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen
from google.protobuf.message import DecodeError

from pymesoskit.testing.engine.agent import executors, frameworks, operations, reports
from pymesoskit.testing.engine.agent.compatibility import POLICIES
from pymesoskit.testing.engine.agent.container import Kind
from pymesoskit.testing.engine.agent.launch import kind_of
from pymesoskit.testing.engine.agent.reports import ACKNOWLEDGEMENT, UPDATE
from pymesoskit.testing.engine.agent.state import Executor, Framework, Task
from pymesoskit.testing.engine.containers import layout
from pymesoskit.testing.engine.states import TERMINAL_TASK_STATES
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Collection

    from pymesoskit.testing.engine.agent.core import Core


class IncompatibleAgent(Exception):
    """The flags describe another agent than the one that was here before; the text says what differs."""


@frozen
class Found:
    """What recovery has found on the machine."""

    known: bool  # whether there was an agent here
    waiting: tuple[tuple[Framework, Executor], ...] = ()  # executors that are alive and have to subscribe again
    ended: tuple[tuple[Framework, Executor], ...] = ()  # executors that ended while no agent was here


def checkpoint_agent(core: Core) -> None:
    """Checkpoints the agent's info with its id."""
    store, agent_id = core.host.store, core.agent_id
    store.write(layout.agent_info(agent_id), core.info.SerializeToString())
    store.write(layout.LATEST_AGENT, agent_id.encode())


def run(core: Core) -> Found:
    """Recovers what there is.

    Raises ``IncompatibleAgent``, or ``ResourcesError`` for reservations that do not fit.
    """
    latest = core.host.store.read(layout.LATEST_AGENT)
    data = None if latest is None else core.host.store.read(layout.agent_info(latest.decode()))
    rebooted = _rebooted(core)
    if data is None:
        return _new_agent(core)
    before = mesos.AgentInfo.FromString(data)
    core.info.id.CopyFrom(before.id)
    error = POLICIES[core.flags.reconfiguration_policy](before, core.info)
    if error is not None:
        if not rebooted:
            raise IncompatibleAgent(error)
        core.note("is a new agent: the machine was rebooted, and its flags are not those of the old one any more")
        core.info.ClearField("id")
        core.host.store.remove(layout.LATEST_AGENT)
        return _new_agent(core)
    operations.recover(core)
    drain = core.host.store.read(layout.drain_config(core.agent_id))
    if drain is not None:
        core.drain = mesos.DrainConfig.FromString(drain)
    found = _executors_found(core)
    for framework in [framework for framework in core.frameworks.values() if framework.idle]:
        del core.frameworks[framework.id]
        core.completed_frameworks.append(framework)
    alive = [(f, e) for f, e in found if core.host.find(e.container_id) is not None]
    ended = [(f, e) for f, e in found if core.host.find(e.container_id) is None]
    _end_orphans(core, {executor.container_id for _, executor in alive})
    return Found(known=True, waiting=tuple(alive), ended=tuple(ended))


def _new_agent(core: Core) -> Found:
    operations.recover(core)
    _end_orphans(core, ())
    return Found(known=False)


def _rebooted(core: Core) -> bool:
    """Returns whether the machine has been rebooted since an agent was last here."""
    store, boot_id = core.host.store, core.host.boot_id.encode()
    before = store.read(layout.BOOT_ID)
    store.write(layout.BOOT_ID, boot_id)
    return before is not None and before != boot_id


def _end_orphans(core: Core, known: Collection[str]) -> None:
    for container in core.host.containers():
        if container.id not in known:
            container.on_end = lambda _: None
            core.host.destroy(container.id)


def _executors_found(core: Core) -> list[tuple[Framework, Executor]]:
    store = core.host.store
    found = []
    for framework_id in store.names(f"slaves/{core.agent_id}/frameworks"):
        data = store.read(f"{layout.framework_path(core.agent_id, framework_id)}/framework.info")
        if data is None:
            continue
        info = mesos.FrameworkInfo.FromString(data)
        for executor_id in store.names(f"{layout.framework_path(core.agent_id, framework_id)}/executors"):
            run_id = store.read(f"{layout.executor_meta(core.agent_id, framework_id, executor_id)}/runs/latest")
            if run_id is not None:
                found += _executor(core, info, executor_id, run_id.decode())
    return found


def _executor(
    core: Core, framework_info: mesos.FrameworkInfo, executor_id: str, container_id: str
) -> list[tuple[Framework, Executor]]:
    run = layout.RunLayout(core.agent_id, framework_info.id.value, executor_id, container_id)
    data = core.host.store.read(run.executor_info)
    if data is None:
        return []
    info = mesos.ExecutorInfo.FromString(data)
    container = core.host.find(container_id)
    framework = frameworks.framework_of(core, framework_info)
    kind = container.kind if container is not None else _kind(core, info, run)
    executor = executors.create(core, framework, info, kind, container_id=container_id)
    if core.host.store.read(run.sentinel) is not None:
        _archive(core, framework, executor)
        return []
    executor.container = container
    if container is not None:
        container.on_end = lambda how: core.lifeline.deliver(executors.ended, core, framework, executor, how)
    else:
        pid = core.host.store.read(run.pid("forked.pid"))
        executor.pid = int(pid) if pid else 0
    _tasks(core, framework, executor)
    return [(framework, executor)]


def _archive(core: Core, framework: Framework, executor: Executor) -> None:
    """Moves an executor that was completed before the agent's restart to the completed ones again."""
    _tasks(core, framework, executor)
    for task_id in [task_id for task_id, owner in framework.by_task.items() if owner is executor]:
        core.status_updates.drop((framework.id, task_id))
    frameworks.archive(core, framework, executor)


def _kind(core: Core, info: mesos.ExecutorInfo, run: layout.RunLayout) -> Kind:
    return Kind.COMMAND if core.host.store.read(run.generated) == b"1" else kind_of(info)


def _tasks(core: Core, framework: Framework, executor: Executor) -> None:
    for task_id in core.host.store.names(f"{executor.run.meta}/tasks"):
        _task(core, framework, executor, task_id)


def _task(core: Core, framework: Framework, executor: Executor, task_id: str) -> None:
    store = core.host.store
    data = store.read(executor.run.task(task_id, "task.info"))
    try:
        info = None if data is None else mesos.TaskInfo.FromString(data)
    except DecodeError:
        info = None
    if info is None:
        return
    task = Task(info, framework.id, "" if executor.is_command else executor.id)
    key = (framework.id, task_id)
    streams = core.status_updates
    known = False
    for record in store.records(executor.run.task(task_id, "task.updates")):
        known = True
        if record[:1] == UPDATE:
            status = mesos.TaskStatus.FromString(record[1:])
            task.record(status)
            executor.heard |= status.source == mesos.TaskStatus.SOURCE_EXECUTOR
            streams.restore(key, status.uuid, status, terminal=status.state in TERMINAL_TASK_STATES)
        elif record[:1] == ACKNOWLEDGEMENT:
            streams.restore(key, record[1:], None, terminal=False)
    framework.by_task[task_id] = executor
    if not task.terminal:
        executor.launched[task_id] = task
        return
    executor.terminated[task_id] = task
    if known and key not in streams:
        reports.complete(framework, executor, task)


def reconnect(core: Core, found: Found) -> None:
    """Tells the executors that are alive that their agent is back. (They are ``REGISTERING`` until they subscribe.)"""
    for _, executor in found.waiting:
        if executor.container is not None:
            core.host.reconnect(executor.container)
