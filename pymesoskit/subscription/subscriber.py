"""The shell around a session: does what it asks for, over any transport.

Two connections, as the reference client has (docs/reference scheduler-api.md 12): one for the stream of events, one
ordered keep-alive connection for calls, pipelined. Calls come from any thread, are sent in the order in which they
were made, and only on the subscription for which they were made. If the calls' connection breaks while the stream
lives, those that may be said twice are sent again, in order; the outcome of the others is unknown, and that is told.

The reader never waits for whoever handles the events: what was read goes to ``deliver``; when that says that it is
full, the stream is paused (the other side holds the events back; none is dropped) until ``drained``.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import frozen

from pymesoskit.subscription.pending import PendingCall
from pymesoskit.subscription.session import Connect, Disconnect, Ended, EventMessage, Notice, Retry, Session, Subscribe
from pymesoskit.transport.errors import (
    CallRefused,
    ConnectionClosed,
    ConnectionLost,
    MesosError,
    OutcomeUnknown,
    ReplyTimeout,
    StaleSubscription,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.transport.base import Connection, Headers, Reactor, Timer, Transport

E = TypeVar("E", bound=EventMessage)


@frozen
class CallFailed:
    """A call was refused, or its outcome is unknown, or it was never sent."""

    call: str
    error: MesosError


@frozen
class Timeouts:
    """Seconds."""

    reply: float = 30.0  # a call unanswered for so long: its connection counts as lost
    farewell: float = 5.0  # when ending: for the answers that are outstanding


class Subscriber(Generic[E]):
    """Runs a session. ``start``, ``submit``, ``drained``, ``end`` and ``abort`` may be called from any thread."""

    def __init__(
        self,
        session: Session[E],
        transport: Transport,
        *,
        name: str,
        deliver: Callable[[list[E | Notice | CallFailed]], bool],
        timeouts: Timeouts,
    ) -> None:
        self.session = session
        self.reactor: Reactor = transport.reactor(name)
        session.use_chance(self.reactor.chance)
        self._deliver = deliver
        self._timeouts = timeouts
        self._outbox: deque[PendingCall] = deque()
        self._wake_posted = False
        self._again: list[PendingCall] = []  # to be sent again, before the outbox
        self._newest: PendingCall | None = None  # of those sent
        self._stream: Connection | None = None
        self._calls: Connection | None = None
        self._calls_failures = 0  # in a row
        self._calls_wait: Timer | None = None
        self._watch: Timer | None = None
        self._watch_due = 0.0
        self._paused = False
        self._order = threading.Lock()  # between calls and the request to end, from any threads
        self._end_asked = False
        self._last: PendingCall | None = None  # ends the other side, too
        self._calls_open = False
        self._ending = False
        self._finished = False

    # From any thread.

    def start(self) -> None:
        """Starts the reactor and the first attempt."""
        self.reactor.start(self._crashed)
        self.session.detector.watch(lambda: self.reactor.post(self._leader_changed))
        self.reactor.post(self._start)

    def submit(self, call: PendingCall) -> None:
        """Sends the call, after those submitted before. Raises ``StaleSubscription`` once the end was asked for."""
        with self._order:
            late = self._end_asked
            if not late:
                self._outbox.append(call)
        if late:
            error = StaleSubscription(f"{call.type}: not sent: this side is ending")
            call.fail(error)
            if not call.kept:
                raise error
        elif self._finished:  # perhaps since the caller looked: there is no turn any more that would send it or fail it
            self._drain()
        elif not self._wake_posted:
            self._wake_posted = True
            self.reactor.post(self._drain)

    def drained(self) -> None:
        """What was delivered has been dealt with: the stream may go on."""
        self.reactor.post(self._resume)

    def end(self) -> None:
        """Ends the session once all calls made before are answered, or when the time for that is over."""
        with self._order:
            self._end_asked = True
        self.reactor.post(self._begin_end)

    def end_with(self, call: PendingCall) -> None:
        """Sends this call as the last, and ends. A stream that ends in good order before the answer is an answer."""
        with self._order:
            if self._end_asked:
                return
            self._end_asked = True
            self._last = call
            self._outbox.append(call)
        self.reactor.post(self._begin_end)
        if self._finished:
            self._drain()

    def abort(self) -> None:
        """Ends the session at once."""
        self.reactor.post(self._end_now)

    # In the reactor's turn.

    def _start(self) -> None:
        if not self._ending:
            self.session.start(self.reactor.monotonic())
            self._act()

    def _leader_changed(self) -> None:
        self.session.leader_changed(self.reactor.monotonic())
        self._act()

    def _act(self) -> None:
        """Does and tells what the session wants."""
        session = self.session
        for action in session.take_actions():
            match action:
                case Connect(epoch, address):
                    self._stream = self.reactor.connect(
                        address, partial(self._opened, epoch), partial(self._ended, epoch)
                    )
                case Subscribe(epoch, head, body):
                    assert self._stream is not None
                    self._stream.stream(head, body, _StreamSink(self, epoch))
                case Disconnect(reason):
                    self._close_connections(reason)
                case Retry(epoch, delay):
                    self.reactor.call_later(delay, self._retry, epoch)
        told = session.take_told()
        if told:
            over = isinstance(told[-1], Ended)
            if over:
                self._drain()  # what was still submitted fails, and that is told first
            self._tell([*told])
            if over:
                self._over()
        self._arm()

    def _tell(self, told: list[E | Notice | CallFailed]) -> None:
        if not self._deliver(told) and not self._paused and self._stream is not None:
            self._paused = True
            self._stream.pause()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self.session.heard(self.reactor.monotonic())
            if self._stream is not None:
                self._stream.resume()
            self._arm()

    def _retry(self, epoch: int) -> None:
        self.session.retry(epoch, self.reactor.monotonic())
        self._act()

    def _opened(self, epoch: int) -> None:
        self.session.opened(epoch, self.reactor.monotonic())
        self._act()

    def _ended(self, epoch: int, error: TransportError | None) -> None:
        if self._ending and epoch == self.session.epoch and self._outstanding():
            last = self._last
            if error is None and last is not None and last is self._newest and self._calls_open and not last.done:
                last.succeed()  # masters end the stream first, and answer TEARDOWN then, if at all
                self._end_now()
            return
        self.session.ended(epoch, error, self.reactor.monotonic())
        self._act()

    def _close_connections(self, reason: MesosError) -> None:
        why = reason if isinstance(reason, TransportError) else ConnectionLost(str(reason))
        stream, self._stream = self._stream, None
        calls, self._calls = self._calls, None
        self._calls_open = False
        self._paused = False
        if self._calls_wait is not None:
            self._calls_wait.cancel()
            self._calls_wait = None
        self._calls_failures = 0
        if stream is not None:
            stream.close(why)
        if calls is not None:
            calls.close(why)
        again, self._again = self._again, []
        for call in again:
            self._lose(call, OutcomeUnknown(call.type, str(why)))
        self._drain()

    # Silence: one timer, set anew when it fires or would fire too late, so that next to nothing is paid per event.

    def _arm(self) -> None:
        deadline = self._next_deadline()
        if deadline is None or (self._watch is not None and self._watch_due <= deadline):
            return
        if self._watch is not None:
            self._watch.cancel()
        self._watch_due = deadline
        self._watch = self.reactor.call_later(max(0.0, deadline - self.reactor.monotonic()), self._look)

    def _next_deadline(self) -> float | None:
        silence = None if self._paused else self.session.deadline
        reply = self._reply_deadline()
        if silence is None or reply is None:
            return silence if reply is None else reply
        return min(silence, reply)

    def _reply_deadline(self) -> float | None:
        waiting = self._calls.oldest if self._calls is not None else None
        return waiting.sent_at + self._timeouts.reply if isinstance(waiting, PendingCall) else None

    def _look(self) -> None:
        self._watch = None
        now = self.reactor.monotonic()
        if not self._paused:
            self.session.tick(now)
        deadline = self._reply_deadline()
        if deadline is not None and now >= deadline and self._calls is not None:
            reason = ReplyTimeout(f"no answer to a call within {self._timeouts.reply:g} s")
            self._calls.close(reason)
            self._calls_lost(self.session.epoch, reason)
        self._act()

    # Calls.

    def _drain(self) -> None:
        """Sends what was submitted."""
        self._wake_posted = False
        session, outbox = self.session, self._outbox
        subscribed = session.subscribed
        if subscribed:
            if self._calls_wait is not None:
                return  # in order: it waits behind what is to be sent again
            if self._again:
                outbox.extendleft(reversed(self._again))
                self._again.clear()
        now = self.reactor.monotonic()
        epoch, connection = session.epoch, self._calls
        while outbox:
            call = outbox.popleft()
            if not subscribed or call.epoch != epoch:
                self._lose(call, StaleSubscription(f"{call.type}: not sent: the subscription it was meant for is over"))
                continue
            if connection is None:
                assert session.address is not None
                lost = partial(self._calls_lost, epoch)
                connection = self._calls = self.reactor.connect(session.address, self._calls_opened, lost)
            call.sent_at = now
            self._newest = call
            connection.post(session.call_head, call.body, call)
        if connection is not None:
            self._arm()

    def call_failed(self, call: PendingCall, error: MesosError, sent: bool) -> None:  # a callback's datum
        """What a ``PendingCall`` calls when it was refused, or its connection was lost before the answer."""
        if isinstance(error, TransportError):
            current = call.epoch == self.session.epoch and self.session.subscribed
            if current and (call.resendable or not sent):
                self._again.append(call)
            elif sent:
                self._lose(call, OutcomeUnknown(call.type, str(error)))
            else:
                self._lose(call, StaleSubscription(f"{call.type}: not sent: {error}"))
            return
        self._lose(call, error)
        if isinstance(error, CallRefused):
            self.session.call_refused(call.epoch, error, self.reactor.monotonic())
            self._act()

    def _lose(self, call: PendingCall, error: MesosError) -> None:
        error.request = self.session.read_call(call.body)
        if not (self._finished or (call.kept and isinstance(error, StaleSubscription | OutcomeUnknown))):
            self._tell([CallFailed(call.type, error)])
        call.fail(error)

    def _calls_opened(self) -> None:
        self._calls_open = True
        self._calls_failures = 0

    def _calls_lost(self, epoch: int, reason: TransportError) -> None:
        """The calls' connection is gone; whoever waited on it was told and is in ``_again`` if it may be sent again."""
        if epoch != self.session.epoch or not self.session.subscribed:
            return
        self._calls = None
        self._calls_open = False
        if isinstance(reason, ConnectionClosed):  # in good order: whoever waits is sent on a new one, without delay
            self.reactor.post(self._drain)
            return
        self._calls_failures += 1
        if self._calls_wait is None:
            self._calls_wait = self.reactor.call_later(
                self.session.backoff.delay(self._calls_failures), self._calls_retry
            )

    def _calls_retry(self) -> None:
        self._calls_wait = None
        self._drain()

    # The end.

    def _outstanding(self) -> bool:
        return bool(self._again or self._outbox) or (self._newest is not None and not self._newest.done)

    def _begin_end(self) -> None:
        if self._ending:
            return
        self._ending = True
        self._drain()
        self.reactor.call_later(self._timeouts.farewell, self._end_now)
        self._end_when_answered()

    def _end_when_answered(self) -> None:
        newest = self._newest
        if newest is not None and not newest.done:
            newest.when_done = self._end_when_answered
        elif not self._outstanding():
            self._end_now()

    def _end_now(self) -> None:
        self._ending = True
        self.session.stop()
        self._act()

    def _crashed(self, error: BaseException) -> None:
        """Something in this turn raised what nobody expected: it ends, and says so."""
        self._ending = True
        self.session.crash(error)
        self._act()

    def _over(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._finished = True
        self._drain()
        self.reactor.post(self.reactor.stop)  # after what was told last has been handed over


class _StreamSink:
    """Hands the answer to SUBSCRIBE to the session of one epoch."""

    def __init__(self, subscriber: Subscriber[E], epoch: int) -> None:
        self._subscriber = subscriber
        self._session = subscriber.session
        self._reactor = subscriber.reactor
        self._epoch = epoch
        self._refusal: tuple[int, Headers] | None = None
        self._body = bytearray()

    def on_head(self, status: int, headers: Headers) -> None:
        if not self._session.head(self._epoch, status, headers, self._reactor.monotonic()):
            self._refusal = (status, headers)
        self._subscriber._act()  # one class in two

    def on_data(self, data: bytes) -> None:
        if self._refusal is None:
            self._session.data(self._epoch, data, self._reactor.monotonic())
            self._subscriber._act()
        elif len(self._body) < _REFUSAL_LIMIT:
            self._body += data

    def on_end(self, error: TransportError | None) -> None:
        if self._refusal is not None and error is None:
            status, headers = self._refusal
            self._session.refused(self._epoch, status, headers, bytes(self._body), self._reactor.monotonic())
            self._subscriber._act()
        else:
            self._subscriber._ended(self._epoch, error)


#: So much of a refusal's text is kept.
_REFUSAL_LIMIT = 65536
