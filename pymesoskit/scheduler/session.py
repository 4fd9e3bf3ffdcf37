"""A scheduler's subscription: what the general machine (``transport/session.py``) needs to know of the scheduler API.

The framework's id (taken from SUBSCRIBED, used for every later SUBSCRIBE), the stream's id (on every call but
SUBSCRIBE), what each ERROR event means, and what of the framework has changed since, so that a new SUBSCRIBE says what
holds now: it replaces FrameworkInfo, suppressed roles and offer constraints. Rules: docs/reference/scheduler-api.md
1.2 (12 to 17), 3, 9, 12.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from pymesoskit.scheduler import calls
from pymesoskit.scheduler.errors import FrameworkFailedOver, FrameworkRemoved, error_event
from pymesoskit.subscription.session import Session
from pymesoskit.transport.base import Head, Headers, header
from pymesoskit.transport.content import encoder, parser, read, request_headers
from pymesoskit.transport.errors import BadCall, CallRefused, Forbidden, InvalidCall, NotSubscribed, ProtocolError
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.scheduler.options import FrameworkOptions

Call = scheduler.Call
Event = scheduler.Event

#: The ways to the scheduler API; see 1.1.
TARGET = "/api/v1/scheduler"

#: How the answer to a call begins that came with another stream id than the framework's present one.
_OTHER_STREAM = "The stream ID "


class OnRemoved(Enum):
    """What to do when the master says that the framework has been removed for good."""

    EXIT = "exit"  # end with FrameworkRemoved; the store keeps the id
    FORGET = "forget"  # clear the store and end with FrameworkRemoved: the next start is a new framework
    NEW_ID = "new id"  # clear the store and subscribe as a new framework


class SchedulerSession(Session[Event]):
    """The machine of a scheduler."""

    subscribe_name: ClassVar[str] = "SUBSCRIBE"

    def __init__(
        self,
        options: FrameworkOptions,
    ) -> None:
        codec = options.connection.codec
        super().__init__(
            detector=options.detector,
            options=options.connection,
            parse=parser(codec, Event),
            own_kinds=frozenset({Event.SUBSCRIBED, Event.ERROR}),
        )
        framework = options.framework
        self._framework = mesos.FrameworkInfo()
        self._framework.CopyFrom(framework)
        self._suppressed = set(options.suppressed_roles)
        self._constraints = options.offer_constraints
        self._on_removed = options.on_removed
        self._call_head: Head | None = None
        self._headers = request_headers(codec)
        self._encode_call = encoder(codec, Call, Call(framework_id=framework.id) if framework.id.value else Call())

    # What the general machine asks.

    def read_call(self, body: bytes) -> Call | None:
        try:
            return read(self.codec, Call, body)
        except ProtocolError:
            return None

    @property
    def call_head(self) -> Head:
        if self._call_head is None:
            raise NotSubscribed("there is no subscription")
        return self._call_head

    def _subscribe_request(self) -> tuple[Head, bytes]:
        call = calls.subscribe(self._framework, sorted(self._suppressed), self._constraints)
        return Head(TARGET, (*self._headers, *self.credentials.headers())), self.codec.encode(call)

    def _accepted(self, headers: Headers) -> None:
        stream_id = header(headers, "mesos-stream-id")
        if not stream_id:
            raise ProtocolError("the answer to SUBSCRIBE has no Mesos-Stream-Id header")
        given = (*self._headers, *self.credentials.headers(), ("Mesos-Stream-Id", stream_id))
        self._call_head = Head(TARGET, given)

    def _observe(self, event: Event, now: float) -> None:
        if event.type == Event.SUBSCRIBED:
            subscribed = event.subscribed
            if not self.subscribed:
                self._framework.id.CopyFrom(subscribed.framework_id)
                self._encode_call = encoder(self.codec, Call, Call(framework_id=subscribed.framework_id))
                interval = (
                    subscribed.heartbeat_interval_seconds if subscribed.HasField("heartbeat_interval_seconds") else None
                )
                self._subscribed(now, interval)
            return
        error = error_event(event.error.message)
        if isinstance(error, FrameworkRemoved) and self._on_removed is OnRemoved.NEW_ID:
            self._framework.ClearField("id")
            self._fail(error, now)
        else:
            self._stop(error)

    def _lost_by(self, refused: CallRefused) -> bool:
        """503, 307, and what a master says that does not know this subscription (1.2: 12, 14)."""
        if isinstance(refused, Forbidden):
            return refused.body == "Framework is not subscribed"
        if isinstance(refused, BadCall):
            return refused.body == "Framework cannot be found"
        return super()._lost_by(refused)

    def call_refused(self, epoch: int, refused: CallRefused, now: float) -> None:
        """That another stream is the framework's (1.2: 17) may be learned here before the ERROR event says it:
        subscribing again would take the framework away from the scheduler that has it now.
        """
        if epoch == self.epoch and self.subscribed and refused.status == 400 and refused.body.startswith(_OTHER_STREAM):
            self._stop(FrameworkFailedOver(refused.body))
        else:
            super().call_refused(epoch, refused, now)

    # What the client asks.

    @property
    def framework_id(self) -> str | None:
        """The framework's id, once there is one."""
        return self._framework.id.value or None

    def adopt(self, framework_id: str) -> None:
        """Subscribes as this framework from the first time on."""
        self._framework.id.value = framework_id

    @property
    def framework(self) -> mesos.FrameworkInfo:
        """A copy of the FrameworkInfo as it was last accepted, with its id."""
        copy = mesos.FrameworkInfo()
        copy.CopyFrom(self._framework)
        return copy

    def encode(self, call: Call) -> bytes:
        """The call's bytes, with the framework's id in it. Raises ``InvalidCall``."""
        kind = call.type
        if kind == Call.SUBSCRIBE:
            raise InvalidCall("SUBSCRIBE is sent by the session itself")
        if kind == Call.UNKNOWN:
            raise InvalidCall("a call needs a type")
        if call.HasField("framework_id") and call.framework_id.value != self.framework_id:
            raise InvalidCall(f"the call is for framework {call.framework_id.value!r}, not for {self.framework_id!r}")
        return self._encode_call(call)

    def after(self, call: Call) -> Callable[[], None] | None:
        """What is to be done in the reactor's turn once this call has been accepted, if anything."""
        match call.type:
            case Call.SUPPRESS:
                roles = frozenset(call.suppress.roles) or self._roles()
                return lambda: self._suppressed.update(roles)
            case Call.REVIVE:
                roles = frozenset(call.revive.roles) or self._roles()
                return lambda: self._suppressed.difference_update(roles)
            case Call.UPDATE_FRAMEWORK:
                update = call.update_framework
                accepted = Call.UpdateFramework()
                accepted.CopyFrom(update)
                return lambda: self._updated(accepted)
            case _:
                return None

    def _roles(self) -> frozenset[str]:
        framework = self._framework
        multi = any(c.type == mesos.FrameworkInfo.Capability.MULTI_ROLE for c in framework.capabilities)
        return frozenset(framework.roles) if multi else frozenset({framework.role})

    def _updated(self, accepted: Call.UpdateFramework) -> None:
        self._framework.CopyFrom(accepted.framework_info)
        self._suppressed = set(accepted.suppressed_roles)
        self._constraints = accepted.offer_constraints if accepted.HasField("offer_constraints") else None
