"""What the v1 operator API shows of agents and frameworks, as messages.

Also what its events carry. Resources are in the *endpoint* format here: with ``role`` and ``reservation`` beside the
stack of reservations. An ``AgentInfo`` is shown with ``checkpoint``, a field that the v1 message does not have (the
older one has): number 7 in protobuf. Source: docs/reference/operator-api.md 2.1 and 2.5, failover.md 23 and 24.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymesoskit.resources import Format, resource_to_message
from pymesoskit.wire import to_json_value
from pymesoskit.wire.v1 import master as pb
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.resources import Resource
    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.master.entities import Task
    from pymesoskit.testing.engine.master.state import Agent, Framework

AgentView = pb.Response.GetAgents.Agent
FrameworkView = pb.Response.GetFrameworks.Framework


_AGENT_CAPABILITIES = frozenset(mesos.AgentInfo.Capability.Type.keys())


def nanoseconds(seconds: float) -> int:
    """A time as in ``TimeInfo``; like the real thing, no more exact than the double it comes from."""
    return int(seconds * 1e9)


def endpoint_resources(resources: Iterable[Resource]) -> Iterable[mesos.Resource]:
    """Resources as messages in the endpoint format."""
    return (resource_to_message(resource, Format.ENDPOINT) for resource in resources)


def visible_tasks(tasks: Iterable[Task], framework: Framework, permissions: Permissions) -> Iterable[Task]:
    """Those tasks of a framework that can be seen."""
    if permissions.unrestricted:
        return tasks
    return (task for task in tasks if permissions.sees_task(task.message, framework.info))


def drain_info(agent: Agent) -> mesos.DrainInfo | None:
    """How far an agent's draining is, or None if it does not drain."""
    if agent.drain_config is None or agent.drain_state is None:
        return None
    return mesos.DrainInfo(state=agent.drain_state, config=agent.drain_config)


#: ``checkpoint: true`` in protobuf.
_CHECKPOINT = b"\x38\x01"


def agent_info_view(info: mesos.AgentInfo, permissions: Permissions) -> mesos.AgentInfo:
    """The info of an agent (a recovered one, too), with those resources of which all roles can be seen."""
    view = mesos.AgentInfo()
    view.CopyFrom(info)
    if not permissions.unrestricted:
        view.ClearField("resources")
        view.resources.extend(permissions.resource_messages(info.resources))
    view.MergeFromString(_CHECKPOINT)
    return view


def agent_info_value(view: mesos.AgentInfo) -> dict[str, Any]:
    """The same as JSON."""
    value = to_json_value(view)
    value["checkpoint"] = True
    if "domain" in value:
        value["domain"] = value.pop("domain")  # comes after it
    return value


def agent_value(view: AgentView) -> dict[str, Any]:
    """An agent's view as JSON."""
    return to_json_value(view) | {"agent_info": agent_info_value(view.agent_info)}


def agent_view(agent: Agent, permissions: Permissions) -> AgentView:
    """An agent as GET_AGENTS and AGENT_ADDED show it."""
    view = AgentView(
        agent_info=agent_info_view(agent.info, permissions),
        active=agent.active,
        deactivated=agent.deactivated,
        version=agent.version,
        pid=agent.address,
        registered_time=mesos.TimeInfo(nanoseconds=nanoseconds(agent.registered_time)),
        total_resources=endpoint_resources(permissions.resources(agent.total_resources)),
        allocated_resources=endpoint_resources(permissions.resources(agent.used.total)),
        offered_resources=endpoint_resources(permissions.resources(agent.offered.total)),
        drain_info=drain_info(agent),
    )
    if agent.reregistered_time is not None:
        view.reregistered_time.nanoseconds = nanoseconds(agent.reregistered_time)
    view.capabilities.extend(agent_capabilities(agent.capabilities))
    if view.HasField("drain_info") and agent.estimated_drain_start_time is not None:
        view.estimated_drain_start_time.nanoseconds = nanoseconds(agent.estimated_drain_start_time)
    return view


def agent_capabilities(names: Iterable[str]) -> Iterable[mesos.AgentInfo.Capability]:
    """Capabilities by name; one that this version's enum does not know stays, without its type."""
    for name in names:
        yield mesos.AgentInfo.Capability(type=name if name in _AGENT_CAPABILITIES else None)


def framework_view(framework: Framework) -> FrameworkView:
    """A framework as GET_FRAMEWORKS shows it."""
    view = FrameworkView(
        framework_info=framework.info,
        active=framework.active,
        connected=framework.connected,
        recovered=framework.recovered,
        offers=(offer.message for offer in framework.offers.values()),
        inverse_offers=(offer.message for offer in framework.inverse_offers.values()),
        allocated_resources=endpoint_resources(framework.used.total),
        offered_resources=endpoint_resources(framework.offered.total),
    )
    _set_times(view, framework, with_zeros=False)
    view.offer_constraints.SetInParent()
    if framework.offer_constraints is not None:
        view.offer_constraints.CopyFrom(framework.offer_constraints)
    return view


def framework_event_view(framework: Framework) -> FrameworkView:
    """A framework as FRAMEWORK_ADDED and FRAMEWORK_UPDATED show it: its state and all times, also those that are 0."""
    view = FrameworkView(
        framework_info=framework.info,
        active=framework.active,
        connected=framework.connected,
        recovered=framework.recovered,
    )
    _set_times(view, framework, with_zeros=True)
    return view


def _set_times(view: FrameworkView, framework: Framework, *, with_zeros: bool) -> None:
    for field, time in (
        (view.registered_time, framework.registered_time),
        (view.reregistered_time, framework.reregistered_time or framework.registered_time),
        (view.unregistered_time, framework.unregistered_time),
    ):
        if time or with_zeros:
            field.nanoseconds = nanoseconds(time)
