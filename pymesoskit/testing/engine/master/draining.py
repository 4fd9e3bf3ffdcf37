"""Agents that operators deactivate, drain and activate again.

All of it is noted in the agent's record in the registry, so it outlives master and agent: an agent that is away is
deactivated, or drains, when it is back. It is drained when its last task and operation have ended. Transitions in the
registry take no time here, so the answers that the real thing gives while one is under way (409) do not occur.
Source: docs/reference/operator-api.md 2.2, failover.md 12.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.authorization import Action
from pymesoskit.testing.engine.http.v1 import refuse
from pymesoskit.testing.engine.master import agents, offers
from pymesoskit.testing.engine.master.machines import print_machine
from pymesoskit.testing.engine.network.messages import DrainAgent
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.registry import AgentRecord
    from pymesoskit.testing.engine.master.state import Agent
    from pymesoskit.wire.v1 import master as pb

_CAPABILITY = "AGENT_DRAINING"

#: What a duration in nanoseconds can hold; longer ones count as that long.
_LONGEST = 2**63 - 1


def drain(core: Core, call: pb.Call.DrainAgent, permissions: Permissions) -> None:
    """DRAIN_AGENT: offers an agent no longer and has it kill its tasks. Raises ``Refused`` (400, 403)."""
    agent_id = call.agent_id.value
    agent = core.state.agents.get(agent_id)
    if agent is not None:
        machine = core.registry.machines.get(agent.machine)
        if machine is not None:
            text = f"Agent {agent_id} is part of a maintenance schedule under Machine {print_machine(machine.id)}"
            raise refuse(400, text)
        if _CAPABILITY not in agent.capabilities:
            raise refuse(400, f"Agent {agent_id} is not capable of draining")
    permissions.require(Action.DRAIN_AGENT)
    if call.mark_gone:
        permissions.require(Action.MARK_AGENT_GONE)
    record = _record(core, agent_id)
    config = mesos.DrainConfig(mark_gone=call.mark_gone)
    if call.HasField("max_grace_period"):
        grace = call.max_grace_period
        nanoseconds = grace.seconds * 10**9 + grace.nanos
        config.max_grace_period.nanoseconds = max(-_LONGEST, min(nanoseconds, _LONGEST))
    record.deactivated = True
    record.drain_config, record.drain_state = config, mesos.DRAINING
    core.store()
    core.note(f"agent {agent_id} is to drain")
    if agent is not None:
        _withdraw(core, agent)
        core.send(agent, DrainAgent(config))
        agent.estimated_drain_start_time = core.now()
        check(core, agent)


def check(core: Core, agent: Agent) -> None:
    """Something on the agent has ended: if it drains and nothing is left, it is drained (or gone, if so asked)."""
    if agent.drain_state != mesos.DRAINING or agent.tasks or agent.operations:
        return
    core.note(f"agent {agent.id} is drained")
    agent.record.drain_state = mesos.DRAINED
    core.store()
    if agent.record.drain_config is not None and agent.record.drain_config.mark_gone:
        core.post(agents.mark_gone, core, agent.id)


def deactivate(core: Core, agent_id: str) -> None:
    """DEACTIVATE_AGENT: offers an agent no longer; its tasks go on. Raises ``Refused`` (400)."""
    _record(core, agent_id).deactivated = True
    core.store()
    core.note(f"agent {agent_id} is deactivated")
    agent = core.state.agents.get(agent_id)
    if agent is not None:
        _withdraw(core, agent)


def reactivate(core: Core, agent_id: str) -> None:
    """REACTIVATE_AGENT: offers an agent again that was deactivated or is drained. Raises ``Refused`` (400, 409)."""
    record = core.registry.record(agent_id)
    if record is None or not record.deactivated:
        raise refuse(400, "Agent is not deactivated")
    if record.drain_state == mesos.DRAINING:
        raise refuse(400, "Agent is still in the DRAINING state")
    record.deactivated = False
    record.drain_config = record.drain_state = None
    core.store()
    core.note(f"agent {agent_id} is reactivated")
    agent = core.state.agents.get(agent_id)
    if agent is None:
        raise refuse(409, "Agent removed while processing the call")
    agent.estimated_drain_start_time = None
    if agent.connected:
        core.allocator.activate_agent(agent.id)


def _record(core: Core, agent_id: str) -> AgentRecord:
    """The record of an agent that is registered, recovered or unreachable."""
    record = core.registry.record(agent_id)
    if record is None:
        raise refuse(400, "Unknown agent")
    return record


def _withdraw(core: Core, agent: Agent) -> None:
    core.allocator.deactivate_agent(agent.id)
    offers.rescind_of_agent(core, agent)
