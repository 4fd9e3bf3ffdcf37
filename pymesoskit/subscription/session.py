"""A subscription as a state machine without I/O: what schedulers and executors have in common.

1. A session is told what happened (``start``, ``opened``, ``head``, ``data``, ``ended``, ``refused``, ``retry``,
``tick``, ``stop``), each
   with the time, and answers with what is to be done (``Connect``, ``Subscribe``, ``Disconnect``, ``Retry``) and what
   is to be told (events, notices). It never looks at a clock, a socket or a thread.
2. Each attempt to subscribe has a number, its *epoch*. Whatever happens to an older attempt's connection is ignored,
and a call made
   for an older subscription is not sent on a newer one.
3. ``TRANSITIONS`` is the whole of what may follow what; an input that is not in a state's row is a mistake of the
shell around it.

It knows neither what the records say nor what a call is: ``scheduler/session.py`` and ``executor/session.py`` do.
Rules: docs/reference scheduler-api.md 1.1, 1.2, 3, 12 and agent-executor.md 6.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from attrs import field, frozen

from pymesoskit.transport.base import Head, Headers, header
from pymesoskit.transport.content import UNREADABLE, unreadable
from pymesoskit.transport.credentials import Anonymous
from pymesoskit.transport.detector import FixedDetector
from pymesoskit.transport.errors import (
    CallRefused,
    ConnectFailed,
    ConnectionLost,
    DriverStateError,
    HeartbeatsMissed,
    LocalError,
    MesosError,
    NotLeader,
    ProtocolError,
    Unauthorized,
    Unavailable,
    refusal,
)
from pymesoskit.wire import RecordDecoder, RecordIOError

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from google.protobuf.message import Message

    from pymesoskit.subscription.backoff import Backoff
    from pymesoskit.subscription.options import ConnectionOptions
    from pymesoskit.transport.address import Address
    from pymesoskit.transport.credentials import Credentials
    from pymesoskit.transport.detector import Detector
    from pymesoskit.wire import Codec


class EventMessage(Protocol):
    """An event of the scheduler's or the executor's API."""

    @property
    def type(self) -> int:
        """Which kind it is; 1 is SUBSCRIBED in both."""


E = TypeVar("E", bound=EventMessage)

#: The kind of the SUBSCRIBED event, in both APIs.
SUBSCRIBED = 1


class State(Enum):
    """Where a subscription stands."""

    IDLE = "idle"  # not started
    DISCONNECTED = "disconnected"  # waiting before the next attempt
    CONNECTING = "connecting"  # a connection is being made
    SUBSCRIBING = "subscribing"  # SUBSCRIBE is on its way; neither refused nor SUBSCRIBED yet
    SUBSCRIBED = "subscribed"  # events come, calls may be made
    STOPPED = "stopped"  # for good


class Input(Enum):
    """What may happen to a subscription."""

    START = "start"
    OPENED = "opened"  # the connection is there
    SUBSCRIBED = "subscribed"  # the SUBSCRIBED event
    REDIRECTED = "redirected"  # 307 to another master
    FAILED = "failed"  # whatever ends an attempt or a subscription but may be tried again
    RETRY = "retry"  # the wait is over
    STOP = "stop"  # asked to, or it makes no sense to go on


TRANSITIONS: dict[State, dict[Input, State]] = {
    State.IDLE: {
        Input.START: State.CONNECTING,
        Input.FAILED: State.DISCONNECTED,
        Input.STOP: State.STOPPED,
    },
    State.DISCONNECTED: {
        Input.RETRY: State.CONNECTING,
        Input.FAILED: State.DISCONNECTED,
        Input.STOP: State.STOPPED,
    },
    State.CONNECTING: {
        Input.OPENED: State.SUBSCRIBING,
        Input.FAILED: State.DISCONNECTED,
        Input.STOP: State.STOPPED,
    },
    State.SUBSCRIBING: {
        Input.SUBSCRIBED: State.SUBSCRIBED,
        Input.REDIRECTED: State.CONNECTING,
        Input.FAILED: State.DISCONNECTED,
        Input.STOP: State.STOPPED,
    },
    State.SUBSCRIBED: {
        Input.FAILED: State.DISCONNECTED,
        Input.STOP: State.STOPPED,
    },
    State.STOPPED: {},
}

#: States in which there is a connection whose silence counts.
_LISTENING = frozenset({State.CONNECTING, State.SUBSCRIBING, State.SUBSCRIBED})

#: States in which the stream is read.
_READING = frozenset({State.SUBSCRIBING, State.SUBSCRIBED})

#: Answers to SUBSCRIBE that later attempts may not get: scheduler-api.md 12.
_TRANSIENT = frozenset({404, 408, 429})

#: Bytes that a record may have: a larger one breaks the stream. An event of 30,000 offers has some 15 MB.
RECORD_LIMIT = 1 << 28

#: So many redirects in a row are followed without waiting.
MAX_REDIRECTS = 5


# What is to be done.


@frozen
class Connect:
    """Make a connection; then call ``opened``."""

    epoch: int
    address: Address


@frozen
class Subscribe:
    """Send this on the connection; its answer is the stream."""

    epoch: int
    head: Head
    body: bytes = field(repr=False)


@frozen
class Disconnect:
    """Close all connections; what is outstanding on them has failed for this reason."""

    reason: MesosError


@frozen
class Retry:
    """Call ``retry`` after so many seconds."""

    epoch: int
    delay: float


# What is to be told, in order with the events.


@frozen
class Connected:
    """A connection is there, SUBSCRIBE goes out."""

    epoch: int
    address: Address


@frozen
class Disconnected:
    """An attempt or a subscription has ended; another attempt follows unless ``Ended`` comes next."""

    epoch: int
    reason: MesosError
    was_subscribed: bool


@frozen
class Ended:
    """It is over for good; ``error`` is None if it was asked to end."""

    error: MesosError | None


@frozen
class GiveUp:
    """A session's answer to a failure that is not to be followed by another attempt."""

    error: MesosError | None


Notice = Connected | Disconnected | Ended
Action = Connect | Subscribe | Disconnect | Retry


@frozen
class Watchdog:
    """When silence means that the connection is dead."""

    missed: int = 5  # so many heartbeats in a row
    interval: float = 15.0  # seconds between them, until the SUBSCRIBED event says another
    least: float = 1.0  # seconds of silence that are never too long, however short the master says its interval is
    subscribe: float | None = None  # seconds until SUBSCRIBED must have come; None: as between heartbeats

    def limit(self, interval: float | None = None) -> float:
        """Seconds of silence that are too long, once subscribed."""
        return (self.interval if interval is None else interval) * self.missed

    @property
    def subscribe_limit(self) -> float:
        """Seconds of silence that are too long before SUBSCRIBED."""
        return self.limit() if self.subscribe is None else self.subscribe


class Session(ABC, Generic[E]):
    """The machine. Subclasses say what is sent to subscribe, how a record is read, and what an event means for the
    subscription.
    """

    def __init__(
        self,
        *,
        detector: Detector,
        options: ConnectionOptions,
        parse: Callable[[bytes], E],
        own_kinds: frozenset[int],
    ) -> None:
        self.state: State = State.IDLE
        self.epoch: int = 0
        self.address: Address | None = None
        self.codec: Codec = options.codec
        self._parse = parse  # raises one of UNREADABLE
        self._own_kinds = own_kinds  # the kinds of events that ``_observe`` must see
        self.detector = detector
        self.credentials: Credentials = options.credentials
        self.backoff: Backoff = options.backoff
        self.watchdog: Watchdog = options.watchdog
        self._decoder = RecordDecoder(RECORD_LIMIT)
        self._named: set[str] = set()  # hosts that the detector has named
        self._failures = 0  # in a row
        self._redirects = 0  # in a row
        self._heard_at = 0.0
        self._subscribed_at = 0.0
        self._limit = self.watchdog.subscribe_limit
        self._actions: list[Action] = []
        self._told: list[E | Notice] = []

    # What subclasses say.

    @property
    @abstractmethod
    def subscribe_name(self) -> str:
        """What a refused SUBSCRIBE is called in errors."""

    @abstractmethod
    def _subscribe_request(self) -> tuple[Head, bytes]:
        """The SUBSCRIBE call."""

    @abstractmethod
    def _accepted(self, headers: Headers) -> None:
        """SUBSCRIBE was answered with 200 and these headers. Raises ``ProtocolError`` if they lack something."""

    @abstractmethod
    def _observe(self, event: E, now: float) -> None:
        """The event concerns the subscription itself: calls ``_subscribed``, ``_fail`` or ``_stop``."""

    @property
    @abstractmethod
    def call_head(self) -> Head:
        """The head of all calls but SUBSCRIBE, on the present subscription."""

    @abstractmethod
    def read_call(self, body: bytes) -> Message | None:
        """The call of which these are the bytes, for whoever hears that it failed; None if it cannot be read."""

    def _lost_by(self, refused: CallRefused) -> bool:
        """Whether this refusal of a call says that the other side does not know the subscription."""
        return isinstance(refused, NotLeader | Unavailable)

    def _give_up(self, reason: MesosError, now: float) -> GiveUp | None:  # noqa: ARG002  # for subclasses
        """Whether to end instead of trying again after this failure."""
        return None

    def use_chance(self, chance: random.Random) -> None:
        """Takes what is random from this generator, unless the program has given another."""
        self.backoff = self.backoff.with_chance(chance)

    def _delay(self, attempt: int) -> float:
        """Seconds before the next attempt, after so many failures in a row."""
        return self.backoff.delay(attempt)

    # What the shell takes.

    def take_actions(self) -> list[Action]:
        """What is to be done, since last asked."""
        taken, self._actions = self._actions, []
        return taken

    def take_told(self) -> list[E | Notice]:
        """What is to be told, since last asked: events and notices, in order."""
        taken, self._told = self._told, []
        return taken

    @property
    def subscribed(self) -> bool:
        return self.state is State.SUBSCRIBED

    @property
    def deadline(self) -> float | None:
        """When ``tick`` must be called at the latest; None if there is nothing to watch."""
        return self._heard_at + self._limit if self.state in _LISTENING else None

    # What happens.

    def start(self, now: float) -> None:
        """Begins the first attempt."""
        if self.state is not State.IDLE:
            raise DriverStateError(f"cannot start: already {self.state.value}")
        self._attempt(Input.START, now)

    def opened(self, epoch: int, now: float) -> None:
        """The connection of that attempt is there."""
        if epoch != self.epoch or self.state is not State.CONNECTING:
            return
        assert self.address is not None
        self._move(Input.OPENED)
        self._heard_at = now
        self._decoder = RecordDecoder(RECORD_LIMIT)
        self._told.append(Connected(epoch, self.address))
        head, body = self._subscribe_request()
        self._actions.append(Subscribe(epoch, head, body))

    def head(self, epoch: int, status: int, headers: Headers, now: float) -> bool:
        """The answer to SUBSCRIBE begins. True if its body is the stream, False if it is to be given to ``refused``
        whole.
        """
        if epoch != self.epoch or self.state is not State.SUBSCRIBING:
            return False
        if status != 200:
            return False
        try:
            self._check_content_type(headers)
            self._accepted(headers)
        except ProtocolError as error:
            self._fail(error, now)
        return True

    def refused(self, epoch: int, status: int, headers: Headers, body: bytes, now: float) -> None:
        """SUBSCRIBE was answered with something else than 200."""
        if epoch != self.epoch or self.state is not State.SUBSCRIBING:
            return
        error = refusal(self.subscribe_name, status, body)
        if isinstance(error, NotLeader):
            self._redirect(error, headers, now)
        elif status >= 500 or status in _TRANSIENT or (isinstance(error, Unauthorized) and self.credentials.refused()):
            self._fail(error, now)
        else:
            self._stop(error)

    def data(self, epoch: int, chunk: bytes, now: float) -> None:
        """A piece of the stream."""
        if epoch != self.epoch or self.state not in _READING:
            return
        decoder = self._decoder
        try:
            records = decoder.feed(chunk)
            if records:
                if self.subscribed:  # events count, not bytes; and before SUBSCRIBED nothing else does
                    self._heard_at = now
                self._read(records, now)
            if self.state in _READING:
                decoder.feed(b"")  # tells what is wrong behind the last good record
        except RecordIOError as error:
            self._fail(ProtocolError(f"the stream's framing is broken: {error}"), now)

    def _read(self, records: list[bytes], now: float) -> None:
        """Reads records that have come together: all at once if none of them concerns the subscription itself."""
        try:
            events = list(map(self._parse, filter(None, records)))  # an empty record is legal, and says nothing
        except UNREADABLE:
            self._read_one_by_one(records, now)
            return
        if self._own_kinds.isdisjoint([event.type for event in events]):
            self._told += events
        else:
            self._read_one_by_one(records, now)

    def _read_one_by_one(self, records: list[bytes], now: float) -> None:
        for record in filter(None, records):
            try:
                event = self._parse(record)
            except UNREADABLE as error:
                self._fail(unreadable("an event", record, error), now)
                return
            self._told.append(event)
            if event.type in self._own_kinds:
                self._observe(event, now)
                if self.state not in _READING:
                    return

    def ended(self, epoch: int, error: MesosError | None, now: float) -> None:
        """The connection of that attempt has ended or could not be made."""
        if epoch != self.epoch or self.state not in _LISTENING:
            return
        if error is None:
            error = ConnectionLost("the stream was closed by the other side")
        self._fail(error, now)

    def call_refused(self, epoch: int, refused: CallRefused, now: float) -> None:
        """A call made on the subscription of that epoch was refused, which may say that the subscription is over."""
        if epoch == self.epoch and self.state in _LISTENING and self._lost_by(refused):
            self._fail(refused, now)

    def retry(self, epoch: int, now: float) -> None:
        """The wait after that attempt is over."""
        if epoch == self.epoch and self.state is State.DISCONNECTED:
            self._attempt(Input.RETRY, now)

    def leader_changed(self, now: float) -> None:
        """The detector knows of another leader: goes there at once."""
        if self.state is State.DISCONNECTED:
            self._attempt(Input.RETRY, now)
        elif self.state in _LISTENING and self.detector.candidate() != self.address:
            self._fail(ConnectionLost("another master leads"), now)

    def heard(self, now: float) -> None:
        """Silence begins anew: this side has not been listening (it had paused the stream)."""
        self._heard_at = now

    def tick(self, now: float) -> None:
        """Looks whether the other side has been silent for too long."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return
        if self.state is State.CONNECTING:
            self._fail(ConnectFailed(f"{self.address}: no connection within {self._limit:g} s"), now)
        else:
            what = (
                f"no heartbeat for {self._limit:g} s" if self.subscribed else f"no SUBSCRIBED within {self._limit:g} s"
            )
            self._fail(HeartbeatsMissed(f"{self.address}: {what}"), now)

    def stop(self) -> None:
        """Ends it for good. Harmless if it has ended."""
        if self.state is not State.STOPPED:
            self._stop(None)

    def crash(self, error: BaseException) -> None:
        """Ends it because the shell, or what it called, failed in a way that was not foreseen."""
        if self.state is not State.STOPPED:
            wrapped = error if isinstance(error, MesosError) else LocalError(f"{type(error).__name__}: {error}")
            if wrapped is not error:
                wrapped.__cause__ = error
            self._stop(wrapped)

    # How it moves.

    def _move(self, what: Input) -> None:
        try:
            self.state = TRANSITIONS[self.state][what]
        except KeyError:
            raise DriverStateError(f"{what.value} cannot happen while {self.state.value}") from None

    def _attempt(self, what: Input, now: float) -> None:
        address = self.detector.candidate()
        if address is None:
            self.epoch += 1
            self._fail(ConnectFailed("no leading master is known"), now)
            return
        self._move(what)
        self.epoch += 1
        self.address = address
        if what is not Input.REDIRECTED:
            self._named.add(address.host)
        self._heard_at = now
        self._limit = self.watchdog.subscribe_limit
        self._actions.append(Connect(self.epoch, address))

    def _subscribed(self, now: float, heartbeat_interval: float | None) -> None:
        self._move(Input.SUBSCRIBED)
        self._heard_at = self._subscribed_at = now
        self._redirects = 0
        given = heartbeat_interval is not None and 0 < heartbeat_interval < math.inf
        self._limit = max(self.watchdog.limit(heartbeat_interval if given else None), self.watchdog.least)

    def _redirect(self, error: NotLeader, headers: Headers, now: float) -> None:
        assert self.address is not None
        location = header(headers, "location")
        self._redirects += 1
        if location is None or self._redirects > MAX_REDIRECTS:
            self._redirects = 0
            self._fail(error, now)
            return
        try:
            leader = self.address.from_location(location)
            self._check_redirect(leader)
        except ValueError as problem:
            self._fail(ProtocolError(str(problem)), now)
            return
        self.detector.redirected(leader)
        self._actions.append(Disconnect(error))
        self._attempt(Input.REDIRECTED, now)

    def _check_redirect(self, leader: Address) -> None:
        """Raises ``ValueError`` unless what is said to a master may be said to this one, too: never without TLS after
        TLS, and credentials only to hosts that the detector has named.
        """
        assert self.address is not None
        if self.address.scheme == "https" and leader.scheme != "https":
            raise ValueError(f"{self.address} redirects to {leader}, which is not https: not followed")
        if isinstance(self.credentials, Anonymous):
            return
        known = {self.address.host, *self._named}
        if isinstance(self.detector, FixedDetector):
            known |= {address.host for address in self.detector.addresses}
        if leader.host not in known:
            raise ValueError(
                f"{self.address} redirects to {leader}: not followed, for credentials go only to the masters that are "
                f"named ({', '.join(sorted(known))}); add it to them if it is one"
            )

    def _fail(self, reason: MesosError, now: float) -> None:
        was_subscribed = self.subscribed
        if was_subscribed and now - self._subscribed_at >= self.backoff.stable_after:
            self._failures = 0
        self._failures += 1
        if self.state in _LISTENING:
            assert self.address is not None
            self.detector.failed(self.address)
            self._actions.append(Disconnect(reason))
        self._told.append(Disconnected(self.epoch, reason, was_subscribed))
        ending = self._give_up(reason, now)
        if ending is not None:
            self._end(ending.error)
            return
        self._move(Input.FAILED)
        self._actions.append(Retry(self.epoch, self._delay(self._failures)))

    def _stop(self, error: MesosError | None) -> None:
        if self.state in _LISTENING:
            reason = error if error is not None else ConnectionLost("this side has ended the subscription")
            self._actions.append(Disconnect(reason))
            if error is not None:  # who asked for the end need not be told that the connection has gone
                self._told.append(Disconnected(self.epoch, error, self.subscribed))
        self._end(error)

    def _end(self, error: MesosError | None) -> None:
        self._move(Input.STOP)
        self._told.append(Ended(error))

    def _check_content_type(self, headers: Headers) -> None:
        found = header(headers, "content-type")
        if found is None or found.partition(";")[0].strip().lower() != self.codec.content_type:
            raise ProtocolError(f"the stream's Content-Type is {found!r}, not {self.codec.content_type!r}")
