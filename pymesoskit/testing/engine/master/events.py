"""What the master tells: events for schedulers, and hooks for whoever watches the cluster.

Builders of scheduler events, one per type, and the ``Listener`` that operators' event streams (``operator/``)
implement. To whom events go is decided elsewhere. Source: docs/reference/scheduler-api.md 3, 6, 7, 8 and 11,
operator-api.md 2.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pymesoskit.testing.engine.http.v1 import HEARTBEAT_INTERVAL, Event
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.testing.engine.master.state import Agent, Framework

Type = scheduler.Event.Type

#: HEARTBEAT has no content: one event, encoded once, serves all streams.
HEARTBEAT = Event(scheduler.Event(type=Type.HEARTBEAT))


class Listener(Protocol):
    """Is told what happens in the cluster, as it happens (operator-api.md 2.5 says when)."""

    def task_added(self, task: mesos.Task) -> None:
        """A task was accepted, or is known again from its agent."""

    def task_updated(self, task: mesos.Task, status: mesos.TaskStatus, previous: mesos.TaskState | None) -> None:
        """A status has arrived and ``task`` is as it left it; ``previous`` is the state of its last status before."""

    def framework_added(self, framework: Framework) -> None:
        """A framework has subscribed for the first time, or is known from an agent after a failover of the master."""

    def framework_updated(self, framework: Framework) -> None:
        """A framework has subscribed again, or has changed its info."""

    def framework_removed(self, info: mesos.FrameworkInfo) -> None:
        """A framework was torn down, or did not come back in time."""

    def agent_added(self, agent: Agent) -> None:
        """An agent was admitted, or is back from unreachable or after a failover of the master."""

    def agent_removed(self, agent_id: str) -> None:
        """An agent has unregistered, was replaced at its address, or its machine is down."""


def subscribed(framework_id: str, master_info: mesos.MasterInfo) -> Event:
    return Event(
        scheduler.Event(
            type=Type.SUBSCRIBED,
            subscribed=scheduler.Event.Subscribed(
                framework_id=mesos.FrameworkID(value=framework_id),
                heartbeat_interval_seconds=HEARTBEAT_INTERVAL,
                master_info=master_info,
            ),
        )
    )


def offers(messages: Iterable[mesos.Offer]) -> Event:
    return Event(scheduler.Event(type=Type.OFFERS, offers=scheduler.Event.Offers(offers=messages)))


def inverse_offers(messages: Iterable[mesos.InverseOffer]) -> Event:
    return Event(
        scheduler.Event(type=Type.INVERSE_OFFERS, inverse_offers=scheduler.Event.InverseOffers(inverse_offers=messages))
    )


def rescind(offer_id: str) -> Event:
    return Event(
        scheduler.Event(type=Type.RESCIND, rescind=scheduler.Event.Rescind(offer_id=mesos.OfferID(value=offer_id)))
    )


def rescind_inverse_offer(offer_id: str) -> Event:
    return Event(
        scheduler.Event(
            type=Type.RESCIND_INVERSE_OFFER,
            rescind_inverse_offer=scheduler.Event.RescindInverseOffer(inverse_offer_id=mesos.OfferID(value=offer_id)),
        )
    )


def update(status: mesos.TaskStatus) -> Event:
    return Event(scheduler.Event(type=Type.UPDATE, update=scheduler.Event.Update(status=status)))


def update_operation_status(status: mesos.OperationStatus) -> Event:
    return Event(
        scheduler.Event(
            type=Type.UPDATE_OPERATION_STATUS,
            update_operation_status=scheduler.Event.UpdateOperationStatus(status=status),
        )
    )


def message(agent_id: str, executor_id: str, data: bytes) -> Event:
    return Event(
        scheduler.Event(
            type=Type.MESSAGE,
            message=scheduler.Event.Message(
                agent_id=mesos.AgentID(value=agent_id), executor_id=mesos.ExecutorID(value=executor_id), data=data
            ),
        )
    )


def agent_failure(agent_id: str) -> Event:
    """An agent is lost."""
    return Event(
        scheduler.Event(type=Type.FAILURE, failure=scheduler.Event.Failure(agent_id=mesos.AgentID(value=agent_id)))
    )


def executor_failure(agent_id: str, executor_id: str, status: int) -> Event:
    """An executor has ended; ``status`` is what wait(2) gave, -1 if unknown."""
    return Event(
        scheduler.Event(
            type=Type.FAILURE,
            failure=scheduler.Event.Failure(
                agent_id=mesos.AgentID(value=agent_id),
                executor_id=mesos.ExecutorID(value=executor_id),
                status=status,
            ),
        )
    )


def error(text: str) -> Event:
    return Event(scheduler.Event(type=Type.ERROR, error=scheduler.Event.Error(message=text)))
