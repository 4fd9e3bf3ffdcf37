"""An executor's subscription: what the general machine (``transport/session.py``) needs to know of the executor API.

It remembers what the agent has not acknowledged, updates and tasks, and says so in each SUBSCRIBE; waits for a lost
agent as long as it may (with checkpointing: ``recovery_timeout``; without: not at all); and ends with a SHUTDOWN of
its own making when the agent does not come back. Rules: docs/reference/agent-executor.md 6.2 to 6.4; failover.md 8 to
10.
"""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, ClassVar

from pymesoskit.executor import calls
from pymesoskit.subscription.backoff import Backoff
from pymesoskit.subscription.options import ConnectionOptions
from pymesoskit.subscription.session import GiveUp, Session, Watchdog
from pymesoskit.transport.base import Head, Headers
from pymesoskit.transport.content import encoder, parser, read, request_headers
from pymesoskit.transport.credentials import Bearer
from pymesoskit.transport.detector import FixedDetector
from pymesoskit.transport.errors import (
    BadCall,
    CallRefused,
    ErrorEvent,
    Forbidden,
    InvalidCall,
    MesosError,
    ProtocolError,
    TransportError,
)
from pymesoskit.wire.v1 import executor, mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymesoskit.executor.environment import ExecutorEnvironment
    from pymesoskit.subscription.subscriber import Timeouts
    from pymesoskit.transport.base import Transport
    from pymesoskit.wire import Codec

Call = executor.Call
Event = executor.Event

#: Seconds between heartbeats, in both directions.
HEARTBEAT_INTERVAL = 1800.0

#: Seconds before SUBSCRIBE is tried again when the agent answered, but not with a stream.
REFUSED_PAUSE = 1.0

#: Seconds until SUBSCRIBED must have come.
SUBSCRIBE_TIMEOUT = 60.0


def connection_options(
    environment: ExecutorEnvironment,
    *,
    transport: Transport | None,
    codec: Codec,
    watchdog: Watchdog | None,
    timeouts: Timeouts | None,
    queue_limit: int,
) -> ConnectionOptions:
    """How an executor reaches its agent: with the token that it was given, and with the pauses that agents expect."""
    token = environment.authentication_token
    return ConnectionOptions.of(
        transport=transport,
        codec=codec,
        credentials=Bearer(token) if token is not None else None,
        backoff=Backoff.constant(REFUSED_PAUSE),
        watchdog=watchdog
        if watchdog is not None
        else Watchdog(interval=HEARTBEAT_INTERVAL, subscribe=SUBSCRIBE_TIMEOUT),
        timeouts=timeouts,
        queue_limit=queue_limit,
    )


class ExecutorSession(Session[Event]):
    """The machine of an executor."""

    subscribe_name: ClassVar[str] = "SUBSCRIBE"

    def read_call(self, body: bytes) -> Call | None:
        try:
            return read(self.codec, Call, body)
        except ProtocolError:
            return None

    def __init__(
        self,
        environment: ExecutorEnvironment,
        options: ConnectionOptions,
        rng: random.Random | None = None,
    ) -> None:
        codec = options.codec
        super().__init__(
            detector=FixedDetector(environment.agent),
            options=options,
            parse=parser(codec, Event),
            own_kinds=_OWN_KINDS,
        )
        self.environment = environment
        self._rng: random.Random = rng if rng is not None else random.Random()  # noqa: S311  # pauses, not secrets
        self._own_rng = rng is not None
        self._ids = Call(
            executor_id=mesos.ExecutorID(value=environment.executor_id),
            framework_id=mesos.FrameworkID(value=environment.framework_id),
        )
        self._encode_call = encoder(codec, Call, self._ids)
        self._head = Head(environment.target, (*request_headers(codec), *self.credentials.headers()))
        self._lock = threading.Lock()  # what follows is read by the turn and written by whoever sends updates
        self._updates: dict[bytes, _Unacknowledged] = {}
        self._tasks: dict[str, mesos.TaskInfo] = {}
        self._lost_at: float | None = None
        self._reached = False  # whether the failure at hand came from an agent that answered
        self.shutting_down: bool = False

    # What the general machine asks.

    @property
    def call_head(self) -> Head:
        return self._head

    def _subscribe_request(self) -> tuple[Head, bytes]:
        with self._lock:
            for update in self._updates.values():
                update.epoch = self.epoch
            call = calls.subscribe(self._tasks.values(), [update.update for update in self._updates.values()])
        return self._head, self._encode_call(call)

    def _accepted(self, headers: Headers) -> None:
        """There is no stream id (6.1: 11)."""

    def _observe(self, event: Event, now: float) -> None:
        match event.type:
            case Event.SUBSCRIBED:
                if not self.subscribed:
                    self._lost_at = None
                    self._subscribed(now, None)
            case Event.LAUNCH:
                self._launched([event.launch.task])
            case Event.LAUNCH_GROUP:
                self._launched(event.launch_group.task_group.tasks)
            case Event.ACKNOWLEDGED:
                with self._lock:
                    self._updates.pop(event.acknowledged.uuid, None)
                    self._tasks.pop(event.acknowledged.task_id.value, None)
            case Event.SHUTDOWN:
                self.shutting_down = True
                if not self.subscribed:  # the agent would not have it any more (6.2: 1)
                    self._stop(None)
            case Event.ERROR:
                self._stop(ErrorEvent(event.error.message))

    def _launched(self, tasks: Iterable[mesos.TaskInfo]) -> None:
        with self._lock:
            for task in tasks:
                self._tasks[task.task_id.value] = task

    def _lost_by(self, refused: CallRefused) -> bool:
        if isinstance(refused, Forbidden):
            return refused.body == "Executor is not subscribed"
        return self.is_unknown(refused) or super()._lost_by(refused)

    def is_unknown(self, refused: CallRefused) -> bool:
        """Whether the agent says that it does not know this executor (6.1: 8), which has nothing to do with the
        call.
        """
        unknown = {"Framework cannot be found", "Executor cannot be found"}
        return isinstance(refused, BadCall) and refused.body in unknown

    def _give_up(self, reason: MesosError, now: float) -> GiveUp | None:
        """Whether the agent is not to be waited for: then a SHUTDOWN is told, as if the agent had sent it."""
        if self.shutting_down:
            return GiveUp(None)
        self._reached = isinstance(reason, CallRefused)
        if self._lost_at is None:
            self._lost_at = now
        environment = self.environment
        gone = self.subscribed or isinstance(reason, TransportError)  # not: an agent that answers, but is not ready
        if now < self._lost_at + environment.recovery_timeout and (environment.checkpoint or not gone):
            return None
        self.shutting_down = True
        self._told.append(Event(type=Event.SHUTDOWN))
        return GiveUp(None)

    def use_chance(self, chance: random.Random) -> None:
        super().use_chance(chance)
        if not self._own_rng:
            self._rng = chance

    def _delay(self, attempt: int) -> float:  # noqa: ARG002  # the same each time
        if self._reached:
            return REFUSED_PAUSE
        return self._rng.uniform(0.0, self.environment.subscription_backoff_max)

    @property
    def deadline(self) -> float | None:
        """Also when the time to wait for the agent is over."""
        silence = super().deadline
        if silence is None or self._lost_at is None or self.subscribed:
            return silence
        return min(silence, self._lost_at + self.environment.recovery_timeout)

    # What the client asks.

    def encode(self, call: Call) -> bytes:
        """The call's bytes, with the ids in it. Raises ``InvalidCall``."""
        if call.type == Call.SUBSCRIBE:
            raise InvalidCall("SUBSCRIBE is sent by the session itself")
        if call.type == Call.UNKNOWN:
            raise InvalidCall("a call needs a type")
        return self._encode_call(call)

    def remember(self, status: mesos.TaskStatus, submit: Callable[[], None] | None) -> None:
        """Keeps an update until the agent has acknowledged it; ``submit`` sends it, if there is a subscription to send
        it on.
        """
        with self._lock:
            unacknowledged = self._updates[status.uuid] = _Unacknowledged(Call.Update(status=status))
            if submit is not None:
                unacknowledged.epoch = self.epoch
                submit()

    def resend(self, submit: Callable[[Call.Update], None]) -> None:
        """Sends what was remembered after the present SUBSCRIBE had been written, in order."""
        with self._lock:
            for unacknowledged in self._updates.values():
                if unacknowledged.epoch != self.epoch:
                    unacknowledged.epoch = self.epoch
                    submit(unacknowledged.update)

    def forget(self, update_uuid: bytes) -> None:
        """The agent does not accept this update: it must not stand in the way of later ones."""
        with self._lock:
            self._updates.pop(update_uuid, None)

    @property
    def unacknowledged(self) -> int:
        """How many updates the agent has not acknowledged."""
        return len(self._updates)


class _Unacknowledged:
    """An update, and the attempt to subscribe with (or on) which it was sent last."""

    __slots__ = ("epoch", "update")

    def __init__(self, update: Call.Update) -> None:
        self.update = update
        self.epoch = 0


_OWN_KINDS = frozenset(
    {
        Event.SUBSCRIBED,
        Event.LAUNCH,
        Event.LAUNCH_GROUP,
        Event.ACKNOWLEDGED,
        Event.SHUTDOWN,
        Event.ERROR,
    }
)
