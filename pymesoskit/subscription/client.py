"""What every client of a subscription is: events as an iterator, calls from any thread.

It joins a session (``session.py``) with the shell that runs it (``subscriber.py``) and a queue (``inbox.py``). The
clients of the scheduler and the executor API build on it; their drivers (``driver.py``) are such a client with
handlers.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypeVar

from pymesoskit.subscription.inbox import Inbox
from pymesoskit.subscription.pending import PendingCall
from pymesoskit.subscription.session import SUBSCRIBED, Connected, Disconnected, Ended, EventMessage, Session
from pymesoskit.subscription.session import Notice as SessionNotice
from pymesoskit.subscription.subscriber import CallFailed, Subscriber
from pymesoskit.transport.errors import DriverStateError, MesosError, NotSubscribed, StaleSubscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from pymesoskit.subscription.options import ConnectionOptions
    from pymesoskit.transport.base import Timer
    from pymesoskit.transport.deaths import Death

__all__ = ["Notice", "SubscriptionClient", "log_notice"]

_log = logging.getLogger(__name__)


E = TypeVar("E", bound=EventMessage)


class HandlerTimer:
    """A callback that a driver runs later, between two handlers (``driver.call_later``)."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] = callback
        self.cancelled: bool = False
        self.armed: Timer | None = None
        self.disarm: Callable[[], None] = lambda: None

    def cancel(self) -> None:
        """Makes sure that the callback will not run. Harmless if it has run. Any thread may call."""
        self.cancelled = True
        self.disarm()


#: What happens beside the events: the connection came or went, a call failed, it is over.
Notice: TypeAlias = SessionNotice | CallFailed


def log_notice(notice: Notice) -> None:
    """The default of ``on_notice``: writes it to the log."""
    match notice:
        case Disconnected(reason=reason):
            _log.warning("disconnected: %s", reason)
        case CallFailed(error=error):
            _log.warning("%s", error)
        case _:
            _log.info("%s", notice)


class SubscriptionClient(ABC, Generic[E]):
    """A subscription that is kept up across failures.

    Calls may be made from any thread. Those made by the thread that iterates belong to the subscription of the event
    it got last: if that one is over by then, they raise ``StaleSubscription`` rather than reach a master that has
    forgotten the offer.
    """

    def __init__(
        self,
        session: Session[E],
        event_type: type[E],
        options: ConnectionOptions,
        *,
        name: str,
        on_notice: Callable[[Notice], None],
    ) -> None:
        self._event_type = event_type
        self._on_notice = on_notice
        self._general_session = session
        self._subscriber: Subscriber[E] = Subscriber(
            session, options.transport, name=name, deliver=self._deliver, timeouts=options.timeouts
        )
        self._inbox: Inbox[E | Notice] = Inbox(options.queue_limit, self._subscriber.drained)
        self._consume: Callable[[list[E | Notice]], None] | None = None
        self._started = False
        self._over = False
        self._failure: MesosError | None = None
        self._announced = 0  # the epoch whose SUBSCRIBED has been dealt with in the turn, and may be used
        # What the consumer has come to.
        self._consumer: int | None = None
        self._batch: deque[E | Notice] = deque()
        self._attempt = 0
        self._epoch = 0
        self._changed = threading.Condition()

    # What the APIs differ in.

    @abstractmethod
    def _prepare(self) -> None:
        """Before the first attempt, in the thread that starts."""

    @abstractmethod
    def _now_subscribed(self) -> None:
        """Called in the reactor's turn, before SUBSCRIBED reaches a handler."""

    def _after_read(self) -> None:
        """In the reactor's turn, after the session has seen what was read."""

    def _happened(self, notice: Notice) -> None:
        """Called in the reactor's turn, before the notice reaches a handler."""

    # Its life.

    def start(self) -> None:
        """Begins to subscribe; returns at once. Raises ``DriverStateError`` the second time."""
        self._start_with(None)

    def _start_with(self, consume: Callable[[list[E | Notice]], None] | None) -> None:
        """``start``; what is read goes to ``consume``, in the reactor's turn, instead of the iterator."""
        if self._started:
            raise DriverStateError("already started; make a new one to start again")
        self._prepare()
        self._started = True
        self._consume = consume
        self._subscriber.start()

    @property
    def threaded(self) -> bool:
        """False over a transport in virtual time: nobody may block there."""
        return self._subscriber.reactor.threaded

    @property
    def subscribed(self) -> bool:
        """Whether calls may be made now."""
        session = self._general_session
        return session.subscribed and self._announced == session.epoch

    @property
    def failure(self) -> MesosError | None:
        """What has ended it, if that was an error."""
        return self._failure

    def died(self, death: Death) -> None:
        """Tells the servers in this process that this client was connected to how its driver died."""
        self._subscriber.reactor.died(death)

    def wait_until_subscribed(self, timeout: float | None = None) -> None:
        """Waits for a subscription. Raises ``TimeoutError``, or what ended the client.

        Not in the thread that gets the events: it would wait for itself (``DriverStateError``).
        """
        if self._consumer == threading.get_ident() or not self.threaded:
            raise DriverStateError("the thread that handles the events cannot wait for one")
        with self._changed:
            if not self._changed.wait_for(lambda: self.subscribed or self._over, timeout):
                raise TimeoutError(f"not subscribed within {timeout:g} s")
        if not self.subscribed:
            raise self._failure if self._failure is not None else DriverStateError("it has ended")

    def __repr__(self) -> str:
        session = self._general_session
        return (
            f"<{type(self).__name__} {self._told_name()} {session.state.value} {session.address or ''}".rstrip() + ">"
        )

    @abstractmethod
    def _told_name(self) -> str:
        """Who this is, for people."""

    def disconnect(self) -> None:
        """Ends this client and leaves what it subscribed for as it is. Returns at once; calls made before are answered
        first, then ``events()`` ends.
        """
        self._subscriber.end()

    def close(self) -> None:
        """``disconnect``, and waits until its thread has ended. Harmless when repeated."""
        if not self.threaded:
            self._subscriber.end()
            return
        if self._started and not self._over:
            self._subscriber.end()
            if self._consumer in {None, threading.get_ident()}:
                for _ in self._items():
                    continue
            else:
                with self._changed:
                    self._changed.wait_for(lambda: self._over)
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

    def events(self) -> Iterator[E]:
        """The events, in order, across all subscriptions; starts the client if nobody has. Ends when the client has;
        raises what ended it, if that was an error. Only one thread may iterate.
        """
        for item in self._items():
            if isinstance(item, self._event_type):
                yield item
            else:
                self._on_notice(item)  # type: ignore[arg-type]  # what is no event is a notice
        if self._failure is not None:
            raise self._failure

    def _items(self) -> Iterator[E | Notice]:
        """Events and notices, in order; the last is ``Ended``."""
        if not self._started:
            self.start()
        if not self.threaded:
            raise DriverStateError("in virtual time nobody can wait for events: use a driver")
        batch = self._batch  # kept, should the caller leave its loop and come back
        while not self._over:
            if not batch:
                batch.extend(self._take())
            item = batch.popleft()
            self._note(item)
            yield item

    def _take(self) -> list[E | Notice]:
        """All that waits to be handled, waiting until there is something. ``_note`` is to be called with each, unless
        it is an event that is not SUBSCRIBED.
        """
        self._consumer = threading.get_ident()
        return self._inbox.take()

    def _note(self, item: E | Notice) -> None:
        """Keeps up with which subscription the consumer is at; before it is handed this item."""
        if isinstance(item, self._event_type):
            if item.type == SUBSCRIBED:
                self._epoch = self._attempt
        elif isinstance(item, Connected):
            self._attempt = item.epoch
        elif isinstance(item, Disconnected):
            self._epoch = 0
        elif isinstance(item, Ended):
            self._epoch = 0
            with self._changed:
                self._failure = item.error
                self._over = True
                self._changed.notify_all()

    def _consuming(self, thread: int | None) -> None:
        """Which thread handles events now, if it is not one that iterates."""
        self._consumer = thread

    def _deliver(self, told: list[E | Notice]) -> bool:
        """In the reactor's turn: what was read and what happened."""
        session = self._general_session
        if self._announced != session.epoch and session.subscribed:
            self._now_subscribed()
            with self._changed:
                self._announced = session.epoch
                self._changed.notify_all()
        if not isinstance(told[-1], self._event_type):
            for item in told:
                if not isinstance(item, self._event_type):
                    self._happened(item)  # type: ignore[arg-type]  # what is no event is a notice
        self._after_read()
        return self._tell(told)

    def _call_later(self, delay: float, timer: HandlerTimer) -> None:
        """Hands the timer to the consumer after ``delay`` seconds. Any thread may call."""
        reactor = self._subscriber.reactor

        def due() -> None:
            if not timer.cancelled and not self._over:
                self._tell([timer])

        def arm() -> None:
            if not timer.cancelled:
                timer.armed = reactor.call_later(delay, due)

        def disarm() -> None:
            if timer.armed is not None:
                timer.armed.cancel()

        timer.disarm = lambda: reactor.post(disarm)
        reactor.post(arm)

    def _tell(self, told: list[Any]) -> bool:  # of events, notices and timers
        if self._consume is not None:
            self._subscriber.reactor.hand_over(self._consume, told)
            return True
        return self._inbox.put(told)

    # Calls.

    def _check_may_call(self, name: str) -> int:
        """The epoch for a call made now. Raises ``NotSubscribed``."""
        epoch = self._general_session.epoch
        if not self.subscribed:
            raise NotSubscribed(f"{name}: there is no subscription")
        if self._epoch != epoch and self._consumer == threading.get_ident():
            raise StaleSubscription(f"{name}: the subscription of the event being handled is over")
        return epoch

    def _submit(
        self,
        name: str,
        body: bytes,
        epoch: int,
        *,
        resendable: bool,
        kept: bool = False,
        on_failed: Callable[[PendingCall, MesosError, bool], None] | None = None,
        on_success: Callable[[], None] | None = None,
        last: bool = False,
    ) -> PendingCall:
        pending = PendingCall(
            name,
            body,
            epoch,
            resendable=resendable,
            kept=kept,
            on_failed=self._subscriber.call_failed if on_failed is None else on_failed,
            on_success=on_success,
            threaded=self.threaded,
        )
        if last:
            self._subscriber.end_with(pending)
        else:
            self._subscriber.submit(pending)
        return pending
