"""All errors of the clients, by whose fault it is.

::

    MesosError
    ├── LocalError               this program's fault; nothing was sent
    │   ├── NotSubscribed            a call while there is no subscription
    │   │   └── StaleSubscription    a call for a subscription that is over
    │   ├── InvalidCall              a call lacks what it needs
    │   ├── DriverStateError         started twice, waited for in its own thread, …
    │   ├── HandlerFailed            a handler raised (the original is the cause)
    │   └── EnvironmentProblems      an executor's MESOS_* variables; all problems at once
    ├── RemoteError              the other side refused, or broke the protocol
    │   ├── CallRefused              an answer that is not a success: call, status, body
    │   │   ├── BadCall                  400, 405, 406, 415
    │   │   ├── Unauthorized             401
    │   │   ├── Forbidden                403
    │   │   ├── NotFound                 404
    │   │   ├── NotLeader                307
    │   │   ├── Unavailable              503
    │   │   └── UnexpectedStatus         any other
    │   ├── ErrorEvent               an ERROR event ended the subscription
    │   │   ├── FrameworkRemoved         the framework's id can never be used again
    │   │   ├── FrameworkFailedOver      another scheduler has taken the framework over
    │   │   └── SubscriptionRejected     the contents of SUBSCRIBE are not accepted
    │   └── ProtocolError            framing, content type, an event that cannot be decoded
    └── TransportError           the way between failed
        ├── ConnectFailed            no connection could be made
        ├── ConnectionLost           a connection ended or broke
        │   ├── ConnectionClosed         closed in good order after an answer
        │   ├── HeartbeatsMissed         silence for too long
        │   └── ReplyTimeout             a call was not answered in time
        └── OutcomeUnknown           a call was sent and its connection broke before the answer

What is wrong with data as such (RecordIO, JSON, resources) is told by the errors of ``pymesoskit.wire`` and
``pymesoskit.resources``.
"""

from pymesoskit.executor.errors import EnvironmentProblems
from pymesoskit.scheduler.errors import FrameworkFailedOver, FrameworkRemoved, SubscriptionRejected
from pymesoskit.transport.errors import (
    BadCall,
    CallRefused,
    ConnectFailed,
    ConnectionClosed,
    ConnectionLost,
    DriverStateError,
    ErrorEvent,
    Forbidden,
    HandlerFailed,
    HeartbeatsMissed,
    InvalidCall,
    LocalError,
    MesosError,
    NotFound,
    NotLeader,
    NotSubscribed,
    OutcomeUnknown,
    ProtocolError,
    RemoteError,
    ReplyTimeout,
    StaleSubscription,
    TransportError,
    Unauthorized,
    Unavailable,
    UnexpectedStatus,
)

__all__ = [
    "BadCall",
    "CallRefused",
    "ConnectFailed",
    "ConnectionClosed",
    "ConnectionLost",
    "DriverStateError",
    "EnvironmentProblems",
    "ErrorEvent",
    "Forbidden",
    "FrameworkFailedOver",
    "FrameworkRemoved",
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
    "SubscriptionRejected",
    "TransportError",
    "Unauthorized",
    "Unavailable",
    "UnexpectedStatus",
]
