"""What a framework author implements: one method per event. Events: docs/reference/scheduler-api.md 3 to 11."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymesoskit.scheduler.driver import SchedulerDriver
    from pymesoskit.transport.address import Address
    from pymesoskit.transport.errors import MesosError
    from pymesoskit.wire.v1 import mesos, scheduler

_log = logging.getLogger(__name__)


class Scheduler:
    """Override what you need: what is not overridden does nothing, but that ``offers`` declines and failures are
    logged.

    The driver calls these methods one after the other, in the order of the events, in a thread of its own that neither
    holds a lock nor keeps the connection waiting. What one raises ends the driver (``HandlerFailed`` from ``join`` and
    ``run``), save ``NotSubscribed``: it only ends that method, for the subscription that it worked for is over.
    """

    def connected(self, driver: SchedulerDriver, address: Address) -> None:
        """A connection to a master is there; SUBSCRIBE goes out."""

    def subscribed(self, driver: SchedulerDriver, subscribed: scheduler.Event.Subscribed) -> None:
        """SUBSCRIBED, the first time and again after each ``disconnected``. The framework's id is stored. Time to
        reconcile.
        """

    def disconnected(self, driver: SchedulerDriver, reason: MesosError) -> None:
        """The subscription is over; the driver tries to get another unless ``stopped`` follows. Outstanding offers are
        void.
        """

    def offers(self, driver: SchedulerDriver, offers: Sequence[mesos.Offer]) -> None:
        """OFFERS: resources to accept or to decline. Unless overridden, they are declined."""
        driver.decline(offers)

    def inverse_offers(self, driver: SchedulerDriver, inverse_offers: Sequence[mesos.InverseOffer]) -> None:
        """INVERSE_OFFERS: an operator would like resources back for a time."""

    def rescind(self, driver: SchedulerDriver, offer_id: mesos.OfferID) -> None:
        """RESCIND: the offer is void."""

    def rescind_inverse_offer(self, driver: SchedulerDriver, inverse_offer_id: mesos.OfferID) -> None:
        """RESCIND_INVERSE_OFFER: the inverse offer is void."""

    def update(self, driver: SchedulerDriver, status: mesos.TaskStatus) -> None:
        """UPDATE of a task; acknowledged after this returns, unless acknowledgement is explicit. May come twice."""

    def update_operation_status(self, driver: SchedulerDriver, status: mesos.OperationStatus) -> None:
        """UPDATE_OPERATION_STATUS; acknowledged like ``update``."""

    def message(self, driver: SchedulerDriver, message: scheduler.Event.Message) -> None:
        """MESSAGE from an executor."""

    def failure(self, driver: SchedulerDriver, failure: scheduler.Event.Failure) -> None:
        """FAILURE: an agent was removed, or (with ``executor_id``) an executor has ended."""

    def error(self, driver: SchedulerDriver, message: str) -> None:
        """ERROR: the master has ended the subscription for good; ``stopped`` follows unless the driver was told
        otherwise.
        """

    def heartbeat(self, driver: SchedulerDriver) -> None:
        """HEARTBEAT."""

    def call_failed(self, driver: SchedulerDriver, call: str, error: MesosError) -> None:  # noqa: ARG002
        """A call (its type, ``"ACCEPT"``) was refused, its outcome is unknown, or it was not sent. Unless overridden,
        logged.
        """
        _log.warning("%s", error, extra={"call": call})

    def stopped(self, driver: SchedulerDriver, error: MesosError | None) -> None:
        """The last one: the driver has ended, by itself with an error or because it was told to."""
