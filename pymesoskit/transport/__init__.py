"""How calls and events travel: HTTP connections, leader detection, credentials, backoff, and the machine of a
subscription.

``base.py`` is the seam (``Transport``); ``session.py`` the machine without I/O; ``subscriber.py`` the shell that joins
the two.

Internal; the public names are in ``pymesoskit``.
"""

from pymesoskit.transport.address import Address
from pymesoskit.transport.base import Connection, Head, Headers, Reactor, Reply, Sink, Timer, Transport
from pymesoskit.transport.credentials import Anonymous, Basic, Bearer, Credentials
from pymesoskit.transport.detector import Detector, FixedDetector
from pymesoskit.transport.http import HttpTransport
from pymesoskit.wire import JSON, PROTOBUF, Codec

__all__ = [
    "JSON",
    "PROTOBUF",
    "Address",
    "Anonymous",
    "Basic",
    "Bearer",
    "Codec",
    "Connection",
    "Credentials",
    "Detector",
    "FixedDetector",
    "Head",
    "Headers",
    "HttpTransport",
    "Reactor",
    "Reply",
    "Sink",
    "Timer",
    "Transport",
]
