"""The event stream of the operator API: SUBSCRIBE, and what its subscribers are told from then on.

It is one of the core's listeners (``master/events.py``); without subscribers that costs nothing. The snapshot that each
subscriber gets first is GET_STATE of ``queries``. With an authorizer each subscriber gets what it may see: no
event of a framework or task that is hidden from it, and no resources of hidden roles. Source:
docs/reference/operator-api.md 2.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.authorization import UNRESTRICTED
from pymesoskit.testing.engine.http.v1 import HEARTBEAT_INTERVAL, PROTOBUF, Event, EventStream
from pymesoskit.testing.engine.master.operator.queries import state_json, state_message
from pymesoskit.testing.engine.master.operator.views import (
    agent_value,
    agent_view,
    endpoint_resources,
    framework_event_view,
)
from pymesoskit.wire import dumps_value, encode_record
from pymesoskit.wire.v1 import master as pb
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.http.handler import Responder
    from pymesoskit.testing.engine.master.state import Agent, Framework, MasterState
    from pymesoskit.testing.runtime.clock import Clock, Timer


#: Reasons that make an update worth telling even if the task's state stays the same.
CHECK_REASONS = frozenset(
    {
        mesos.TaskStatus.REASON_TASK_CHECK_STATUS_UPDATED,
        mesos.TaskStatus.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED,
    }
)


class _AgentAdded(Event):
    """AGENT_ADDED: in JSON an agent is shown with more than its message has."""

    __slots__ = ()

    def record(self, content_type: str) -> bytes:
        if content_type == PROTOBUF:
            return super().record(content_type)
        added = self.message.agent_added  # type: ignore[attr-defined]
        value = {"type": "AGENT_ADDED", "agent_added": {"agent": agent_value(added.agent)}}
        return encode_record(dumps_value(value).encode())


class _Subscriber:
    """One stream, the timer of its heartbeats, and what whoever reads it may see."""

    __slots__ = ("permissions", "stream", "timer")

    def __init__(self, permissions: Permissions) -> None:
        self.permissions = permissions
        self.stream: EventStream | None = None
        self.timer: Timer | None = None


class OperatorEvents:
    """The subscribers of one master."""

    def __init__(self, state: MasterState, clock: Clock, max_subscribers: int) -> None:
        self._state = state
        self._clock = clock
        self._max = max_subscribers
        self._subscribers: dict[int, _Subscriber] = {}  # oldest first
        self._next = 0
        self._heartbeat = Event(pb.Event(type=pb.Event.HEARTBEAT))

    def __len__(self) -> int:
        return len(self._subscribers)

    def subscribe(self, responder: Responder, content_type: str, permissions: Permissions) -> None:
        """Answers with a stream: a snapshot, and a heartbeat at once. Beyond the bound the oldest stream is closed."""
        number = self._next
        self._next += 1
        subscriber = _Subscriber(permissions)
        raw = responder.stream(200, (("Content-Type", content_type),), lambda: self._forget(number))
        subscriber.stream = EventStream(raw, content_type)
        raw.write(encode_record(self._snapshot(content_type, permissions)))
        subscriber.stream.send(self._heartbeat)
        self._subscribers[number] = subscriber
        subscriber.timer = self._clock.call_later(HEARTBEAT_INTERVAL, self._beat, number)
        while len(self._subscribers) > self._max:
            oldest = next(iter(self._subscribers))
            stream = self._subscribers[oldest].stream
            self._forget(oldest)
            if stream is not None:
                stream.end()

    def close(self) -> None:
        """Breaks all streams: the master ends."""
        for number, subscriber in list(self._subscribers.items()):
            self._forget(number)
            if subscriber.stream is not None:
                subscriber.stream.abort()

    def _snapshot(self, content_type: str, permissions: Permissions) -> bytes:
        if content_type == PROTOBUF:
            event = pb.Event(type=pb.Event.SUBSCRIBED)
            event.subscribed.get_state.CopyFrom(state_message(self._state, permissions))
            event.subscribed.heartbeat_interval_seconds = HEARTBEAT_INTERVAL
            return event.SerializeToString()
        text = f'"get_state":{state_json(self._state, permissions)},"heartbeat_interval_seconds":{HEARTBEAT_INTERVAL}'
        return f'{{"type":"SUBSCRIBED","subscribed":{{{text}}}}}'.encode()

    def _beat(self, number: int) -> None:
        subscriber = self._subscribers.get(number)
        if subscriber is None or subscriber.stream is None:
            return
        subscriber.stream.send(self._heartbeat)
        subscriber.timer = self._clock.call_later(HEARTBEAT_INTERVAL, self._beat, number)

    def _forget(self, number: int) -> None:
        subscriber = self._subscribers.pop(number, None)
        if subscriber is not None and subscriber.timer is not None:
            subscriber.timer.cancel()

    def _send(self, message: pb.Event | Event, seen: Callable[[Permissions], Event | bool]) -> None:
        """Sends the event; ``seen`` says whether somebody who may not see all gets it, or what else instead."""
        event = message if isinstance(message, Event) else Event(message)
        for subscriber in list(self._subscribers.values()):
            if subscriber.stream is None:
                continue
            if subscriber.permissions.unrestricted:
                subscriber.stream.send(event)
                continue
            shown = seen(subscriber.permissions)
            if isinstance(shown, Event):
                subscriber.stream.send(shown)
            elif shown:
                subscriber.stream.send(event)

    def _sees_task(self, permissions: Permissions, task: mesos.Task) -> bool:
        framework_id = task.framework_id.value
        frameworks = self._state.frameworks, self._state.completed_frameworks
        framework = next((known[framework_id] for known in frameworks if framework_id in known), None)
        return (
            framework is not None
            and permissions.sees_framework(framework.info)
            and permissions.sees_task(task, framework.info)
        )

    # What the master's core tells

    def task_added(self, task: mesos.Task) -> None:
        """A task was accepted, or is known again from its agent."""
        if self._subscribers:
            added = pb.Event(type=pb.Event.TASK_ADDED, task_added=pb.Event.TaskAdded(task=task))
            self._send(added, lambda permissions: self._sees_task(permissions, task))

    def task_updated(self, task: mesos.Task, status: mesos.TaskStatus, previous: mesos.TaskState | None) -> None:
        """A status has arrived and ``task`` is as it left it; ``previous`` is the state of its last status before.

        Told only if the state is another one, or a check or health check is the reason.
        """
        if not self._subscribers or (status.state == previous and status.reason not in CHECK_REASONS):
            return
        updated = pb.Event.TaskUpdated(framework_id=task.framework_id, status=status, state=task.state)
        self._send(
            pb.Event(type=pb.Event.TASK_UPDATED, task_updated=updated),
            lambda permissions: self._sees_task(permissions, task),
        )

    def framework_added(self, framework: Framework) -> None:
        """A framework has subscribed for the first time, or is known from an agent after a failover of the master."""
        if self._subscribers:
            added = pb.Event.FrameworkAdded(framework=framework_event_view(framework))
            self._send_of_framework(pb.Event(type=pb.Event.FRAMEWORK_ADDED, framework_added=added), framework.info)

    def framework_updated(self, framework: Framework) -> None:
        """A framework has subscribed again, or has changed its info."""
        if self._subscribers:
            updated = pb.Event.FrameworkUpdated(framework=framework_event_view(framework))
            self._send_of_framework(
                pb.Event(type=pb.Event.FRAMEWORK_UPDATED, framework_updated=updated), framework.info
            )

    def framework_removed(self, info: mesos.FrameworkInfo) -> None:
        """A framework was torn down, or did not come back in time."""
        if self._subscribers:
            removed = pb.Event.FrameworkRemoved(framework_info=info)
            self._send_of_framework(pb.Event(type=pb.Event.FRAMEWORK_REMOVED, framework_removed=removed), info)

    def _send_of_framework(self, event: pb.Event, info: mesos.FrameworkInfo) -> None:
        self._send(event, lambda permissions: permissions.sees_framework(info))

    def agent_added(self, agent: Agent) -> None:
        """An agent was admitted, or is back from unreachable or after a failover of the master."""
        if self._subscribers:
            added = pb.Event.AgentAdded(agent=agent_view(agent, UNRESTRICTED))

            def seen(permissions: Permissions) -> Event:
                """All of it but the parts of its total that are reserved for hidden roles."""
                part = pb.Event.AgentAdded(agent=added.agent)
                part.agent.ClearField("total_resources")
                part.agent.total_resources.extend(endpoint_resources(permissions.resources(agent.total_resources)))
                return _AgentAdded(pb.Event(type=pb.Event.AGENT_ADDED, agent_added=part))

            self._send(_AgentAdded(pb.Event(type=pb.Event.AGENT_ADDED, agent_added=added)), seen)

    def agent_removed(self, agent_id: str) -> None:
        """An agent has unregistered, was replaced at its address, or its machine is down; not: unreachable, or gone."""
        if self._subscribers:
            removed = pb.Event.AgentRemoved(agent_id=mesos.AgentID(value=agent_id))
            self._send(pb.Event(type=pb.Event.AGENT_REMOVED, agent_removed=removed), lambda _: True)
