"""The agents that are registered: pings, lost connections, and the ways in which an agent is lost.

How they come in is in ``registration.py``. Source: docs/reference/scheduler-api.md 7, agent-executor.md 2.4,
failover.md 1 to 19.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.master import events, offers, operations, tasks
from pymesoskit.testing.engine.master.registry import Unreachable
from pymesoskit.testing.engine.master.transitions import AgentCause
from pymesoskit.testing.engine.network.messages import (
    PingAgent,
    PongAgent,
    ShutdownAgent,
    UnregisterAgent,
    UpdateAgent,
)
from pymesoskit.testing.runtime.units import print_duration
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.entities import Task
    from pymesoskit.testing.engine.master.state import Agent, Framework
    from pymesoskit.testing.engine.network.network import Address

Reason = mesos.TaskStatus.Reason


# Pings


def start_pings(core: Core, agent: Agent) -> None:
    """Pings the agent now and from now on."""
    _ping(core, agent)


def _ping(core: Core, agent: Agent) -> None:
    core.send(agent, PingAgent(agent.connected))
    agent.is_pinged = True
    agent.ping_timer = core.call_later(core.flags.agent_ping_timeout, _ping_due, core, agent)


def _ping_due(core: Core, agent: Agent) -> None:
    """One interval is over: counts the last ping if it was not answered, sends the next."""
    agent.missed_pings += agent.is_pinged
    if agent.missed_pings >= core.flags.max_agent_ping_timeouts and agent.removal is None:
        core.count("slave_unreachable_scheduled")
        agent.removal = core.removals.acquire(lambda: _unanswered(core, agent))
    if core.state.agents.get(agent.id) is agent:
        _ping(core, agent)


def _unanswered(core: Core, agent: Agent) -> None:
    agent.removal = None
    if core.state.agents.get(agent.id) is agent:
        core.count("slave_unreachable_completed")
        mark_unreachable(core, agent, "health check timed out")


def pong(core: Core, sender: Address, _: PongAgent) -> None:
    """An agent has answered: it is well, even if it was about to be given up."""
    agent = core.state.agents_by_address.get(sender)
    if agent is None:
        return
    agent.missed_pings = 0
    agent.is_pinged = False
    if agent.removal is not None:
        agent.removal()
        agent.removal = None
        core.count("slave_unreachable_canceled")


# Connections


def link_broken(core: Core, address: Address) -> None:
    """The agent's process is gone, or its connection broke: nothing is offered there until it is back."""
    agent = core.state.agents_by_address.get(address)
    if agent is None or not agent.connected:
        return
    core.note(f"agent {agent.id} is disconnected")
    agent.step(AgentCause.LINK_BROKEN)
    core.allocator.deactivate_agent(agent.id)
    offers.rescind_of_agent(core, agent)
    for framework_id in {**agent.tasks, **agent.executors}:
        framework = core.state.frameworks.get(framework_id)
        if framework is None or not framework.info.checkpoint:
            loss = Loss(f"Agent {agent.hostname} disconnected", reason=Reason.REASON_AGENT_DISCONNECTED)
            _lose_tasks(core, agent, framework_id, loss)
            tasks.remove_executors(core, agent, framework_id)
    agent.reregister_timer = core.call_later(core.flags.agent_reregister_timeout, _not_back, core, agent)


def stop_reregister_timer(agent: Agent) -> None:
    """The agent is back in time."""
    if agent.reregister_timer is not None:
        agent.reregister_timer.cancel()
        agent.reregister_timer = None


def _not_back(core: Core, agent: Agent) -> None:
    def due() -> None:
        if core.state.agents.get(agent.id) is not agent or agent.connected:
            core.count("slave_unreachable_canceled")
            return
        core.count("slave_unreachable_completed")
        mark_unreachable(core, agent, not_back_text(core))

    core.count("slave_unreachable_scheduled")
    core.removals.acquire(due)


def not_back_text(core: Core) -> str:
    """Why an agent that did not come back is unreachable."""
    timeout = print_duration(core.flags.agent_reregister_timeout)
    return f"agent did not reregister within {timeout} after disconnecting"


def replace_address(core: Core, address: Address) -> None:
    """Another agent is at the address now: whoever was registered there is gone."""
    other = core.state.agents_by_address.get(address)
    if other is not None:
        remove(core, other, "a new agent registered at the same address", "registered")


# Losing an agent


@frozen
class Loss:
    """What the tasks of a lost agent come to: for PARTITION_AWARE frameworks this, for others always TASK_LOST."""

    message: str
    state: mesos.TaskState = mesos.TASK_LOST
    reason: mesos.TaskStatus.Reason = Reason.REASON_AGENT_REMOVED
    plain_reason: mesos.TaskStatus.Reason | None = None  # for those that are not; None: the same
    since: float | None = None  # when the agent became unreachable
    kept: frozenset[bool] = frozenset()  # whose tasks are kept as unreachable: partition aware, or not

    def status(self, core: Core, task: Task, framework: Framework | None) -> mesos.TaskStatus:
        """What is said about a task of the framework."""
        aware = framework is None or framework.partition_aware
        state = self.state if aware else mesos.TASK_LOST
        reason = self.reason if aware or self.plain_reason is None else self.plain_reason
        return tasks.status_of(core, task, state, reason, self.message, self.since)

    def keeps(self, framework: Framework | None) -> bool:
        """Whether the framework's tasks are kept as unreachable."""
        return (framework is None or framework.partition_aware) in self.kept


def mark_unreachable(core: Core, agent: Agent, message: str) -> None:
    """The agent does not answer. It may come back, and its tasks with it."""
    now = core.now()
    core.note(f"agent {agent.id} is unreachable: {message}")
    core.count("slave_removals")
    core.count("slave_removals/reason_unhealthy")
    agent.step(AgentCause.UNREACHABLE)
    record = core.registry.admitted.pop(agent.id)
    operations.tell_lost(core, agent, mesos.OPERATION_UNREACHABLE, "Agent was marked unreachable")
    _lose(core, agent, Loss(message, mesos.TASK_UNREACHABLE, since=now, kept=frozenset({True, False})))
    core.registry.unreachable[agent.id] = Unreachable(now, record)
    core.store()
    core.tell_all(events.agent_failure(agent.id))


def mark_gone(core: Core, agent_id: str) -> None:
    """An operator says that the agent, in whatever state, never comes back."""
    core.note(f"agent {agent_id} is gone")
    core.registry.gone[agent_id] = core.now()
    core.store()
    core.registry.admitted.pop(agent_id, None)
    core.state.recovered_agents.pop(agent_id, None)
    if core.registry.unreachable.pop(agent_id, None) is not None:
        _unreachable_tasks_are_gone(core, agent_id)
        return
    agent = core.state.agents.get(agent_id)
    if agent is None:
        return
    core.count("slave_removals")
    agent.step(AgentCause.GONE)
    core.send(agent, ShutdownAgent(_GONE.message))
    operations.tell_lost(core, agent, mesos.OPERATION_GONE_BY_OPERATOR, _GONE.message)
    _lose(core, agent, _GONE)
    core.tell_all(events.agent_failure(agent_id))


#: Tasks of frameworks that are not PARTITION_AWARE stay among the unreachable ones, as they do in Mesos.
_GONE = Loss(
    "Agent has been marked gone",
    mesos.TASK_GONE_BY_OPERATOR,
    Reason.REASON_AGENT_REMOVED_BY_OPERATOR,
    plain_reason=Reason.REASON_AGENT_REMOVED,
    kept=frozenset({False}),
)


def _unreachable_tasks_are_gone(core: Core, agent_id: str) -> None:
    for task in core.state.take_unreachable_tasks(agent_id):
        framework = core.state.frameworks[task.framework_id]
        status = _GONE.status(core, task, framework)
        tasks.update_task(core, task, status)
        framework.completed_tasks.append(task)
        core.tell(framework, events.update(status))


def unregister(core: Core, sender: Address, message: UnregisterAgent) -> None:
    """The agent leaves in good order."""
    agent = core.state.agents.get(message.agent_id)
    if agent is None or agent.address != sender:
        return
    core.count("messages_unregister_slave")
    remove(core, agent, "the agent unregistered", "unregistered")


def remove(core: Core, agent: Agent, why: str, reason: str | None = None) -> None:
    """The agent is gone as what it was: unregistered, replaced, or its machine is down. ``reason`` names a metric."""
    message = f"Agent {agent.hostname} removed: {why}"
    core.note(f"agent {agent.id} is removed: {why}")
    core.count("slave_removals")
    if reason is not None:
        core.count(f"slave_removals/reason_{reason}")
    agent.step(AgentCause.REMOVE)
    core.registry.admitted.pop(agent.id, None)
    core.store()
    _lose(core, agent, Loss(message))
    core.state.removed.add(agent.id)
    core.tell_all(events.agent_failure(agent.id))
    for listener in core.listeners:
        listener.agent_removed(agent.id)


def _lose(core: Core, agent: Agent, loss: Loss) -> None:
    """Takes the agent off the books with all that hangs on it: its tasks first, then what was offered of it."""
    core.allocator.remove_agent(agent.id)
    for framework_id in list(agent.tasks):
        _lose_tasks(core, agent, framework_id, loss)
    _forget(core, agent)


def _lose_tasks(core: Core, agent: Agent, framework_id: str, loss: Loss) -> None:
    framework = core.state.frameworks.get(framework_id)
    for task in list(agent.tasks.get(framework_id, {}).values()):
        status = loss.status(core, task, framework)
        tasks.update_task(core, task, status)
        tasks.remove_task(core, task, unreachable=loss.keeps(framework))
        if framework is not None:
            core.tell(framework, events.update(status))


def _forget(core: Core, agent: Agent) -> None:
    tasks.remove_executors(core, agent)
    offers.rescind_of_removed_agent(core, agent)
    for operation in list(agent.operations.values()):
        operations.forget(core, agent, operation)
    for timer in (agent.ping_timer, agent.reregister_timer):
        if timer is not None:
            timer.cancel()
    if agent.removal is not None:
        agent.removal()
        agent.removal = None
    del core.state.agents[agent.id]
    if core.state.agents_by_address.get(agent.address) is agent:
        del core.state.agents_by_address[agent.address]


# Changes


def update(core: Core, _: Address, message: UpdateAgent) -> None:
    """An agent has new oversubscribed resources: what is offered of the old ones is rescinded."""
    core.count("messages_update_slave")
    agent = core.state.agents.get(message.agent_id)
    if agent is None:
        return
    resources = Resources.from_messages(message.oversubscribed)
    if resources == agent.oversubscribed_resources:
        return
    agent.total_resources = agent.total_resources - agent.oversubscribed_resources + resources
    agent.oversubscribed_resources = resources
    core.allocator.update_agent(agent.id, total=agent.total_resources)
    offers.rescind_all(core, [offer for offer in agent.offers.values() if offer.resources.revocable()])
