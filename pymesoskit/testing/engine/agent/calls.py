"""What the calls of executors mean, whether they come over HTTP or from a built-in executor; and MESSAGE to executors.

Source: docs/reference/agent-executor.md 6.1 and 6.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from pymesoskit.testing.engine.agent import reports, subscriptions
from pymesoskit.testing.engine.agent.transitions import ExecutorState, Phase
from pymesoskit.testing.engine.network.messages import ExecutorToFramework, FrameworkToExecutor
from pymesoskit.wire.v1 import executor as executor_v1

if TYPE_CHECKING:
    from pymesoskit.testing.engine.agent.container import Container
    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.agent.state import Executor, Framework


@define(eq=False)
class BuiltinConnection:
    """The connection to a built-in executor."""

    core: Core
    container: Container

    def send(self, event: executor_v1.Event) -> None:
        self.core.host.deliver(self.container, event)

    def end(self) -> None:
        """Does nothing: a built-in executor has no stream that could end."""

    def abort(self) -> None:
        """Does nothing: the host tells the executor that its agent is gone."""


def builtin_call(core: Core, container: Container, call: executor_v1.Call) -> None:
    """Carries out the call of a built-in executor."""
    found = core.executor_of(call.framework_id.value, call.executor_id.value)
    if found is None or found[1].container is not container:
        return
    framework, executor = found
    if call.type == executor_v1.Call.SUBSCRIBE:
        subscriptions.subscribe(core, framework, executor, BuiltinConnection(core, container), call.subscribe)
    elif executor.state is not ExecutorState.REGISTERING:
        carry_out(core, framework, executor, call)


def carry_out(core: Core, framework: Framework, executor: Executor, call: executor_v1.Call) -> None:
    """Carries out a valid call, other than SUBSCRIBE, of an executor that has subscribed."""
    if call.type == executor_v1.Call.UPDATE:
        reports.from_executor(core, framework, call.update.status)
    elif call.type == executor_v1.Call.MESSAGE:
        if core.phase is not Phase.RUNNING or framework.terminating:
            core.count("invalid_framework_messages")
            return
        core.count("valid_framework_messages")
        core.send(ExecutorToFramework(core.agent_id, framework.id, executor.id, call.message.data))


def message_to_executor(core: Core, message: FrameworkToExecutor) -> None:
    """Passes a framework's MESSAGE on to the executor; it is lost if the executor is not subscribed."""
    found = core.executor_of(message.framework_id, message.executor_id)
    executor = None if found is None else found[1]
    if executor is None or executor.connection is None or executor.state is not ExecutorState.RUNNING:
        core.count("invalid_framework_messages")
        return
    core.count("valid_framework_messages")
    event = executor_v1.Event(type=executor_v1.Event.MESSAGE)
    event.message.data = message.data
    executor.connection.send(event)
