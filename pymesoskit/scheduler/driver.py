"""The scheduler API with handlers: a ``Scheduler`` is called for each event, in a thread of the driver's own.

Two threads: one reads and writes (``transport``), one calls the handlers. Over a transport in virtual time there is
none: the handlers run in the cluster's turn.

What a handler raises ends the driver: it disconnects (tasks go on, nothing is torn down), calls ``stopped``, and
``join`` and ``run`` raise ``HandlerFailed`` with the original as its cause. The update that was being handled is not
acknowledged, so it comes again. The one exception is ``NotSubscribed``, which any call may raise when the connection
has just gone: it ends that handler, not the driver.
"""

from __future__ import annotations

import logging
import threading
from enum import Enum
from typing import TYPE_CHECKING, Self

from pymesoskit.scheduler.client import QUEUE_LIMIT, Item, SchedulerClient
from pymesoskit.scheduler.methods import CallMethods
from pymesoskit.scheduler.session import OnRemoved
from pymesoskit.transport.content import PROTOBUF, Codec
from pymesoskit.transport.errors import DriverStateError, HandlerFailed, MesosError, NotSubscribed
from pymesoskit.transport.session import Connected, Disconnected, Ended, Watchdog
from pymesoskit.transport.subscriber import CallFailed, Timeouts
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from pymesoskit.scheduler.handlers import Scheduler
    from pymesoskit.scheduler.store import FrameworkIdStore
    from pymesoskit.transport.address import Address
    from pymesoskit.transport.backoff import Backoff
    from pymesoskit.transport.base import Transport
    from pymesoskit.transport.credentials import Credentials
    from pymesoskit.transport.detector import Detector
    from pymesoskit.transport.pending import PendingCall

__all__ = ["Acknowledgement", "SchedulerDriver"]

_log = logging.getLogger(__name__)

Event = scheduler.Event


class Acknowledgement(Enum):
    """Who acknowledges updates."""

    AUTOMATIC = "automatic"  # the driver, after the handler has returned
    EXPLICIT = "explicit"  # the handlers, with ``driver.acknowledge``


class SchedulerDriver(CallMethods):
    """Runs a ``Scheduler`` against a master. The arguments are those of ``SchedulerClient``, which it is made of.

    ``start`` returns at once, ``join`` waits for the end and raises what ended it, ``run`` does both. As a context
    manager it starts, and at the end it stops and waits (if the body raised, it only disconnects).
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
        suppressed_roles: Iterable[str] = (),
        offer_constraints: scheduler.OfferConstraints | None = None,
        on_removed: OnRemoved = OnRemoved.EXIT,
        backoff: Backoff | None = None,
        watchdog: Watchdog | None = None,
        timeouts: Timeouts | None = None,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self.scheduler = scheduler
        self._client = SchedulerClient(
            framework,
            master,
            transport=transport,
            content_type=content_type,
            credentials=credentials,
            store=store,
            suppressed_roles=suppressed_roles,
            offer_constraints=offer_constraints,
            on_removed=on_removed,
            backoff=backoff,
            watchdog=watchdog,
            timeouts=timeouts,
            queue_limit=queue_limit,
        )
        self._automatic = acknowledgement is Acknowledgement.AUTOMATIC
        self._thread = threading.Thread(
            target=self._run, name=f"pymesoskit-{framework.name or 'scheduler'}-handlers", daemon=True
        )
        self._handling: int | None = None  # the thread that is in a handler
        self._ending: Callable[[], None] | None = None  # asked for by the handler that runs, done when it has returned
        self._stopping = False
        self._ended = False
        self._error: MesosError | None = None
        self._handlers = self._table()

    # Its life.

    def start(self) -> Self:
        """Begins to subscribe; returns at once. Raises ``DriverStateError`` the second time, and what the id's store
        raises.
        """
        if self._client.threaded:
            self._client._start(None)  # a driver is a client with handlers
            self._thread.start()
        else:
            self._client._start(self._consume)
        return self

    def stop(self) -> None:
        """Ends the framework: TEARDOWN (its tasks are killed, its id is never used again). Returns at once; ``join``
        waits.

        Raises ``NotSubscribed`` if the master cannot be told now: wait for a subscription, or ``disconnect``.
        """
        self._end(self._client.teardown)

    def disconnect(self) -> None:
        """Ends the driver and leaves the framework and its tasks to a scheduler that subscribes with the same id
        within the framework's failover timeout. Returns at once; ``join`` waits. Calls made before are answered first.
        """
        self._end(self._client.disconnect)

    def _end(self, how: Callable[[], None]) -> None:
        if self._stopping or self._ended:
            return
        if self._handling == threading.get_ident():
            self._ending = how  # after what the handler is about to acknowledge
            return
        how()
        self._stopping = True

    def join(self, timeout: float | None = None) -> None:
        """Waits for the end. Raises what ended the driver if that was an error; ``TimeoutError`` after ``timeout``
        seconds.
        """
        if not self._client.threaded:
            if not self._ended:
                raise DriverStateError("in virtual time nobody can wait: advance the cluster until driver.ended")
        elif self._thread.ident is None:
            raise DriverStateError("not started")
        elif self._thread is threading.current_thread():
            raise DriverStateError("a handler cannot wait for the end of its own driver")
        else:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"the driver has not ended within {timeout:g} s")
        if self._error is not None:
            raise self._error

    def run(self) -> None:
        """``start`` and ``join``. Interrupted (Ctrl-C), it disconnects first."""
        self.start()
        try:
            self.join()
        except BaseException:
            self._leave()
            raise

    def _leave(self) -> None:
        self.disconnect()
        if self._client.threaded:
            self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._leave()
            return
        try:
            self.stop()
        except NotSubscribed:
            self._leave()
            raise
        self.join()

    # What is known.

    @property
    def framework_id(self) -> str | None:
        """The framework's id, once it is stored."""
        return self._client.framework_id

    @property
    def framework(self) -> mesos.FrameworkInfo:
        """A copy of the FrameworkInfo as the master last accepted it, with its id."""
        return self._client.framework

    @property
    def subscribed(self) -> bool:
        """Whether calls may be made now."""
        return self._client.subscribed

    @property
    def ended(self) -> bool:
        """Whether the last handler has run."""
        return self._ended

    @property
    def failure(self) -> MesosError | None:
        """What ended the driver, if that was an error."""
        return self._error

    def wait_until_subscribed(self, timeout: float | None = None) -> None:
        """Waits for a subscription. Raises ``TimeoutError``, or what ended the driver. Not in a handler
        (``DriverStateError``).
        """
        self._client.wait_until_subscribed(timeout)

    def call(self, call: scheduler.Call) -> PendingCall:
        return self._client.call(call)

    # Handlers.

    def _run(self) -> None:
        self._handling = threading.get_ident()
        try:
            for item in self._client.items():
                self._handle(item)
        finally:
            self._client.close()

    def _consume(self, items: list[Item]) -> None:
        """In virtual time: handles what has just been read, in the turn."""
        self._handling = self._client._consumer = threading.get_ident()
        try:
            for item in items:
                self._client._note(item)
                self._handle(item)
        finally:
            self._handling = self._client._consumer = None

    def _handle(self, item: Item) -> None:
        if isinstance(item, Event):
            if not self._stopping:
                self._guard(self._handlers.get(item.type, self._unknown), item)
        else:
            self._guard(self._notice, item)

    def _guard(self, handler: Callable[..., None], item: Item) -> None:
        """Calls a handler; what it raises ends the driver, what it asked for is done after it."""
        try:
            handler(item)
        except NotSubscribed as error:
            _log.info("a handler was cut short: %s", error)
        except BaseException as error:  # noqa: BLE001  # whatever it is, it must reach join()
            self._failed(handler, error)
        ending, self._ending = self._ending, None
        if ending is not None and not self._stopping:
            try:
                ending()
            except NotSubscribed:  # asked to stop, and just then disconnected: the framework cannot be told
                _log.warning("disconnected before TEARDOWN could be sent: the framework ends with its failover timeout")
                self._client.disconnect()
            self._stopping = True

    def _failed(self, handler: Callable[..., None], error: BaseException) -> None:
        if self._error is None:
            name = getattr(handler, "__name__", repr(handler)).removeprefix("_on_")
            self._error = HandlerFailed(name, error)
        if not self._ended:
            self._stopping = True
            self._client.disconnect()

    def _notice(self, item: Item) -> None:
        user = self.scheduler
        match item:
            case Connected(address=address):
                user.connected(self, address)
            case Disconnected(reason=reason, was_subscribed=was_subscribed):
                if was_subscribed:
                    user.disconnected(self, reason)
                else:
                    _log.warning("could not subscribe: %s", reason)
            case CallFailed(call=call, error=error):
                user.call_failed(self, call, error)
            case Ended(error=error):
                self._ended = True
                self._error = self._error if self._error is not None else error
                user.stopped(self, self._error)

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

    def _unknown(self, event: Event) -> None:
        _log.warning("an event of a kind that is not known was ignored: %s", event)

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
            self.acknowledge(status)

    def _on_update_operation_status(self, event: Event) -> None:
        status = event.update_operation_status.status
        self.scheduler.update_operation_status(self, status)
        if self._automatic and status.uuid.value:
            self.acknowledge_operation_status(status)

    def _on_message(self, event: Event) -> None:
        self.scheduler.message(self, event.message)

    def _on_failure(self, event: Event) -> None:
        self.scheduler.failure(self, event.failure)

    def _on_error(self, event: Event) -> None:
        self.scheduler.error(self, event.error.message)

    def _on_heartbeat(self, _: Event) -> None:
        self.scheduler.heartbeat(self)
