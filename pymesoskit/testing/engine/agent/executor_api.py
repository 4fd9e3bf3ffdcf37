"""``POST /api/v1/executor``: the checks, in Mesos's order, and what the calls mean.

Source: docs/reference/agent-executor.md 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from pymesoskit.testing.engine.agent import calls, subscriptions
from pymesoskit.testing.engine.agent.auth import check_claims
from pymesoskit.testing.engine.agent.transitions import ExecutorState, Phase
from pymesoskit.testing.engine.http.handler import Request, Responder, Response
from pymesoskit.testing.engine.http.v1 import Event, EventStream, check_method, negotiate, parse_call, refuse
from pymesoskit.testing.engine.machine.identity import is_uuid
from pymesoskit.wire.v1 import executor as executor_v1
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.agent.state import Executor, Framework
    from pymesoskit.testing.runtime.clock import Clock, Timer

#: Seconds between two HEARTBEAT events; the first comes after as long.
HEARTBEAT_INTERVAL = 1800.0

#: The payload that each type of call must have.
PAYLOADS = {
    executor_v1.Call.SUBSCRIBE: "subscribe",
    executor_v1.Call.UPDATE: "update",
    executor_v1.Call.MESSAGE: "message",
}

_RECOVERING = "Agent has not finished recovery"


@define(eq=False)
class HttpConnection:
    """A subscribed executor's stream."""

    stream: EventStream
    clock: Clock
    _timer: Timer | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._beat_later()

    def send(self, event: executor_v1.Event) -> None:
        self.stream.send(Event(event))

    def end(self) -> None:
        self.stop()
        self.stream.end()

    def abort(self) -> None:
        self.stop()
        self.stream.abort()

    def stop(self) -> None:
        """No more heartbeats."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat_later(self) -> None:
        self._timer = self.clock.call_later(HEARTBEAT_INTERVAL, self._beat)

    def _beat(self) -> None:
        self.send(executor_v1.Event(type=executor_v1.Event.HEARTBEAT))
        self._beat_later()


class ExecutorApi:
    """The endpoint; ``handle`` serves it."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handle(self, request: Request, responder: Responder) -> None:
        """Serves one request. Raises ``Refused``."""
        core = self._core
        claims = core.authenticator.authenticate(request)
        check_method(request, "POST")
        call = parse_call(request, executor_v1.Call)
        error = validation_error(call)
        if error is not None:
            raise refuse(400, f"Failed to validate Executor::Call: {error}")
        content_type = negotiate(request) if call.type == executor_v1.Call.SUBSCRIBE else ""
        if call.type == executor_v1.Call.HEARTBEAT:
            responder.respond(Response(202))
            return
        if core.phase is Phase.RECOVERING and call.type != executor_v1.Call.SUBSCRIBE:
            raise refuse(503, _RECOVERING)
        framework = core.frameworks.get(call.framework_id.value)
        if framework is None:
            raise refuse(400, "Framework cannot be found")
        executor = framework.executors.get(call.executor_id.value)
        if executor is None:
            raise refuse(400, "Executor cannot be found")
        check_claims(claims, fid=framework.id, eid=executor.id, cid=executor.container_id)
        if executor.state is ExecutorState.REGISTERING and call.type != executor_v1.Call.SUBSCRIBE:
            raise refuse(403, "Executor is not subscribed")
        if call.type == executor_v1.Call.SUBSCRIBE:
            self._subscribe(responder, content_type, framework, executor, call.subscribe)
        elif call.type == executor_v1.Call.UNKNOWN:
            responder.respond(Response.text(501, "501 Not Implemented."))
        else:
            responder.respond(Response(202))
            calls.carry_out(core, framework, executor, call)

    def _subscribe(
        self,
        responder: Responder,
        content_type: str,
        framework: Framework,
        executor: Executor,
        subscribe: executor_v1.Call.Subscribe,
    ) -> None:
        connection: HttpConnection | None = None

        def closed() -> None:
            if connection is not None:
                self._core.lifeline.deliver(connection.stop)

        stream = responder.stream(200, (("Content-Type", content_type),), closed)
        connection = HttpConnection(EventStream(stream, content_type), self._core.lifeline)
        subscriptions.subscribe(self._core, framework, executor, connection, subscribe)


def validation_error(call: executor_v1.Call) -> str | None:
    """What is wrong with a call, in Mesos's words; None if nothing is."""
    if not call.HasField("type"):
        return "Expecting 'type' to be present"
    if not call.HasField("executor_id"):
        return "Expecting 'executor_id' to be present"
    if not call.HasField("framework_id"):
        return "Expecting 'framework_id' to be present"
    payload = PAYLOADS.get(call.type)
    if payload is not None and not call.HasField(payload):
        return f"Expecting '{payload}' to be present"
    return _update_error(call) if call.type == executor_v1.Call.UPDATE else None


def _update_error(call: executor_v1.Call) -> str | None:
    status = call.update.status
    executor_id, framework_id = call.executor_id.value, call.framework_id.value
    if not status.HasField("uuid"):
        return "Expecting 'uuid' to be present"
    if not is_uuid(status.uuid):
        return "Not a valid UUID"
    if status.HasField("executor_id") and status.executor_id.value != executor_id:
        return f"ExecutorID in Call: {executor_id} does not match ExecutorID in TaskStatus: {status.executor_id.value}"
    received = f"Received {{}} from executor {executor_id} of framework {framework_id}"
    if status.source != mesos.TaskStatus.SOURCE_EXECUTOR:
        return f"{received.format('Call')} with invalid source, expecting 'SOURCE_EXECUTOR'"
    if status.state == mesos.TASK_STAGING:
        return f"{received.format('TASK_STAGING')} which is not allowed"
    return _check_status_error(status.check_status) if status.HasField("check_status") else None


#: Each type of check: the field that its status must have, and how it is called.
CHECKS: dict[int, tuple[str, str]] = {
    mesos.CheckInfo.COMMAND: ("command", "COMMAND"),
    mesos.CheckInfo.HTTP: ("http", "HTTP"),
    mesos.CheckInfo.TCP: ("tcp", "TCP"),
}


def _check_status_error(status: mesos.CheckStatusInfo) -> str | None:
    if not status.HasField("type"):
        return "CheckStatusInfo must specify 'type'"
    expected = CHECKS.get(status.type)
    if expected is None:
        return "'UNKNOWN' is not a valid check's status type"
    field_name, kind = expected
    if not status.HasField(field_name):
        return f"Expecting '{field_name}' to be set for {kind} check's status"
    return None
