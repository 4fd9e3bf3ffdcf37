"""What can go wrong between a program and Mesos, by whose fault it is. The whole tree is drawn in
``pymesoskit/errors.py``.

Here are the roots and what any client of a Mesos endpoint meets; what only schedulers or only executors meet is beside
them (``scheduler/errors.py``, ``executor/errors.py``). Statuses and texts: docs/reference scheduler-api.md 1.2,
agent-executor.md 6.1.
"""

from __future__ import annotations

from typing import Any, ClassVar

__all__ = [
    "BadCall",
    "CallRefused",
    "ConnectFailed",
    "ConnectionClosed",
    "ConnectionLost",
    "DriverStateError",
    "ErrorEvent",
    "Forbidden",
    "HandlerFailed",
    "HeartbeatsMissed",
    "InvalidCall",
    "LocalError",
    "MesosError",
    "NotFound",
    "NotLeader",
    "NotSubscribed",
    "OutcomeUnknown",
    "ProtocolError",
    "RemoteError",
    "ReplyTimeout",
    "StaleSubscription",
    "TransportError",
    "Unauthorized",
    "Unavailable",
    "UnexpectedStatus",
    "refusal",
]


class MesosError(Exception):
    """The root of all errors of this package's clients.

    ``request`` is the call that failed, with everything in it (offers, operations, tasks), where the error is given to
    ``call_failed`` or raised by ``PendingCall.result``; otherwise None.
    """

    request: Any = None


# Whose fault: this program's. Nothing was sent.


class LocalError(MesosError):
    """This program asked for something that cannot be done; nothing was sent."""


class NotSubscribed(LocalError):
    """A call was made while there is no subscription. ``wait_until_subscribed`` waits for one."""


class StaleSubscription(NotSubscribed):
    """A call belongs to a subscription that is over, so it was not sent on the present one."""


class InvalidCall(LocalError):
    """A call lacks what Mesos requires of it, or says it twice."""


class DriverStateError(LocalError):
    """The driver or client is not in a state for this: started twice, used after its end, waited for in its own
    thread.
    """


class HandlerFailed(LocalError):
    """A handler of the user's raised an exception (its ``__cause__``); the driver has disconnected and ended."""

    def __init__(self, handler: str, cause: BaseException) -> None:
        super().__init__(f"the handler {handler!r} raised {type(cause).__name__}: {cause}")
        self.handler = handler
        self.__cause__: BaseException = cause


# Whose fault: the master or agent refused, or does not speak the protocol.


class RemoteError(MesosError):
    """The other side refused, or answered with what the protocol does not allow."""


class ProtocolError(RemoteError):
    """The answer is not what the protocol allows: framing, content type, an event that cannot be decoded."""


class ErrorEvent(RemoteError):
    """The other side sent an ERROR event and closed the subscription."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class CallRefused(RemoteError):
    """A call was answered with a status that is not a success.

    ``call`` is the call's type (``"ACCEPT"``), ``status`` the HTTP status, ``body`` the answer's text.
    """

    #: What the status says in general, for the error's text.
    meaning: ClassVar[str] = "unexpected answer"

    def __init__(self, call: str, status: int, body: str) -> None:
        text = body if body.startswith(f"{status} ") else f"{status} {body}"  # Mesos's own texts begin with the status
        super().__init__(f"{call}: {self.meaning}: {text}".rstrip())
        self.call = call
        self.status = status
        self.body = body

    def __reduce__(self) -> tuple[type[CallRefused], tuple[str, int, str]]:
        return type(self), (self.call, self.status, self.body)


class BadCall(CallRefused):
    """400, 405, 406, 415: the call or its form is not acceptable."""

    meaning = "the call was not accepted"


class Unauthorized(CallRefused):
    """401: credentials are missing or wrong."""

    meaning = "credentials are missing or wrong"


class Forbidden(CallRefused):
    """403: not allowed, or not subscribed as far as the other side knows."""

    meaning = "forbidden"


class NotFound(CallRefused):
    """404: no such endpoint (yet)."""

    meaning = "no such endpoint"


class NotLeader(CallRefused):
    """307: this master does not lead."""

    meaning = "this master does not lead"


class Unavailable(CallRefused):
    """503: no leader is elected, or recovery has not finished."""

    meaning = "not available at present"


class UnexpectedStatus(CallRefused):
    """Any other status that is not a success."""


_BY_STATUS: dict[int, type[CallRefused]] = {
    307: NotLeader,
    400: BadCall,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: BadCall,
    406: BadCall,
    415: BadCall,
    503: Unavailable,
}


def refusal(call: str, status: int, body: bytes) -> CallRefused:
    """The error that fits an answer with a status that is not a success."""
    return _BY_STATUS.get(status, UnexpectedStatus)(call, status, body.decode("utf-8", "replace"))


# Nobody's fault: the way between.


class TransportError(MesosError):
    """The way to the other side failed."""


class ConnectFailed(TransportError):
    """No connection could be made."""


class ConnectionLost(TransportError):
    """A connection ended or broke."""


class ConnectionClosed(ConnectionLost):
    """The other side closed a connection in good order, after an answer that said so; it has read nothing behind the
    call that was answered.
    """


class HeartbeatsMissed(ConnectionLost):
    """Nothing, not even heartbeats, has arrived for so long that the connection counts as lost."""


class ReplyTimeout(ConnectionLost):
    """A call was not answered in time; its connection counts as lost."""


class OutcomeUnknown(TransportError):
    """A call was sent but its connection broke before the answer: it may or may not have been carried out.

    ``call`` is the call's type. Reconcile, or let the next offers and updates tell.
    """

    def __init__(self, call: str, reason: str) -> None:
        super().__init__(f"{call}: sent, but no answer came: {reason}")
        self.call = call
        self.reason = reason

    def __reduce__(self) -> tuple[type[OutcomeUnknown], tuple[str, str]]:
        return type(self), (self.call, self.reason)
