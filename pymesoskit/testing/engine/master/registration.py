"""How agents register and come back, and what the master learns from them then.

Source: docs/reference/agent-executor.md 2.2 and 2.3, failover.md 3 to 12, 16 to 24.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.master import agents, events, frameworks, operations, tasks
from pymesoskit.testing.engine.master.authorization import agent_error
from pymesoskit.testing.engine.master.entities import Operation, Task
from pymesoskit.testing.engine.master.options import agent_options, unallocated_by_role, unavailability_of
from pymesoskit.testing.engine.master.registry import AgentRecord
from pymesoskit.testing.engine.master.state import Agent
from pymesoskit.testing.engine.master.transitions import AgentCause, AgentState
from pymesoskit.testing.engine.network.messages import (
    AgentRegistered,
    AgentReregistered,
    DrainAgent,
    KillTask,
    ReconcileOperations,
    RegisterAgent,
    ReregisterAgent,
    ShutdownAgent,
    ShutdownFramework,
    UpdateFramework,
)
from pymesoskit.testing.engine.states import TERMINAL_OPERATION_STATES, TERMINAL_TASK_STATES
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from pymesoskit.testing.engine.http.authentication import Credential
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.network.network import Address

_REREGISTERED = mesos.TaskStatus.REASON_AGENT_REREGISTERED


def total_ping_timeout(core: Core) -> float:
    """After how many seconds without a ping an agent takes its master for lost."""
    return core.flags.agent_ping_timeout * core.flags.max_agent_ping_timeouts


def register(core: Core, sender: Address, message: RegisterAgent) -> None:
    """An agent without an id."""
    core.count("messages_register_slave")
    if not _is_authenticated(core, sender, message.credential) or _refused(core, sender, message):
        return
    known = core.state.agents_by_address.get(sender)
    if known is not None and known.connected:  # it did not hear the answer
        core.send(known, AgentRegistered(known.id, total_ping_timeout(core)))
        return
    if known is not None:
        agents.remove(core, known, "a new agent registered at the same address", "registered")
    info = mesos.AgentInfo()
    info.CopyFrom(message.agent_info)
    info.id.value = core.state.new_agent_id()
    record = AgentRecord(info)
    core.registry.admitted[info.id.value] = record
    core.store()
    agent = Agent(info, sender, message.version, message.capabilities, record)
    agent.registered_time = core.now()
    _set_resources(agent, message.checkpointed_resources)
    core.count("slave_registrations")
    _admit(core, agent, AgentCause.REGISTER)
    core.send(agent, AgentRegistered(agent.id, total_ping_timeout(core)))
    agents.start_pings(core, agent)


def reregister(core: Core, sender: Address, message: ReregisterAgent) -> None:
    """An agent with an id, with all that it knows of."""
    core.count("messages_reregister_slave")
    if not _is_authenticated(core, sender, message.credential):
        return
    info = message.agent_info
    agent_id = info.id.value
    if agent_id in core.state.gone:
        _shut_down(core, sender, "Agent has been marked gone")
        return
    if _refused(core, sender, message):
        return
    agent = core.state.agents.get(agent_id)
    if agent is not None:
        _reregister_known(core, agent, sender, message)
    else:
        _readmit(core, sender, message)


def _is_authenticated(core: Core, sender: Address, credential: Credential | None) -> bool:
    """Whether the agent is who it says it is, if it says it or has to. Others are left to try again."""
    if credential is None:
        known, why = not core.flags.authenticate_agents, "it is not authenticated"
    else:
        known, why = core.authenticator.knows(credential), f"it is not known to be '{credential.principal}'"
    if not known:
        core.note(f"agent at {sender} is ignored: {why}")
    return known


def _refused(core: Core, sender: Address, message: RegisterAgent | ReregisterAgent) -> bool:
    """Agents that must not come in: some are told to end, others are left to try again."""
    info = message.agent_info
    principal = None if message.credential is None else message.credential.principal
    error = agent_error(core.permissions(principal), info)
    if error is not None:
        core.note(f"agent at {sender} is ignored: {error}")
        return True
    machine = core.registry.machines.get((info.hostname.lower(), sender.partition("@")[2].rpartition(":")[0]))
    if machine is not None and machine.mode == mesos.MachineInfo.DOWN:
        _shut_down(core, sender, "Machine is `DOWN`")
        return True
    has_domain = info.HasField("domain")
    if has_domain and not core.info.HasField("domain"):
        core.note(f"agent at {sender} is ignored: it has a domain and the master has none")
        return True
    if core.flags.require_agent_domain and not has_domain:
        core.note(f"agent at {sender} is ignored: it has no domain")
        return True
    return False


def _shut_down(core: Core, sender: Address, why: str) -> None:
    core.note(f"agent at {sender} is refused: {why}")
    core.send_address(sender, ShutdownAgent(why))


def _set_resources(agent: Agent, checkpointed: tuple[mesos.Resource, ...]) -> None:
    agent.checkpointed_resources = Resources.from_messages(checkpointed)
    agent.total_resources = operations.with_checkpointed(
        Resources.from_messages(agent.info.resources), agent.checkpointed_resources
    )


def _admit(core: Core, agent: Agent, cause: AgentCause) -> None:
    """The agent is registered from now on, with all that was put on it before."""
    core.state.agents[agent.id] = agent
    core.state.agents_by_address[agent.address] = agent
    agent.step(cause)
    core.network.link(core.address, agent.address)
    core.state.machines.setdefault(agent.machine, mesos.MachineID(hostname=agent.hostname, ip=agent.ip))
    machine = core.registry.machines.get(agent.machine)
    unavailability = (
        unavailability_of(machine.unavailability)
        if machine is not None and machine.unavailability is not None
        else None
    )
    core.note(f"agent {agent.id} at {agent.address} is registered")
    core.allocator.add_agent(
        agent.id,
        agent_options(agent),
        agent.total_resources,
        unavailability=unavailability,
        used=unallocated_by_role(agent.used.by),
    )
    if agent.deactivated:
        core.allocator.deactivate_agent(agent.id)
    for listener in core.listeners:
        listener.agent_added(agent)


# Back from a failover of the master, or from being unreachable


def _readmit(core: Core, sender: Address, message: ReregisterAgent) -> None:
    agent_id = message.agent_info.id.value
    recovered = core.state.recovered_agents.pop(agent_id, None)
    unreachable = core.state.unreachable.pop(agent_id, None)
    record = recovered or (unreachable.record if unreachable is not None else AgentRecord(message.agent_info))
    previous = AgentState.RECOVERED if recovered is not None else AgentState.UNREACHABLE
    record.info = message.agent_info
    core.registry.admitted[agent_id] = record
    if recovered is None:
        core.store()
    core.state.removed.discard(agent_id)
    agents.replace_address(core, sender)
    agent = Agent(message.agent_info, sender, message.version, message.capabilities, record)
    agent.state = previous
    agent.registered_time = agent.reregistered_time = core.now()
    _set_resources(agent, message.checkpointed_resources)
    core.count("slave_reregistrations")

    kept = [task for task in message.tasks if task.framework_id.value not in core.state.completed_frameworks]
    if recovered is None:
        _tell_states(core, kept, was_unreachable=unreachable is not None)
        _reappear(core, agent_id, kept)
    core.state.agents[agent_id] = agent  # what follows hangs tasks on it
    for framework_id, executor in message.executors:
        if framework_id not in core.state.completed_frameworks:
            tasks.add_executor(core, framework_id, executor, agent, core.state.frameworks.get(framework_id))
    restored = [_restore_task(core, agent, task) for task in kept]
    _restore_operations(core, agent, message)
    _tell_added(core, [task for task in restored if task.framework_id in core.state.frameworks])
    _remember_completed(core, message)
    _admit(core, agent, AgentCause.REREGISTER)
    new = _recover_frameworks(core, message, restored)
    _drain_again(core, agent)
    core.send(agent, AgentReregistered(agent_id, total_ping_timeout(core)))
    _shut_completed_down(core, agent, {info.id.value for info in message.frameworks})
    _update_frameworks(core, agent, message, new)
    core.released(agent)
    agents.start_pings(core, agent)


def _tell_states(core: Core, reported: list[mesos.Task], *, was_unreachable: bool) -> None:
    """Each task of the agent is reported once with its current state: its framework was told that it is lost."""
    text = "Unreachable agent re-reregistered" if was_unreachable else "Unknown agent reregistered"
    for task in reported:
        framework = core.state.frameworks.get(task.framework_id.value)
        if framework is not None:
            status = tasks.make_status(
                core,
                task.task_id.value,
                task.state,
                _REREGISTERED,
                text,
                agent_id=task.agent_id.value,
                executor_id=task.executor_id.value,
            )
            tasks.copy_facts(task, status)
            core.tell(framework, events.update(status))


def _reappear(core: Core, agent_id: str, reported: list[mesos.Task]) -> None:
    """Tasks of the agent are unreachable no longer, and not completed either, whatever was made of them."""
    core.state.take_unreachable_tasks(agent_id)
    back: dict[str, set[str]] = {}
    for task in reported:
        back.setdefault(task.framework_id.value, set()).add(task.task_id.value)
    for framework_id, ids in back.items():
        framework = core.state.frameworks.get(framework_id)
        if framework is not None:
            completed = [done for done in framework.completed_tasks if done.id not in ids]
            framework.completed_tasks.clear()
            framework.completed_tasks.extend(completed)


def _recover_frameworks(core: Core, message: ReregisterAgent, restored: Collection[Task] = ()) -> set[str]:
    """Frameworks that are only known from the agent are known from now on, and those of the tasks that were restored
    that are theirs; returns their ids.
    """
    new = set()
    for info in message.frameworks:
        framework_id = info.id.value
        if framework_id not in core.state.frameworks and framework_id not in core.state.completed_frameworks:
            frameworks.recover(core, info)
            _tell_added(core, [task for task in restored if task.framework_id == framework_id])
            new.add(framework_id)
    return new


def _remember_completed(core: Core, message: ReregisterAgent) -> None:
    """Frameworks that are known by now get back the completed tasks that the agent remembers, whether or not they have
    them already; those that only become known by this agent do not.
    """
    for reported in message.completed_tasks:
        framework = core.state.frameworks.get(reported.framework_id.value)
        if framework is not None:
            framework.completed_tasks.append(Task(reported, Resources.from_messages(reported.resources)))


def _tell_added(core: Core, added: Iterable[Task]) -> None:
    for task in added:
        for listener in core.listeners:
            listener.task_added(task.message)


def _restore_task(core: Core, agent: Agent, reported: mesos.Task) -> Task:
    message = mesos.Task()
    message.CopyFrom(reported)
    task = Task(message, Resources.from_messages(message.resources))
    core.state.add_task(task, core.state.frameworks.get(task.framework_id), agent)
    return task


def _restore_operations(core: Core, agent: Agent, message: ReregisterAgent) -> None:
    for reported in message.operations:
        operation = mesos.Operation()
        operation.CopyFrom(reported)
        operation.agent_id.value = agent.id
        core.state.add_operation(Operation(operation))


# Back from a lost connection


def _reregister_known(core: Core, agent: Agent, sender: Address, message: ReregisterAgent) -> None:
    if agent.ip != sender.partition("@")[2].rpartition(":")[0] or agent.hostname != message.agent_info.hostname:
        _shut_down(core, sender, "Agent attempted to reregister with different IP / hostname")
        return
    agents.stop_reregister_timer(agent)
    if agent.address != sender:
        core.state.agents_by_address.pop(agent.address, None)
        agents.replace_address(core, sender)
        agent.address = sender
    core.state.agents_by_address[sender] = agent
    was_connected = agent.connected
    agent.info = agent.record.info = message.agent_info
    agent.version = message.version
    agent.capabilities = tuple(message.capabilities)
    agent.reregistered_time = core.now()
    agent.step(AgentCause.REREGISTER)
    core.network.link(core.address, sender)
    core.note(f"agent {agent.id} at {sender} has registered again")
    _set_resources(agent, message.checkpointed_resources)
    core.allocator.update_agent(agent.id, options=agent_options(agent), total=agent.total_resources)
    _reconcile(core, agent, message)
    if not was_connected and not agent.deactivated:
        core.allocator.activate_agent(agent.id)
    _drain_again(core, agent)
    new = _recover_frameworks(core, message)
    _update_frameworks(core, agent, message, new)
    core.released(agent)


def _reconcile(core: Core, agent: Agent, message: ReregisterAgent) -> None:
    """Compares what the agent has with what the master has of it, and answers.

    Of tasks that the agent does not know it is told: it reports them as lost itself. Executors that it does not know
    have ended unheard. It hears again what it may have missed: kills, and the end of frameworks whose tasks it
    still has. What only the agent knows stays unknown: the master has told its framework that it is lost.
    """
    reported = dict.fromkeys((task.framework_id.value, task.task_id.value) for task in message.tasks)
    unknown = tuple(
        (task.framework_id, task.id) for task in agent.all_tasks() if (task.framework_id, task.id) not in reported
    )
    infos = {key: framework.info for key, _ in unknown if (framework := core.state.frameworks.get(key)) is not None}
    core.send(agent, AgentReregistered(agent.id, total_ping_timeout(core), unknown, tuple(infos.values())))
    executors = {(framework_id, info.executor_id.value) for framework_id, info in message.executors}
    for framework_id, known_executors in list(agent.executors.items()):
        for executor in list(known_executors.values()):
            if (framework_id, executor.id) not in executors:
                tasks.remove_executor(core, executor)
    for task in message.tasks:
        framework_id, task_id = task.framework_id.value, task.task_id.value
        if task.state not in TERMINAL_TASK_STATES and task_id in agent.killed_tasks.get(framework_id, ()):
            core.send(agent, KillTask(framework_id, task_id))
    _shut_completed_down(core, agent, {framework_id for framework_id, _ in reported})
    _reconcile_operations(core, agent, {operation.uuid.value for operation in message.operations})


def _reconcile_operations(core: Core, agent: Agent, reported: set[bytes]) -> None:
    """Asks about operations that the agent does not know: the message that carried them was lost."""
    unknown = tuple(
        operation.uuid
        for operation in agent.operations.values()
        if operation.uuid not in reported and operation.state not in TERMINAL_OPERATION_STATES
    )
    if unknown:
        core.send(agent, ReconcileOperations(unknown))


# What an agent has to hear again


def _drain_again(core: Core, agent: Agent) -> None:
    """It drains, if that is so."""
    if agent.record.drain_config is not None:
        core.send(agent, DrainAgent(agent.record.drain_config))


def _shut_completed_down(core: Core, agent: Agent, framework_ids: set[str]) -> None:
    """Those of the frameworks that are completed are no more."""
    for framework_id in sorted(framework_ids):
        if framework_id in core.state.completed_frameworks:
            core.send(agent, ShutdownFramework(framework_id))


def _update_frameworks(core: Core, agent: Agent, message: ReregisterAgent, new: set[str]) -> None:
    """Its frameworks as they are now, but for those that are known only from itself."""
    for info in message.frameworks:
        framework = core.state.frameworks.get(info.id.value)
        if framework is not None and info.id.value not in new:
            core.send(agent, UpdateFramework(framework.info, after_reregistration=True))
