"""The scheduler API with handlers: a ``Scheduler`` is called for each event, in a thread of the driver's own.

How handlers are called, and what becomes of what they raise, is the general driver's (``transport/driver.py``). An
update whose handler raised is not acknowledged, so it comes again.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from pymesoskit.scheduler.client import SchedulerClient
from pymesoskit.scheduler.handlers import check_scheduler
from pymesoskit.scheduler.methods import CallMethods
from pymesoskit.scheduler.options import FrameworkOptions
from pymesoskit.scheduler.session import OnRemoved
from pymesoskit.subscription.client import log_notice
from pymesoskit.subscription.driver import HandlerDriver
from pymesoskit.subscription.options import QUEUE_LIMIT, ConnectionOptions
from pymesoskit.transport.errors import InvalidCall
from pymesoskit.wire import PROTOBUF, Codec
from pymesoskit.wire.v1 import mesos
from pymesoskit.wire.v1 import scheduler as v1

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymesoskit.scheduler.handlers import Scheduler
    from pymesoskit.scheduler.store import FrameworkIdStore
    from pymesoskit.subscription.backoff import Backoff
    from pymesoskit.subscription.pending import PendingCall
    from pymesoskit.subscription.session import Watchdog
    from pymesoskit.subscription.subscriber import Timeouts
    from pymesoskit.transport.address import Address
    from pymesoskit.transport.base import Transport
    from pymesoskit.transport.credentials import Credentials
    from pymesoskit.transport.detector import Detector

__all__ = ["Acknowledgement", "SchedulerDriver"]

_log = logging.getLogger(__name__)

Event = v1.Event

S = TypeVar("S", mesos.TaskStatus, mesos.OperationStatus)


class Acknowledgement(Enum):
    """Who acknowledges updates."""

    AUTOMATIC = "automatic"  # the driver, after the handler has returned
    EXPLICIT = "explicit"  # the handlers, with ``driver.acknowledge``


class SchedulerDriver(HandlerDriver[Event], CallMethods):
    """Runs a ``Scheduler`` against a master. The arguments are those of ``SchedulerClient``, which it is made of.

    ``start`` returns at once, ``join`` waits for the end and raises the error that ended the driver, ``run`` does both.
    As a context manager it starts; at the end of the block it stops, waits, and raises the error that ended it.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        framework: mesos.FrameworkInfo,
        master: str | Address | Iterable[str | Address] | Detector,
        *,
        acknowledgement: Acknowledgement = Acknowledgement.AUTOMATIC,
        transport: Transport | None = None,
        content_type: Codec = PROTOBUF,
        credentials: Credentials | None = None,
        store: FrameworkIdStore | None = None,
        suppressed_roles: str | Iterable[str] = (),
        offer_constraints: v1.OfferConstraints | None = None,
        on_removed: OnRemoved = OnRemoved.EXIT,
        backoff: Backoff | None = None,
        watchdog: Watchdog | None = None,
        timeouts: Timeouts | None = None,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        check_scheduler(scheduler)
        self.scheduler = scheduler
        options = FrameworkOptions.of(
            framework,
            master,
            store=store,
            suppressed_roles=suppressed_roles,
            offer_constraints=offer_constraints,
            on_removed=on_removed,
            connection=ConnectionOptions.of(
                transport=transport,
                codec=content_type,
                credentials=credentials,
                backoff=backoff,
                watchdog=watchdog,
                timeouts=timeouts,
                queue_limit=queue_limit,
            ),
        )
        self._client = SchedulerClient._of(options, log_notice)  # a friend
        self._automatic = acknowledgement is Acknowledgement.AUTOMATIC
        super().__init__(self._client, scheduler, Event, f"pymesoskit-{framework.name or 'scheduler'}")

    # Its life.

    def stop(self) -> None:
        """Ends the driver and leaves the framework as it is. Returns at once; ``join`` waits.

        The framework and its tasks stay for as long as its failover timeout says: a scheduler that subscribes with the
        same id within that time takes them over. Without a failover timeout the master removes the framework, and kills
        its tasks, as soon as it notices that the scheduler is gone. ``disconnect`` does the same.
        """
        self.disconnect()

    def teardown(self) -> None:
        """Removes the framework (TEARDOWN) and ends the driver. Returns at once; ``join`` waits.

        The framework's tasks are killed and its id can never be used again. Raises ``NotSubscribed`` if there is no
        subscription over which the master can be told: wait for one, or ``stop``.
        """
        self._end(self._client.teardown)

    # What is known.

    @property
    def framework_id(self) -> str | None:
        """The framework's id, once it is stored."""
        return self._client.framework_id

    @property
    def framework(self) -> mesos.FrameworkInfo:
        """A copy of the FrameworkInfo as the master last accepted it, with its id."""
        return self._client.framework

    def call(self, call: v1.Call) -> PendingCall:
        return self._client.call(call)

    # Handlers.

    def _table(self) -> dict[int, Callable[[Event], None]]:
        """Which method handles which event."""
        return {
            Event.SUBSCRIBED: self._on_subscribed,
            Event.OFFERS: self._on_offers,
            Event.INVERSE_OFFERS: self._on_inverse_offers,
            Event.RESCIND: self._on_rescind,
            Event.RESCIND_INVERSE_OFFER: self._on_rescind_inverse_offer,
            Event.UPDATE: self._on_update,
            Event.UPDATE_OPERATION_STATUS: self._on_update_operation_status,
            Event.MESSAGE: self._on_message,
            Event.FAILURE: self._on_failure,
            Event.ERROR: self._on_error,
            Event.HEARTBEAT: self._on_heartbeat,
        }

    def _on_subscribed(self, event: Event) -> None:
        self.scheduler.subscribed(self, event.subscribed)

    def _on_offers(self, event: Event) -> None:
        self.scheduler.offers(self, event.offers.offers)

    def _on_inverse_offers(self, event: Event) -> None:
        self.scheduler.inverse_offers(self, event.inverse_offers.inverse_offers)

    def _on_rescind(self, event: Event) -> None:
        self.scheduler.rescind(self, event.rescind.offer_id)

    def _on_rescind_inverse_offer(self, event: Event) -> None:
        self.scheduler.rescind_inverse_offer(self, event.rescind_inverse_offer.inverse_offer_id)

    def _on_update(self, event: Event) -> None:
        status = event.update.status
        self.scheduler.update(self, status)
        if self._automatic and status.uuid:
            self._acknowledge(self.acknowledge, status)

    def _on_update_operation_status(self, event: Event) -> None:
        status = event.update_operation_status.status
        self.scheduler.update_operation_status(self, status)
        if self._automatic and status.uuid.value:
            self._acknowledge(self.acknowledge_operation_status, status)

    def _acknowledge(self, acknowledge: Callable[[S], PendingCall], status: S) -> None:
        """Acknowledges what has been handled. That this cannot be done is not the handler's fault: it is logged."""
        try:
            acknowledge(status)
        except InvalidCall as error:
            _log.error("the master has sent an update that cannot be acknowledged: %s", error)

    def _on_message(self, event: Event) -> None:
        self.scheduler.message(self, event.message)

    def _on_failure(self, event: Event) -> None:
        self.scheduler.failure(self, event.failure)

    def _on_error(self, event: Event) -> None:
        self.scheduler.error(self, event.error.message)

    def _on_heartbeat(self, _: Event) -> None:
        self.scheduler.heartbeat(self)
