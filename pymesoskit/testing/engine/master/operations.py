"""Offer operations on their way to agents, their states on the way back, and acknowledgements.

All operations on an agent's own resources are *speculative*: the master takes them for done at once, and the agent
follows. Those that nobody waits for (no id, or an operator's) the master acknowledges itself. Source:
docs/reference/scheduler-api.md 4.6 and 8, agent-executor.md 13.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Conversion, ReservationType, Resource, Resources, conversions
from pymesoskit.testing.engine.master import events
from pymesoskit.testing.engine.master.entities import Operation
from pymesoskit.testing.engine.master.metrics import count_operation
from pymesoskit.testing.engine.network.messages import (
    ApplyOperation,
    AskForOperations,
    OperationStatusAcknowledgement,
    UpdateOperationStatus,
)
from pymesoskit.testing.engine.states import TERMINAL_OPERATION_STATES
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.state import Agent, Framework
    from pymesoskit.testing.engine.network.network import Address

OperationState = mesos.OperationState

#: Seconds after the return of an agent in which the frameworks of its operations are waited for.
_WAIT_FOR_FRAMEWORK = 600.0


def make_status(
    state: OperationState,
    *,
    operation_id: str = "",
    message: str | None = None,
    agent_id: str | None = None,
    resource_provider_id: str | None = None,
) -> mesos.OperationStatus:
    """A status of the master's own: without a uuid, so there is nothing to acknowledge."""
    status = mesos.OperationStatus(state=state)
    if operation_id:
        status.operation_id.value = operation_id
    if message is not None:
        status.message = message
    if agent_id is not None:
        status.agent_id.value = agent_id
    if resource_provider_id is not None:
        status.resource_provider_id.value = resource_provider_id
    return status


def drop(core: Core, framework: Framework, operation: mesos.Offer.Operation, message: str) -> None:
    """An operation is not carried out; the framework is told if it wants feedback."""
    core.note(f"{framework.id}: {mesos.Offer.Operation.Type.Name(operation.type)} is dropped: {message}")
    count_operation(core.state.counters, operation.type, before=None, now=mesos.OPERATION_ERROR)
    if operation.HasField("id"):
        status = make_status(mesos.OPERATION_ERROR, operation_id=operation.id.value, message=message)
        core.tell(framework, events.update_operation_status(status))


def apply(core: Core, agent: Agent, framework: Framework | None, info: mesos.Offer.Operation) -> None:
    """Carries out a valid operation: in the agent's resources as the master knows them, and on the agent itself."""
    uuid = core.new_uuid().bytes
    message = mesos.Operation(
        agent_id=mesos.AgentID(value=agent.id),
        info=info,
        latest_status=make_status(mesos.OPERATION_PENDING, operation_id=info.id.value, agent_id=agent.id),
        uuid=mesos.UUID(value=uuid),
    )
    if framework is not None:
        message.framework_id.value = framework.id
        framework.counters[f"operations/{mesos.Offer.Operation.Type.Name(info.type).lower()}"] += 1
    operation = Operation(message)
    core.state.add_operation(operation)
    count_operation(core.state.counters, info.type, before=None, now=mesos.OPERATION_PENDING)
    for conversion in conversions(info):
        convert_agent(agent, unallocated(conversion))
    core.send(agent, ApplyOperation(framework.id if framework is not None else "", info, uuid))


def unallocated(conversion: Conversion) -> Conversion:
    """The conversion without regard to whom its resources are allocated."""
    destroyed = conversion.destroyed.unallocated() if conversion.destroyed is not None else None
    return Conversion(conversion.consumed.unallocated(), conversion.converted.unallocated(), destroyed)


def convert_agent(agent: Agent, conversion: Conversion) -> None:
    """Converts a part of an agent's total; what has to survive its restart is what it checkpoints."""
    agent.total_resources = agent.total_resources - conversion.consumed + conversion.converted
    agent.checkpointed_resources = agent.total_resources.filter(needs_checkpoint)


def needs_checkpoint(resource: Resource) -> bool:
    """Whether an agent must remember the resource: dynamic reservations and persistent volumes."""
    return resource.is_dynamically_reserved or resource.is_persistent_volume


def with_checkpointed(resources: Resources, checkpointed: Resources) -> Resources:
    """An agent's total: what its flags say, with what it has checkpointed in the place of what that was made from."""
    total = resources
    for resource in checkpointed:
        base = (
            resource.with_disk(resource.disk.without_volume(), shared=False) if resource.disk is not None else resource
        )
        base = base.with_reservations(
            tuple(layer for layer in base.reservations if layer.type is not ReservationType.DYNAMIC)
        )
        total = total - base + resource
    return total


def update_status(core: Core, _: Address, update: UpdateOperationStatus) -> None:
    """An agent reports the state of an operation."""
    core.count("messages_operation_status_update")
    if not update.operation_uuid:
        _forward(core, update.framework_id, update.status)
        return
    agent = core.state.agents.get(update.agent_id)
    if agent is None:
        core.count("invalid_operation_status_updates")
        return
    operation = agent.operations.get(update.operation_uuid)
    if operation is None and update.framework_id:
        core.count("invalid_operation_status_updates")
        _forward(core, update.framework_id, update.status)
        return
    core.count("valid_operation_status_updates")
    if operation is not None:
        _take_in(core, operation, update)
        if operation.id and operation.framework_id in core.state.frameworks:
            _forward(core, operation.framework_id, update.status, operation.id)
            if operation.state in TERMINAL_OPERATION_STATES and not operation.message.latest_status.HasField("uuid"):
                forget(core, agent, operation)  # nobody will acknowledge it
            return
        if operation.id and _may_be_asked_for(core, agent, operation):
            return
    _acknowledge_alone(core, agent, operation, update)


def _forward(core: Core, framework_id: str, status: mesos.OperationStatus, operation_id: str = "") -> None:
    """Tells the framework, if it is connected; agents may not know what it calls the operation."""
    framework = core.state.frameworks.get(framework_id)
    if framework is None:
        return
    told = mesos.OperationStatus()
    told.CopyFrom(status)
    if operation_id:
        told.operation_id.value = operation_id
    core.tell(framework, events.update_operation_status(told))


def _may_be_asked_for(core: Core, agent: Agent, operation: Operation) -> bool:
    """Whether the framework of an operation may still subscribe, after a failover of the master."""
    return (
        operation.framework_id not in core.state.completed_frameworks
        and agent.reregistered_time is not None
        and core.now() < agent.reregistered_time + _WAIT_FOR_FRAMEWORK
    )


def _take_in(core: Core, operation: Operation, update: UpdateOperationStatus) -> None:
    message = operation.message
    before = message.latest_status.state
    latest = update.latest_status if update.latest_status is not None else update.status
    if before not in TERMINAL_OPERATION_STATES:
        message.latest_status.CopyFrom(latest)
        count_operation(core.state.counters, message.info.type, before=before, now=latest.state)
    if not any(known.uuid == update.status.uuid for known in message.statuses):
        message.statuses.append(update.status)


def _acknowledge_alone(core: Core, agent: Agent, operation: Operation | None, update: UpdateOperationStatus) -> None:
    """Nobody waits for this status: acknowledges it in place of a framework."""
    if update.status.HasField("uuid"):
        core.send(
            agent,
            OperationStatusAcknowledgement(update.framework_id, update.operation_uuid, update.status.uuid.value),
        )
    if operation is not None and operation.state in TERMINAL_OPERATION_STATES:
        forget(core, agent, operation)


def forget(core: Core, agent: Agent, operation: Operation) -> None:
    """The operation is over and acknowledged, or its agent is gone."""
    core.state.forget_operation(operation)
    if operation.state not in TERMINAL_OPERATION_STATES:
        count_operation(core.state.counters, operation.message.info.type, before=operation.state, now=None)
    core.released(agent)


def acknowledge(core: Core, framework: Framework, call: scheduler.Call.AcknowledgeOperationStatus) -> None:
    """ACKNOWLEDGE_OPERATION_STATUS: passed on to the agent; a terminal status acknowledged ends the operation."""
    core.count("messages_operation_status_update_acknowledgement")
    agent = core.state.agents.get(call.agent_id.value)
    uuid = framework.operation_uuids.get(call.operation_id.value)
    operation = agent.operations.get(uuid) if agent is not None and agent.connected and uuid is not None else None
    status = (
        next((status for status in operation.message.statuses if status.uuid.value == call.uuid), None)
        if operation is not None
        else None
    )
    if agent is None or operation is None:
        core.count("invalid_operation_status_update_acknowledgements")
        return
    if status is None:
        core.count("invalid_status_update_acknowledgements")  # sic
        return
    if status.state in TERMINAL_OPERATION_STATES:
        forget(core, agent, operation)
    core.send(agent, OperationStatusAcknowledgement(framework.id, operation.uuid, call.uuid))
    core.count("valid_operation_status_update_acknowledgements")


def tell_lost(core: Core, agent: Agent, state: OperationState, message: str) -> None:
    """The agent is unreachable or gone: tells each framework about its operations there that have an id."""
    for operation in list(agent.operations.values()):
        framework = core.state.frameworks.get(operation.framework_id)
        if framework is not None and operation.id:
            status = make_status(state, operation_id=operation.id, message=message, agent_id=agent.id)
            core.tell(framework, events.update_operation_status(status))
        count_operation(core.state.counters, operation.message.info.type, before=None, now=state)


# Reconciliation


def reconcile(core: Core, framework: Framework, call: scheduler.Call.ReconcileOperations) -> None:
    """RECONCILE_OPERATIONS: the last status of all operations, or of those that are asked for."""
    core.count("messages_reconcile_operations")
    if not call.operations:
        statuses = [_known_status(operation) for operation in framework.operations.values()]
    else:
        asked: dict[Agent, list[tuple[str, str]]] = {}  # what agents have to answer
        statuses = []
        for question in call.operations:
            agent = core.state.agents.get(question.agent_id.value)
            if (
                question.operation_id.value not in framework.operation_uuids
                and question.HasField("resource_provider_id")
                and agent is not None
                and "AGENT_OPERATION_FEEDBACK" in agent.capabilities
            ):
                ids = (question.operation_id.value, question.resource_provider_id.value)
                asked.setdefault(agent, []).append(ids)
            else:
                statuses.append(_answer(core, framework, question))
        for agent, operations in asked.items():
            core.send(agent, AskForOperations(framework.id, tuple(operations)))
    for status in statuses:
        core.tell(framework, events.update_operation_status(status))


def _known_status(operation: Operation) -> mesos.OperationStatus:
    """The last status, without its uuid: there is nothing to acknowledge."""
    status = mesos.OperationStatus()
    status.CopyFrom(operation.message.statuses[-1] if operation.message.statuses else operation.message.latest_status)
    status.ClearField("uuid")
    return status


def _answer(
    core: Core, framework: Framework, question: scheduler.Call.ReconcileOperations.Operation
) -> mesos.OperationStatus:
    uuid = framework.operation_uuids.get(question.operation_id.value)
    if uuid is not None:
        return _known_status(framework.operations[uuid])
    agent_id = question.agent_id.value if question.HasField("agent_id") else None
    state, message = _unknown(core, agent_id)
    return make_status(
        state,
        operation_id=question.operation_id.value,
        message=f"Reconciliation: {message}",
        agent_id=agent_id,
        resource_provider_id=(
            question.resource_provider_id.value if question.HasField("resource_provider_id") else None
        ),
    )


def _unknown(core: Core, agent_id: str | None) -> tuple[OperationState, str]:
    if agent_id is None:
        return mesos.OPERATION_UNKNOWN, "Operation is unknown and no 'agent_id' was provided"
    if agent_id in core.state.recovered_agents:
        return mesos.OPERATION_RECOVERING, "Agent is recovered but has not re-registered"
    if agent_id in core.state.agents:
        return mesos.OPERATION_UNKNOWN, "Operation is unknown"
    if agent_id in core.state.unreachable:
        return mesos.OPERATION_UNREACHABLE, "Agent is unreachable"
    if agent_id in core.state.gone:
        return mesos.OPERATION_GONE_BY_OPERATOR, "Agent marked gone by operator"
    return mesos.OPERATION_UNKNOWN, "Both operation and agent are unknown"
