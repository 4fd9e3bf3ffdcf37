"""How calls and events travel: HTTP connections, leader detection, credentials, backoff, and the machine of a
subscription.

``base.py`` is the seam (``Transport``); ``session.py`` the machine without I/O; ``subscriber.py`` the shell that joins
the two.
"""

from pymesoskit.transport.address import Address
from pymesoskit.transport.backoff import Backoff
from pymesoskit.transport.base import Connection, Head, Headers, Reactor, Reply, Sink, Timer, Transport
from pymesoskit.transport.client import Notice
from pymesoskit.transport.credentials import Anonymous, Basic, Bearer, Credentials
from pymesoskit.transport.detector import Detector, FixedDetector
from pymesoskit.transport.http import HttpTransport
from pymesoskit.transport.pending import PendingCall
from pymesoskit.transport.session import Connected, Disconnected, Ended, State, Watchdog
from pymesoskit.transport.subscriber import CallFailed, Timeouts
from pymesoskit.wire import JSON, PROTOBUF, Codec

__all__ = [
    "JSON",
    "PROTOBUF",
    "Address",
    "Anonymous",
    "Backoff",
    "Basic",
    "Bearer",
    "CallFailed",
    "Codec",
    "Connected",
    "Connection",
    "Credentials",
    "Detector",
    "Disconnected",
    "Ended",
    "FixedDetector",
    "Head",
    "Headers",
    "HttpTransport",
    "Notice",
    "PendingCall",
    "Reactor",
    "Reply",
    "Sink",
    "State",
    "Timeouts",
    "Timer",
    "Transport",
    "Watchdog",
]
