"""The executor API as an iterator: ``for event in client.events(): …``. The driver (``driver.py``) is this with
handlers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.executor import calls
from pymesoskit.executor.environment import ExecutorEnvironment
from pymesoskit.executor.session import HEARTBEAT_INTERVAL, ExecutorSession, connection_options
from pymesoskit.subscription.client import Notice, SubscriptionClient, log_notice
from pymesoskit.subscription.options import QUEUE_LIMIT
from pymesoskit.transport.errors import BadCall, InvalidCall, MesosError
from pymesoskit.wire import PROTOBUF, Codec
from pymesoskit.wire.v1 import executor, mesos

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from pymesoskit.subscription.pending import PendingCall
    from pymesoskit.subscription.session import Watchdog
    from pymesoskit.subscription.subscriber import Timeouts
    from pymesoskit.transport.base import Transport

__all__ = ["ExecutorClient"]

Call = executor.Call
Event = executor.Event

_NAMES: dict[int, str] = {number: name for name, number in Call.Type.items()}


class ExecutorClient(SubscriptionClient[Event]):
    """An executor's subscription to its agent. ``environment`` None reads this process's; ``EnvironmentProblems`` if
    it is not fit.
    """

    def __init__(
        self,
        environment: ExecutorEnvironment | None = None,
        *,
        transport: Transport | None = None,
        content_type: Codec = PROTOBUF,
        rng: random.Random | None = None,
        watchdog: Watchdog | None = None,
        timeouts: Timeouts | None = None,
        queue_limit: int = QUEUE_LIMIT,
        on_notice: Callable[[Notice], None] = log_notice,
    ) -> None:
        self.environment: ExecutorEnvironment = environment if environment is not None else ExecutorEnvironment.read()
        options = connection_options(
            self.environment,
            transport=transport,
            codec=content_type,
            watchdog=watchdog,
            timeouts=timeouts,
            queue_limit=queue_limit,
        )
        self._session = ExecutorSession(self.environment, options, rng)
        self._finishing = False
        name = f"pymesoskit-{self.environment.executor_id}"
        super().__init__(self._session, Event, options, name=name, on_notice=on_notice)

    def _told_name(self) -> str:
        return f"{self.environment.executor_id!r}"

    # Calls.

    def send_update(self, status: mesos.TaskStatus) -> mesos.TaskStatus:
        """Sends a status, and again after each loss of the agent until that has acknowledged it. Updates keep their
        order.

        Fills in ``uuid``, ``timestamp``, ``source`` and ``executor_id``, and returns what was sent. While there is no
        subscription the update is kept for the next. Raises ``InvalidCall`` if something is missing or the state is
        TASK_STAGING, which agents refuse.
        """
        if status.state == mesos.TASK_STAGING:
            raise InvalidCall("TASK_STAGING is not for executors to send")
        complete = calls.complete_status(status, self.environment.executor_id)
        self._session.encode(calls.update(complete))  # so that what is wrong is told here
        self._session.remember(
            complete, (lambda: self._send(Call.Update(status=complete))) if self.subscribed else None
        )
        return complete

    def _send(self, update: Call.Update) -> None:
        session = self._session
        uuid = update.status.uuid

        def failed(call: PendingCall, error: MesosError, sent: bool) -> None:  # a callback's datum
            if isinstance(error, BadCall) and not session.is_unknown(error):
                session.forget(uuid)
            self._subscriber.call_failed(call, error, sent)

        body = session.encode(calls.update(update.status))
        self._submit("UPDATE", body, session.epoch, resendable=True, kept=True, on_failed=failed)

    def message(self, data: bytes) -> PendingCall:
        """Sends bytes to the scheduler; they may get lost. Raises ``NotSubscribed``."""
        return self.call(calls.message(data))

    def call(self, call: Call) -> PendingCall:
        """Sends any call. Updates go through ``send_update``. Raises ``NotSubscribed``, ``InvalidCall``."""
        if call.type == Call.UPDATE:
            raise InvalidCall("updates are sent with send_update, which keeps them until they are acknowledged")
        name = _NAMES[call.type]
        epoch = self._check_may_call(name)
        return self._submit(name, self._session.encode(call), epoch, resendable=call.type == Call.HEARTBEAT)

    def finish(self) -> None:
        """Ends once the agent has acknowledged all updates, or after the grace period. Returns at once."""
        self._subscriber.reactor.post(self._begin_finish)

    # In the reactor's turn.

    def _prepare(self) -> None:
        """Nothing: what there is to know is in the environment."""

    def _now_subscribed(self) -> None:
        self._session.resend(self._send)
        self._subscriber.reactor.call_later(HEARTBEAT_INTERVAL, self._beat, self._session.epoch)

    def _beat(self, epoch: int) -> None:
        session = self._session
        if session.epoch == epoch and session.subscribed:
            self._submit("HEARTBEAT", session.encode(calls.heartbeat()), epoch, resendable=True, kept=True)
            self._subscriber.reactor.call_later(HEARTBEAT_INTERVAL, self._beat, epoch)

    def _begin_finish(self) -> None:
        self._finishing = True
        self._subscriber.reactor.call_later(self.environment.shutdown_grace_period / 2, self._subscriber.end)
        self._after_read()

    def _after_read(self) -> None:
        if self._finishing and not (self._session.subscribed and self._session.unacknowledged):
            self._finishing = False
            self._subscriber.end()
