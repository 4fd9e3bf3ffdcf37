"""``POST /api/v1/scheduler``: the checks of a request in their order, then the call's handler.

Source: docs/reference/scheduler-api.md 1.2 and 9. What the calls do is in the modules that are named in the table at
the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import role_error
from pymesoskit.testing.allocator import InverseOfferResponse
from pymesoskit.testing.allocator.constraints import ConstraintsError
from pymesoskit.testing.engine.http.handler import Request, Responder, Response
from pymesoskit.testing.engine.http.v1 import check_method, negotiate, parse_call, refuse
from pymesoskit.testing.engine.master import (
    accept,
    frameworks,
    leadership,
    offers,
    operations,
    reconcile,
    status,
    subscribe,
)
from pymesoskit.testing.engine.master.auth import SCHEDULER
from pymesoskit.testing.engine.master.authorization import registration_error
from pymesoskit.testing.engine.master.validation.calls import call_error, principal_mismatch
from pymesoskit.testing.engine.master.validation.framework import framework_error, update_error
from pymesoskit.testing.engine.network.messages import FrameworkToExecutor, KillTask, ShutdownExecutor
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from pymesoskit.testing.engine.http.authentication import Authenticator
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.state import Framework

Type = scheduler.Call.Type

#: What counts calls of these types that are not even valid.
_INVALID = {
    Type.ACKNOWLEDGE: "invalid_status_update_acknowledgements",
    Type.ACKNOWLEDGE_OPERATION_STATUS: "invalid_operation_status_update_acknowledgements",
    Type.MESSAGE: "invalid_framework_to_executor_messages",
}


class SchedulerApi:
    """The endpoint of one master."""

    def __init__(self, core: Core, authenticator: Authenticator) -> None:
        self._core = core
        self._authenticator = authenticator

    def __call__(self, request: Request, responder: Responder) -> None:
        """Serves a request; raises ``Refused`` for those that are not even calls."""
        principal = self._authenticator.authenticate(request, SCHEDULER)
        leadership.require_recovered(self._core, request)
        check_method(request, "POST")
        call = parse_call(request, scheduler.Call)
        error = call_error(call, principal)
        if error is not None:
            invalid = _INVALID.get(call.type)
            if invalid is not None:
                self._core.count(invalid)
            raise refuse(400, f"Failed to validate scheduler::Call: {error}")
        stream_id = request.header("mesos-stream-id")
        if call.type == Type.SUBSCRIBE:
            content_type = negotiate(request)
            if stream_id is not None:
                raise refuse(400, "Subscribe calls should not include the 'Mesos-Stream-Id' header")
            subscribe.subscribe(self._core, call.subscribe, principal, responder, content_type)
            return
        if call.type == Type.RECONCILE_OPERATIONS:
            negotiate(request)
        framework = self._framework(call, principal, stream_id)
        handler = _HANDLERS.get(call.type)
        if handler is None:
            raise refuse(501, "501 Not Implemented.")
        responder.respond(handler(self._core, framework, call) or Response(202))

    def _framework(self, call: scheduler.Call, principal: str | None, stream_id: str | None) -> Framework:
        """The framework that a call comes from, if it is connected and the call comes from its stream's owner."""
        framework = self._core.state.frameworks.get(call.framework_id.value)
        if framework is None:
            raise refuse(400, "Framework cannot be found")
        if call.type in _HANDLERS:
            framework.counters[f"calls/{Type.Name(call.type).lower()}"] += 1
        if principal is not None and principal != framework.principal:
            raise refuse(400, principal_mismatch(principal, framework.info.principal))
        if not framework.connected:
            raise refuse(403, "Framework is not subscribed")
        if stream_id is None:
            raise refuse(400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header")
        if stream_id != framework.stream_id:
            raise refuse(
                400,
                f"The stream ID '{stream_id}' included in this request didn't match the stream ID currently associated "
                f"with framework ID {framework.id}",
            )
        return framework


# The calls; each answers 202 unless it says otherwise


def _teardown(core: Core, framework: Framework, _: scheduler.Call) -> None:
    frameworks.remove(core, framework)


def _accept(core: Core, framework: Framework, call: scheduler.Call) -> None:
    accept.accept(core, framework, call.accept)


def _decline(core: Core, framework: Framework, call: scheduler.Call) -> None:
    ids = [offer_id.value for offer_id in call.decline.offer_ids]
    offers.decline(core, framework, ids, call.decline.filters)


def _accept_inverse_offers(core: Core, _: Framework, call: scheduler.Call) -> None:
    answer = call.accept_inverse_offers
    ids = [offer_id.value for offer_id in answer.inverse_offer_ids]
    offers.answer_inverse(core, ids, InverseOfferResponse.ACCEPT, answer.filters)


def _decline_inverse_offers(core: Core, _: Framework, call: scheduler.Call) -> None:
    answer = call.decline_inverse_offers
    ids = [offer_id.value for offer_id in answer.inverse_offer_ids]
    offers.answer_inverse(core, ids, InverseOfferResponse.DECLINE, answer.filters)


def _revive(core: Core, framework: Framework, call: scheduler.Call) -> None:
    core.count("messages_revive_offers")
    roles = _own_roles(framework, call.revive.roles)
    if roles is not None:
        framework.suppressed_roles -= roles
        core.allocator.revive_offers(framework.id, roles)


def _suppress(core: Core, framework: Framework, call: scheduler.Call) -> None:
    core.count("messages_suppress_offers")
    roles = _own_roles(framework, call.suppress.roles)
    if roles is not None:
        framework.suppressed_roles |= roles
        core.allocator.suppress_offers(framework.id, roles)


def _own_roles(framework: Framework, roles: Collection[str]) -> frozenset[str] | None:
    """The roles that a call is about (none given: all); None if one of them is not the framework's."""
    if not roles:
        return framework.roles
    if any(role_error(role) is not None or role not in framework.roles for role in roles):
        return None
    return frozenset(roles)


def _kill(core: Core, framework: Framework, call: scheduler.Call) -> None:
    """Passed on to the agent, and remembered there while it is away. An unknown task is reconciled."""
    core.count("messages_kill_task")
    kill = call.kill
    agent_id = kill.agent_id.value if kill.HasField("agent_id") else None
    task = framework.tasks.get(kill.task_id.value)
    if task is None:
        core.count("messages_reconcile_tasks")
        reconcile.reconcile_task(core, framework, kill.task_id.value, agent_id)
        return
    if agent_id is not None and agent_id != task.agent_id:
        return
    agent = core.state.agents[task.agent_id]
    agent.killed_tasks.setdefault(framework.id, set()).add(task.id)
    if agent.connected:
        policy = kill.kill_policy if kill.HasField("kill_policy") else None
        core.send(agent, KillTask(framework.id, task.id, policy))


def _shutdown(core: Core, framework: Framework, call: scheduler.Call) -> None:
    agent = core.state.agents.get(call.shutdown.agent_id.value)
    if agent is not None:
        core.send(agent, ShutdownExecutor(framework.id, call.shutdown.executor_id.value))


def _acknowledge(core: Core, framework: Framework, call: scheduler.Call) -> None:
    status.acknowledge(core, framework, call.acknowledge)


def _acknowledge_operation_status(core: Core, framework: Framework, call: scheduler.Call) -> None:
    operations.acknowledge(core, framework, call.acknowledge_operation_status)


def _reconcile(core: Core, framework: Framework, call: scheduler.Call) -> None:
    reconcile.reconcile(core, framework, call.reconcile)


def _reconcile_operations(core: Core, framework: Framework, call: scheduler.Call) -> None:
    operations.reconcile(core, framework, call.reconcile_operations)


def _message(core: Core, framework: Framework, call: scheduler.Call) -> None:
    core.count("messages_framework_to_executor")
    message = call.message
    agent = core.state.agents.get(message.agent_id.value)
    if agent is None or not agent.connected:
        core.count("invalid_framework_to_executor_messages")
        return
    core.send(agent, FrameworkToExecutor(agent.id, framework.id, message.executor_id.value, message.data))
    core.count("valid_framework_to_executor_messages")


def _request(core: Core, framework: Framework, call: scheduler.Call) -> None:
    core.count("messages_resource_request")
    core.allocator.request_resources(framework.id, list(call.request.requests))


def _update_framework(core: Core, framework: Framework, call: scheduler.Call) -> Response:
    """Replaces the framework's info; unlike SUBSCRIBE it does not overlook what cannot be changed."""
    update = call.update_framework
    error = framework_error(
        update.framework_info,
        update.suppressed_roles,
        whitelist=core.flags.roles,
        root_submissions=core.flags.root_submissions,
        is_completed=False,
    )
    if error is not None:
        raise refuse(400, f"Supplied FrameworkInfo is not valid: {error}")
    error = update_error(framework.info, update.framework_info)
    if error is not None:
        raise refuse(400, f"FrameworkInfo update is not valid: {error}")
    constraints = frameworks.Constraints()
    if update.HasField("offer_constraints"):
        try:
            constraints = frameworks.compile_constraints(core, update.offer_constraints)
        except ConstraintsError as wrong:
            raise refuse(400, f"'UpdateFramework.offer_constraints' are not valid: {wrong}") from None
    error = registration_error(core.permissions(framework.principal), update.framework_info)
    if error is not None:
        raise refuse(403, error)
    info = mesos.FrameworkInfo()
    info.CopyFrom(update.framework_info)
    if frameworks.update_info(core, framework, info, update.suppressed_roles, constraints):
        frameworks.tell_agents(core, framework)
        for listener in core.listeners:
            listener.framework_updated(framework)
    return Response(200)


_HANDLERS: dict[int, Callable[[Core, Framework, scheduler.Call], Response | None]] = {
    Type.TEARDOWN: _teardown,
    Type.ACCEPT: _accept,
    Type.DECLINE: _decline,
    Type.ACCEPT_INVERSE_OFFERS: _accept_inverse_offers,
    Type.DECLINE_INVERSE_OFFERS: _decline_inverse_offers,
    Type.REVIVE: _revive,
    Type.SUPPRESS: _suppress,
    Type.KILL: _kill,
    Type.SHUTDOWN: _shutdown,
    Type.ACKNOWLEDGE: _acknowledge,
    Type.ACKNOWLEDGE_OPERATION_STATUS: _acknowledge_operation_status,
    Type.RECONCILE: _reconcile,
    Type.RECONCILE_OPERATIONS: _reconcile_operations,
    Type.MESSAGE: _message,
    Type.REQUEST: _request,
    Type.UPDATE_FRAMEWORK: _update_framework,
}
