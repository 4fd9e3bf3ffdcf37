"""What every driver is: a client (``client.py``) whose events go to handlers, one after the other, in a thread of its
own.

Two threads: one reads and writes, one calls the handlers, so that no handler ever keeps the reader waiting; no lock is
held while a handler runs. Over a transport in virtual time there is no thread: the handlers run in the cluster's turn.

What a handler raises ends the driver: it disconnects (nothing is torn down), the last handler is called, and ``join``
and ``run`` raise ``HandlerFailed`` with the original as its cause. The one exception is ``NotSubscribed``, which a
call may raise because the connection has just gone: it ends that handler, not the driver.
"""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, Self, TypeVar

from pymesoskit.subscription.client import HandlerTimer
from pymesoskit.subscription.inbox import SIGNAL_INTERVAL
from pymesoskit.subscription.session import SUBSCRIBED, Connected, Disconnected, Ended, EventMessage
from pymesoskit.subscription.subscriber import CallFailed
from pymesoskit.transport.deaths import Death
from pymesoskit.transport.errors import DriverStateError, HandlerFailed, MesosError, NotSubscribed
from pymesoskit.transport.surroundings import surroundings

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from pymesoskit.subscription.client import Notice, SubscriptionClient
    from pymesoskit.transport.address import Address

E = TypeVar("E", bound=EventMessage)

_log = logging.getLogger(__name__)


class Handlers(Protocol):
    """What every author implements, whatever the API: what becomes of the connection and of calls."""

    def connected(self, driver: Any, address: Address) -> None:
        """A connection is there."""

    def disconnected(self, driver: Any, reason: MesosError) -> None:
        """The subscription is over."""

    def call_failed(self, driver: Any, call: str, error: MesosError) -> None:
        """The call was refused, or its outcome is unknown."""

    def stopped(self, driver: Any, error: MesosError | None) -> None:
        """The driver has ended."""


class HandlerDriver(ABC, Generic[E]):
    """Runs handlers. ``start`` returns at once, ``join`` waits for the end and raises what ended it, ``run`` does
    both.
    """

    def __init__(self, client: SubscriptionClient[E], user: Handlers, event_type: type[E], name: str) -> None:
        self._base = client
        self._name = name
        self._user = user
        self._event_type = event_type
        self._thread = threading.Thread(target=self._run, name=f"{name}-handlers", daemon=True)
        self._handling: int | None = None  # the thread that handles events
        self._ending: Callable[[], None] | None = None  # asked for by the handler that runs, done when it has returned
        self._stopping = False
        self._ended = False
        self._failure: MesosError | None = None
        self._fetched = False  # whether the program has been given the failure
        self._handlers = dict(self._table())
        self._handlers[SUBSCRIBED] = self._noting(self._handlers[SUBSCRIBED])

    @abstractmethod
    def _table(self) -> Mapping[int, Callable[[E], None]]:
        """Which method handles which event."""

    # Its life.

    def start(self) -> Self:
        """Begins to subscribe; returns at once. Raises ``DriverStateError`` the second time."""
        if self._base.threaded:
            self._base.start()
            self._thread.start()
        else:
            self._base._start_with(self._consume)
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops and waits. Raises what ended the driver; if the body raised, its error gets a note that says so."""
        if error is None:
            self.stop()
            if self._base.threaded or self._ended:
                self.join()
            return
        self._leave()
        if self._failure is not None and self._failure is not error:
            error.add_note(f"the driver had ended with {type(self._failure).__name__}: {self._failure}")

    @abstractmethod
    def stop(self) -> None:
        """Ends the driver in good order. Returns at once; ``join`` waits."""

    def disconnect(self) -> None:
        """Ends the driver and leaves what it subscribed for as it is. Returns at once; ``join`` waits. The calls made
        before are answered first.
        """
        self._end(self._base.disconnect)

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
        if not self._base.threaded:
            if not self._ended:
                raise DriverStateError("in virtual time nobody can wait: advance the cluster until driver.ended")
        elif self._thread.ident is None:
            raise DriverStateError("not started")
        elif self._thread is threading.current_thread():
            raise DriverStateError("a handler cannot wait for the end of its own driver")
        elif timeout is None:
            while self._thread.is_alive():
                self._thread.join(SIGNAL_INTERVAL)
        else:
            self._thread.join(timeout)
            if self._thread.is_alive():
                raise TimeoutError(f"the driver has not ended within {timeout:g} s")
        if (failure := self.failure) is not None:
            raise failure

    def run(self) -> None:
        """``start`` and ``join``. Interrupted (Ctrl-C), it disconnects first."""
        self.start()
        try:
            self.join()
        finally:
            self._leave()

    def _leave(self) -> None:
        self.disconnect()
        if self._base.threaded and self._thread is not threading.current_thread():
            self._thread.join()

    # What is known.

    def __repr__(self) -> str:
        inside = repr(self._base).partition(" ")[2].removesuffix(">")
        return f"<{type(self).__name__} {inside}{f', ended by {self._failure!r}' if self._failure is not None else ''}>"

    @property
    def subscribed(self) -> bool:
        """Whether calls may be made now."""
        return self._base.subscribed

    @property
    def ended(self) -> bool:
        """Whether the last handler has run or is running."""
        return self._ended

    @property
    def failure(self) -> MesosError | None:
        """What ended the driver, if that was an error."""
        self._fetched = self._fetched or self._failure is not None
        return self._failure

    def time(self) -> float:
        """Returns the seconds since the Unix epoch: virtual where the transport is. Any thread may call."""
        return self._base._subscriber.reactor.time()

    @property
    def chance(self) -> random.Random:
        """A random generator for the handlers. In virtual time the cluster's seed determines what it gives."""
        return self._base._subscriber.reactor.chance

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> HandlerTimer:
        """Calls ``callback(*args)`` after ``delay`` seconds where the handlers run, never at the same time as one.

        Time is virtual where the transport is. What the callback raises ends the driver, as with a handler; after the
        driver's end it is not called. Returns a timer that can be cancelled. Raises ``ValueError`` for a negative
        delay. Any thread may call.
        """
        if delay < 0:
            raise ValueError(f"delay must not be negative, but is {delay:g}")
        timer = HandlerTimer(partial(callback, *args))
        self._base._call_later(delay, timer)
        return timer

    def wait_until_subscribed(self, timeout: float | None = None) -> None:
        """Waits for a subscription. Raises ``TimeoutError``, or what ended the driver. Not in a handler
        (``DriverStateError``).
        """
        try:
            self._base.wait_until_subscribed(timeout)
        except MesosError:
            self._fetched = self._fetched or self._ended
            raise

    # Handlers.

    def _run(self) -> None:
        self._handling = threading.get_ident()
        try:
            with surroundings(self.time, None):
                while not self._ended:
                    self._handle(self._base._take())
        finally:
            self._base.close()

    def _consume(self, items: list[E | Notice]) -> None:
        """In virtual time: handles what has just been read, in the turn."""
        self._handling = threading.get_ident()
        self._base._consuming(self._handling)
        try:
            with surroundings(self.time, self.chance):
                self._handle(items)
        finally:
            self._handling = None
            self._base._consuming(None)

    def _handle(self, items: list[Any]) -> None:  # of events and notices
        """Calls the handler for each; what it raises ends the driver, what it asked for is done after it."""
        event_type, handlers = self._event_type, self._handlers
        handler: Callable[[Any], None]
        for item in items:
            if item.__class__ is event_type:
                if self._stopping:
                    continue
                try:
                    handler = handlers[item.type]
                except KeyError:
                    handler = _ignore
            else:
                self._base._note(item)
                handler = self._notice
                if isinstance(item, Ended):
                    self._ended = True
                    self._failure = self._failure if self._failure is not None else item.error
            try:
                handler(item)
            except NotSubscribed as error:
                _log.info("a handler was cut short: %s", error)
            except BaseException as error:  # noqa: BLE001  # whatever it is, it must reach join()
                self._failed("timer" if isinstance(item, HandlerTimer) else _name(handler), error)
            if self._ended and self._failure is not None:
                self._base.died(Death(self._name, self._failure, lambda: self._fetched))
            if self._ending is not None:
                self._carry_out_end(self._ending)

    def _notice(self, notice: Notice | HandlerTimer) -> None:
        """Calls the handler for what is no event; the last is ``Ended``."""
        match notice:
            case Connected(address=address):
                self._user.connected(self, address)
            case Disconnected(reason=reason, was_subscribed=True):
                self._user.disconnected(self, reason)
            case Disconnected(reason=reason):
                _log.warning("could not subscribe: %s", reason)
            case CallFailed(call=call, error=error):
                self._user.call_failed(self, call, error)
            case HandlerTimer(cancelled=False) if not self._stopping:
                notice.callback()
            case Ended():
                self._user.stopped(self, self._failure)

    def _noting(self, handler: Callable[[E], None]) -> Callable[[E], None]:
        """The handler of SUBSCRIBED, from which on calls belong to the new subscription."""

        def subscribed(event: E) -> None:
            self._base._note(event)
            handler(event)

        return subscribed

    def _failed(self, name: str, error: BaseException) -> None:
        _log.error("the handler %r raised %s; the driver ends", name, type(error).__name__, exc_info=error)
        if self._failure is None:
            self._failure = HandlerFailed(name, error)
        if not self._ended:
            self._ending = self._base.disconnect

    def _carry_out_end(self, ending: Callable[[], None]) -> None:
        self._ending = None
        if self._stopping or self._ended:
            return
        self._stopping = True
        try:
            ending()
        except NotSubscribed:
            _log.warning("the other side cannot be told of the end: the connection has just gone")
            self._base.disconnect()


def _name(handler: Callable[[Any], None]) -> str:
    return handler.__name__.removeprefix("_on_").removeprefix("_")


def _ignore(event: EventMessage) -> None:
    """An event of a kind that is not in the schema."""
    _log.warning("an event of an unknown kind was ignored: %s", event)
