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


#: What handlers are called in pymesos and in Mesos's own interface, and what they are called here.
_OTHER_NAMES = {
    "registered": "subscribed",
    "reregistered": "subscribed",
    "resourceOffers": "offers",
    "inverseOffers": "inverse_offers",
    "offerRescinded": "rescind",
    "inverseOfferRescinded": "rescind_inverse_offer",
    "statusUpdate": "update",
    "operationStatusUpdate": "update_operation_status",
    "frameworkMessage": "message",
    "slaveLost": "failure",
    "executorLost": "failure",
    "processHeartBeat": "heartbeat",
}


def check_scheduler(scheduler: object) -> None:
    """Raises ``TypeError``, which says what is wrong, unless this object handles a scheduler's events."""
    if isinstance(scheduler, type):
        raise TypeError(
            f"scheduler must be an object with handlers, not the class {scheduler.__name__}: {scheduler.__name__}()?"
        )
    kind = type(scheduler).__name__
    missing = [name for name in _HANDLERS if not hasattr(scheduler, name)]
    if missing:
        raise TypeError(f"scheduler must be a Scheduler; {kind!r} has no handler {', '.join(map(repr, missing))}")
    for name in _HANDLERS:
        if not callable(getattr(scheduler, name)):
            raise TypeError(f"{kind}.{name} is the name of a handler, but not a method: {getattr(scheduler, name)!r}")
    for name, ours in _OTHER_NAMES.items():
        if callable(getattr(scheduler, name, None)):
            raise TypeError(
                f"{type(scheduler).__name__}.{name} would never be called: the handler is named {ours!r} here"
            )


class Scheduler:
    """The handlers of a scheduler's events. Override those that you need.

    By default handlers do nothing, except that ``offers`` declines every offer and ``call_failed`` logs the failure.

    The driver calls the handlers one after the other, in the order of the events, in a thread of its own. It holds no
    lock meanwhile, and the connection is read on. An exception that a handler raises ends the driver: ``join`` and
    ``run`` raise ``HandlerFailed``. ``NotSubscribed`` is the exception: it only ends that handler, because the
    subscription that the handler worked for is over.
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
        """The call of type ``call`` (``"ACCEPT"``) was refused, its outcome is unknown, or it was not sent.

        ``error`` says which: ``CallRefused``, ``OutcomeUnknown`` or ``StaleSubscription``. ``error.request`` is the
        call itself, with its offers, operations and tasks. By default the error is logged.
        """
        _log.warning("%s", error, extra={"call": call})

    def stopped(self, driver: SchedulerDriver, error: MesosError | None) -> None:
        """The last one: the driver has ended, by itself with an error or because it was told to."""


_HANDLERS = [name for name, value in vars(Scheduler).items() if callable(value) and not name.startswith("_")]
