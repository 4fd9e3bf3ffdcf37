"""What a client of any API can be told about how it reaches the other side, as one value.

The constructors that users see take these by name; from there on they travel together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen

from pymesoskit.subscription.backoff import Backoff
from pymesoskit.subscription.session import Watchdog
from pymesoskit.subscription.subscriber import Timeouts
from pymesoskit.transport.credentials import Anonymous, Credentials
from pymesoskit.transport.http import HttpTransport
from pymesoskit.wire import PROTOBUF, Codec

if TYPE_CHECKING:
    from pymesoskit.transport.base import Transport

#: So many events may wait to be handled before the stream is paused.
QUEUE_LIMIT = 10_000


@frozen
class ConnectionOptions:
    """How a client connects, proves who it is, waits and gives up."""

    transport: Transport = field(factory=HttpTransport)
    codec: Codec = PROTOBUF
    credentials: Credentials = field(factory=Anonymous)
    backoff: Backoff = field(factory=Backoff)
    watchdog: Watchdog = field(factory=Watchdog)
    timeouts: Timeouts = field(factory=Timeouts)
    queue_limit: int = QUEUE_LIMIT  # so many events may wait to be handled before the stream is paused

    @classmethod
    def of(
        cls,
        *,
        transport: Transport | None,
        codec: Codec,
        credentials: Credentials | None,
        backoff: Backoff | None,
        watchdog: Watchdog | None,
        timeouts: Timeouts | None,
        queue_limit: int,
    ) -> ConnectionOptions:
        """The options that the arguments of a constructor mean, where None stands for the default."""
        return cls(
            transport=HttpTransport() if transport is None else transport,
            codec=codec,
            credentials=Anonymous() if credentials is None else credentials,
            backoff=Backoff() if backoff is None else backoff,
            watchdog=Watchdog() if watchdog is None else watchdog,
            timeouts=Timeouts() if timeouts is None else timeouts,
            queue_limit=queue_limit,
        )
