"""What operators do to an agent's resources: RESERVE, UNRESERVE, CREATE, DESTROY, GROW_VOLUME, SHRINK_VOLUME.

What is offered of the resources that are needed is taken back, one offer after the other, until enough is there; the
rest must be available. Nobody is told how it goes on after that: there is no operation id and no feedback.
Source: docs/reference/operator-api.md 2.2, allocator.md 9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Resources, ResourcesError, consumed, conversions, operation_error, upgrade_message
from pymesoskit.testing.allocator import Filters
from pymesoskit.testing.engine.http.v1 import refuse
from pymesoskit.testing.engine.master import offers, operations
from pymesoskit.testing.engine.master.authorization import operation_requests
from pymesoskit.testing.engine.master.validation import operation as validation
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.state import Agent

Type = mesos.Offer.Operation.Type

#: Operations whose errors do not say which agent they are about.
_AGENT_IS_NOT_NAMED = frozenset({Type.UNRESERVE, Type.DESTROY})


def apply(core: Core, agent_id: str, operation: mesos.Offer.Operation, permissions: Permissions) -> None:
    """Carries out an operation on an agent.

    Raises ``Refused``: 400, 403, or 409 if the agent has not got the resources.
    """
    agent = core.state.agents.get(agent_id)
    if agent is None:
        raise refuse(400, "No agent found with specified ID")
    error = operation_error(operation)
    if error is not None:
        raise refuse(400, error)
    for resource in validation.resources_of(operation):
        upgrade_message(resource)
    name = Type.Name(operation.type)
    error = validation.operation_error(operation, agent, None, permissions.principal)
    if error is not None:
        place = "" if operation.type in _AGENT_IS_NOT_NAMED else f" on agent {agent.description}"
        raise refuse(400, f"Invalid {name} operation{place}: {error}")
    if not permissions.unrestricted:
        for request in operation_requests(operation):
            permissions.require(request.action, request.thing)
    try:
        required = consumed(operation)
    except ResourcesError as refused:
        raise refuse(400, f"Invalid {name} operation: {refused}") from None
    _take_back(core, agent, operation, required)
    try:
        core.allocator.update_available(agent.id, conversions(operation))
    except ResourcesError as missing:
        raise refuse(409, str(missing)) from None
    core.note(f"an operator's {name} on agent {agent.id}")
    operations.apply(core, agent, None, operation)


def _take_back(core: Core, agent: Agent, operation: mesos.Offer.Operation, required: Resources) -> None:
    recovered = Resources()
    for offer in list(agent.offers.values()):
        offered = offer.resources.unallocated()
        missing = required - offered
        if missing == required:
            continue  # it holds nothing of what is needed
        recovered += offered
        required = missing
        # With a filter, so that the framework is not offered the same again before the operation is carried out.
        offers.rescind(core, offer, Filters())
        try:
            recovered.apply(operation)
        except ResourcesError:
            continue
        return
