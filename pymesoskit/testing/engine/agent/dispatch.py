"""What an agent does on each message, and in which phases it acts on it.

Source: docs/reference/agent-executor.md 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pymesoskit.testing.engine.agent import calls, draining, executors, frameworks, killing, launch, operations, reports
from pymesoskit.testing.engine.agent.transitions import Phase
from pymesoskit.testing.engine.network.dispatch import Dispatch
from pymesoskit.testing.engine.network.messages import (
    AgentRegistered,
    AgentReregistered,
    ApplyOperation,
    AskForOperations,
    DrainAgent,
    FrameworkToExecutor,
    KillTask,
    OperationStatusAcknowledgement,
    PingAgent,
    ReconcileOperations,
    RunTask,
    RunTaskGroup,
    ShutdownExecutor,
    ShutdownFramework,
    StatusUpdateAcknowledgement,
    UpdateFramework,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.agent.registration import Registration
    from pymesoskit.testing.engine.network.network import Address

M = TypeVar("M")

#: The phases in which messages about tasks, executors and frameworks are acted on; in others they are dropped.
CONNECTED = frozenset({Phase.RUNNING})
SERVING = frozenset({Phase.RUNNING, Phase.DISCONNECTED})
ENDING = frozenset({Phase.RUNNING, Phase.TERMINATING})
ALWAYS = frozenset(Phase) - {Phase.ENDED}


def from_master(
    core: Core, phases: frozenset[Phase], handler: Callable[[Core, M], object]
) -> Callable[[Address, M], None]:
    """Returns a handler that acts on messages of the agent's own master, in those phases, and drops all others."""

    def handle(sender: Address, message: M) -> None:
        if sender == core.master and core.phase in phases:
            handler(core, message)

    return handle


def dispatch_of(core: Core, registration: Registration) -> Dispatch:
    """Returns the table of an agent's messages."""
    dispatch = Dispatch()
    dispatch.on(PingAgent, registration.ping)
    dispatch.on(AgentRegistered, registration.registered)
    dispatch.on(AgentReregistered, registration.reregistered)
    dispatch.on(RunTask, from_master(core, SERVING, launch.run_task))
    dispatch.on(RunTaskGroup, from_master(core, SERVING, launch.run_group))
    dispatch.on(KillTask, from_master(core, SERVING, killing.kill))
    dispatch.on(StatusUpdateAcknowledgement, from_master(core, CONNECTED, reports.acknowledge))
    dispatch.on(FrameworkToExecutor, from_master(core, CONNECTED, calls.message_to_executor))
    dispatch.on(UpdateFramework, from_master(core, CONNECTED, frameworks.update))
    dispatch.on(ShutdownFramework, from_master(core, ENDING, executors.framework_shutdown_asked))
    dispatch.on(ShutdownExecutor, from_master(core, ENDING, executors.shutdown_asked))
    dispatch.on(ApplyOperation, from_master(core, ALWAYS, operations.apply))
    dispatch.on(OperationStatusAcknowledgement, from_master(core, ALWAYS, operations.acknowledge))
    dispatch.on(ReconcileOperations, from_master(core, ALWAYS, operations.reconcile))
    dispatch.on(AskForOperations, from_master(core, ALWAYS, operations.answer))
    dispatch.on(DrainAgent, from_master(core, ALWAYS, draining.drain))
    return dispatch
