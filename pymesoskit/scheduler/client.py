"""The scheduler API as an iterator, for those who want their own loop: ``for event in client.events(): …``.

It joins a session (``session.py``), the shell that runs it over a transport (``transport/subscriber.py``) and the
store of the framework's id. The driver (``driver.py``) is this with handlers and a thread.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Self, TypeAlias

from pymesoskit.scheduler import calls
from pymesoskit.scheduler.errors import FrameworkRemoved
from pymesoskit.scheduler.methods import CallMethods
from pymesoskit.scheduler.session import OnRemoved, SchedulerSession
from pymesoskit.scheduler.store import FrameworkIdStore, MemoryStore
from pymesoskit.transport.content import PROTOBUF, Codec
from pymesoskit.transport.detector import Detector, FixedDetector
from pymesoskit.transport.errors import DriverStateError, MesosError, NotSubscribed, StaleSubscription
from pymesoskit.transport.http import HttpTransport
from pymesoskit.transport.inbox import Inbox
from pymesoskit.transport.pending import PendingCall
from pymesoskit.transport.session import Connected, Disconnected, Ended, Watchdog
from pymesoskit.transport.session import Notice as SessionNotice
from pymesoskit.transport.subscriber import CallFailed, Subscriber, Timeouts
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    from pymesoskit.transport.address import Address
    from pymesoskit.transport.backoff import Backoff
    from pymesoskit.transport.base import Transport
    from pymesoskit.transport.credentials import Credentials

__all__ = ["Notice", "SchedulerClient"]

_log = logging.getLogger(__name__)

Call = scheduler.Call
Event = scheduler.Event

#: What happens beside the events: the connection came or went, a call failed, it is over.
Notice: TypeAlias = SessionNotice | CallFailed
Item: TypeAlias = Event | Notice

#: So many events may wait for the handler before the stream is paused.
QUEUE_LIMIT = 10_000


def log_notice(notice: Notice) -> None:
    """The default of ``on_notice``: writes it to the log."""
    match notice:
        case Disconnected(reason=reason):
            _log.warning("disconnected: %s", reason)
        case CallFailed(error=error):
            _log.warning("%s", error)
        case _:
            _log.info("%s", notice)


class SchedulerClient(CallMethods):
    """A subscription to a master, kept up across failures, and the calls that belong to it.

    ``master`` is ``host:port``, several of them separated by commas, a URL, or a ``Detector``. ``on_notice`` is told,
    in the thread that iterates, what happens beside the events.

    Calls may be made from any thread. Those made by the thread that iterates belong to the subscription of the event
    it got last: if that one is over by then, they raise ``StaleSubscription`` rather than reach a master that has
    forgotten the offer.
    """

    def __init__(
        self,
        framework: mesos.FrameworkInfo,
        master: str | Address | Iterable[str | Address] | Detector,
        *,
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
        on_notice: Callable[[Notice], None] = log_notice,
    ) -> None:
        self._session = SchedulerSession(
            framework,
            detector=master if isinstance(master, Detector) else FixedDetector(master),
            codec=content_type,
            suppressed_roles=suppressed_roles,
            offer_constraints=offer_constraints,
            on_removed=on_removed,
            credentials=credentials,
            backoff=backoff,
            watchdog=watchdog,
        )
        self._store: FrameworkIdStore = store if store is not None else MemoryStore()
        self._on_notice = on_notice
        self._subscriber: Subscriber[Event] = Subscriber(
            self._session,
            transport if transport is not None else HttpTransport(),
            name=f"pymesoskit-{framework.name or 'scheduler'}",
            deliver=self._deliver,
            timeouts=timeouts,
        )
        self._inbox: Inbox[Item] = Inbox(queue_limit, self._subscriber.drained)
        self._consume: Callable[[list[Item]], None] | None = None
        self._saved: str | None = None
        self._announced = 0  # the epoch whose SUBSCRIBED was handed on
        self._started = False
        self._over = False
        self._error: MesosError | None = None
        # What the consumer has come to.
        self._consumer: int | None = None
        self._attempt = 0
        self._epoch = 0
        self._subscribed = threading.Condition()

    # Its life.

    def start(self) -> None:
        """Loads the framework's id and begins to subscribe; returns at once. Raises what the store raises."""
        self._start(None)

    def _start(self, consume: Callable[[list[Item]], None] | None) -> None:
        if self._started:
            raise DriverStateError("already started; make a new one to start again")
        stored = self._store.load()
        if self._session.framework_id is None and stored is not None:
            self._session.adopt(stored)
        self._saved = stored
        self._started = True
        self._consume = consume
        self._subscriber.start()

    @property
    def threaded(self) -> bool:
        """False over a transport in virtual time: nobody may block there."""
        return self._subscriber.reactor.threaded

    @property
    def framework_id(self) -> str | None:
        """The framework's id, once it is stored."""
        return self._saved

    @property
    def framework(self) -> mesos.FrameworkInfo:
        """A copy of the FrameworkInfo as the master last accepted it, with its id."""
        return self._session.framework

    @property
    def subscribed(self) -> bool:
        """Whether calls may be made now."""
        return self._session.subscribed

    def wait_until_subscribed(self, timeout: float | None = None) -> None:
        """Waits for a subscription. Raises ``TimeoutError``, or what ended the client.

        Not in the thread that gets the events: it would wait for itself (``DriverStateError``).
        """
        if self._consumer == threading.get_ident():
            raise DriverStateError("the thread that handles the events cannot wait for one")
        with self._subscribed:
            if not self._subscribed.wait_for(lambda: self._session.subscribed or self._over, timeout):
                raise TimeoutError(f"not subscribed within {timeout:g} s")
        if not self._session.subscribed:
            raise self._error if self._error is not None else DriverStateError("it has ended")

    def teardown(self) -> None:
        """Ends the framework: its tasks are killed, its id is never used again; then ``events()`` ends. Returns at
        once.

        If there is no subscription the framework cannot be told: this raises ``NotSubscribed`` (wait for one, or
        ``disconnect``).
        """
        self.call(calls.teardown())
        self._subscriber.end()

    def disconnect(self) -> None:
        """Leaves the framework and its tasks as they are, for a scheduler that subscribes with the same id within the
        framework's failover timeout; then ``events()`` ends. Returns at once; calls made before are answered first.
        """
        self._subscriber.end()

    def close(self) -> None:
        """``disconnect``, and waits until its threads have ended. Harmless when repeated."""
        if self._started and not self._over:
            self._subscriber.end()
            if self.threaded and self._consumer in {None, threading.get_ident()}:
                for _ in self.events():
                    continue
        if self.threaded:
            self._subscriber.reactor.stop()

    def __enter__(self) -> Self:
        if not self._started:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Events.

    def events(self) -> Iterator[Event]:
        """The events, in order, across all subscriptions. Ends when the client has; raises what ended it, if that was
        an error.

        Only one thread may iterate. Nothing is acknowledged by itself: call ``acknowledge``.
        """
        for item in self.items():
            if isinstance(item, Event):
                yield item
            else:
                self._on_notice(item)
        if self._error is not None:
            raise self._error

    def items(self) -> Iterator[Item]:
        """Events and notices, in order; the last is ``Ended``."""
        if not self._started:
            self.start()
        if not self.threaded:
            raise DriverStateError("over a transport in virtual time nobody can wait for events; use SchedulerDriver")
        self._consumer = threading.get_ident()
        while not self._over:
            for item in self._inbox.take():
                self._note(item)
                yield item

    def _note(self, item: Item) -> None:
        """Keeps up with which subscription the consumer is at. Before each item is handed out."""
        if isinstance(item, Event):
            if item.type == Event.SUBSCRIBED:
                self._epoch = self._attempt
        elif isinstance(item, Connected):
            self._attempt = item.epoch
        elif isinstance(item, Disconnected):
            self._epoch = 0
        elif isinstance(item, Ended):
            self._error = item.error
            self._over = True
            self._wake_waiting()

    def _deliver(self, told: list[Item]) -> bool:
        """In the reactor's turn: what was read and what happened."""
        session = self._session
        if session.subscribed and self._announced != session.epoch:
            self._announced = session.epoch
            if self._saved != session.framework_id:
                assert session.framework_id is not None
                self._store.save(session.framework_id)
                self._saved = session.framework_id
            self._wake_waiting()
        elif not isinstance(told[-1], Event):
            self._notice_in_turn(told)
        if self._consume is not None:
            self._subscriber.reactor.post(self._consume, told)
            return True
        return self._inbox.put(told)

    def _notice_in_turn(self, told: list[Item]) -> None:
        for item in told:
            if (
                isinstance(item, Disconnected)
                and isinstance(item.reason, FrameworkRemoved)
                and self._session.framework_id is None
            ):
                self._store.clear()
                self._saved = None
            if isinstance(item, Ended):
                self._error = item.error

    def _wake_waiting(self) -> None:
        with self._subscribed:
            self._subscribed.notify_all()

    # Calls.

    def call(self, call: Call) -> PendingCall:
        session = self._session
        epoch = session.epoch
        if not session.subscribed:
            raise NotSubscribed(f"{Call.Type.Name(call.type)}: there is no subscription")
        if self._epoch != epoch and self._consumer == threading.get_ident():
            raise StaleSubscription(f"{Call.Type.Name(call.type)}: the subscription of the event being handled is over")
        kind = call.type
        pending = PendingCall(
            _NAMES[kind],
            session.encode(call),
            epoch,
            resendable=kind in calls.RESENDABLE,
            on_failed=self._subscriber.call_failed,
            on_success=session.after(call)
            if kind in _CONSEQUENCES
            else self._store.clear
            if kind == Call.TEARDOWN
            else None,
        )
        self._subscriber.submit(pending)
        return pending


_NAMES: dict[int, str] = {number: name for name, number in Call.Type.items()}
_CONSEQUENCES = frozenset({Call.SUPPRESS, Call.REVIVE, Call.UPDATE_FRAMEWORK})
