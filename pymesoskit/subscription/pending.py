"""A call on its way: what the caller holds, and what the answer is given to."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from pymesoskit.transport.errors import DriverStateError, MesosError, TransportError, refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.transport.base import Headers

__all__ = ["PendingCall"]


class PendingCall:
    """A call that was handed over for sending. To wait for its answer is a choice: refusals are also told to the
    driver's handlers.

    Success means that the other side has *accepted* the call (202), not that it has carried it out (docs/reference
    scheduler-api.md 1.2).
    """

    __slots__ = (
        "_done",
        "_error",
        "_on_failed",
        "_on_success",
        "_threaded",
        "_waiter",
        "body",
        "epoch",
        "kept",
        "resendable",
        "sent_at",
        "type",
        "when_done",
    )

    def __init__(
        self,
        call_type: str,
        body: bytes,
        epoch: int,
        *,
        resendable: bool,
        kept: bool = False,
        on_failed: Callable[[PendingCall, MesosError, bool], None],
        on_success: Callable[[], None] | None = None,
        threaded: bool = True,
    ) -> None:
        self.type: str = call_type
        self.body: bytes = body
        self.epoch: int = epoch
        self.resendable: bool = resendable
        self.kept: bool = (
            kept  # its content is remembered elsewhere: that it goes with its subscription is not worth telling
        )
        self.sent_at: float = 0.0
        self.when_done: Callable[[], None] | None = None  # called in the reactor's turn
        self._threaded = threaded  # whether time passes by itself while somebody waits
        self._done = False
        self._error: MesosError | None = None
        self._waiter: threading.Event | None = None
        self._on_failed = on_failed
        self._on_success = on_success

    @property
    def done(self) -> bool:
        """Whether it was answered, or cannot be any more."""
        return self._done

    @property
    def error(self) -> MesosError | None:
        """Why it failed: a ``CallRefused``, ``OutcomeUnknown`` or ``StaleSubscription``; None if it has not."""
        return self._error

    def result(self, timeout: float | None = None) -> None:
        """Waits for the answer. Raises the call's error, ``TimeoutError`` if there is no answer after ``timeout``
        seconds, and ``DriverStateError`` in virtual time if the answer has not come yet.
        """
        if not self._done:
            if not self._threaded:
                raise DriverStateError(
                    f"{self.type}: in virtual time nobody can wait for an answer: it comes when the cluster advances"
                )
            waiter = self._waiter
            if waiter is None:
                waiter = self._waiter = threading.Event()
            if not self.done and not waiter.wait(timeout):  # looked at again: it may have come between
                raise TimeoutError(f"{self.type}: no answer within {timeout:g} s")
        if self._error is not None:
            raise self._error

    # As ``Reply``: in the reactor's turn.

    def on_reply(self, status: int, headers: Headers, body: bytes) -> None:  # noqa: ARG002  # a Reply
        if self._done:
            return
        if 200 <= status < 300:
            self.succeed()
            return
        self._on_failed(self, refusal(self.type, status, body), True)

    def on_failure(self, error: TransportError, sent: bool) -> None:
        if not self._done:
            self._on_failed(self, error, sent)

    def succeed(self) -> None:
        """Ends it as accepted."""
        if self._on_success is not None:
            self._on_success()
        self._finish()

    def fail(self, error: MesosError) -> None:
        """Ends it with this error."""
        self._error = error
        self._finish()

    def _finish(self) -> None:
        self._done = True
        if self._waiter is not None:
            self._waiter.set()
        if self.when_done is not None:
            self.when_done()

    def __repr__(self) -> str:
        how = "pending" if not self._done else "accepted" if self._error is None else repr(self._error)
        return f"<PendingCall {self.type} {how}>"
