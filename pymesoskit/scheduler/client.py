"""The scheduler API as an iterator, for those who want their own loop: ``for event in client.events(): …``.

The general client (``transport/client.py``) with a scheduler's session, its calls, and the store of the framework's
id. The driver (``driver.py``) is this with handlers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.scheduler import calls
from pymesoskit.scheduler.errors import FrameworkRemoved
from pymesoskit.scheduler.methods import CallMethods
from pymesoskit.scheduler.options import FrameworkOptions
from pymesoskit.scheduler.session import OnRemoved, SchedulerSession
from pymesoskit.subscription.client import Notice, SubscriptionClient, log_notice
from pymesoskit.subscription.options import QUEUE_LIMIT, ConnectionOptions
from pymesoskit.subscription.session import Disconnected, Ended
from pymesoskit.wire import PROTOBUF, Codec
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymesoskit.scheduler.store import FrameworkIdStore
    from pymesoskit.subscription.backoff import Backoff
    from pymesoskit.subscription.pending import PendingCall
    from pymesoskit.subscription.session import Watchdog
    from pymesoskit.subscription.subscriber import Timeouts
    from pymesoskit.transport.address import Address
    from pymesoskit.transport.base import Transport
    from pymesoskit.transport.credentials import Credentials
    from pymesoskit.transport.detector import Detector

__all__ = ["SchedulerClient"]

Call = scheduler.Call
Event = scheduler.Event

_NAMES: dict[int, str] = {number: name for name, number in Call.Type.items()}


class SchedulerClient(SubscriptionClient[Event], CallMethods):
    """A subscription to a master, kept up across failures, and the calls that belong to it.

    ``master`` is ``host:port``, several of them separated by commas, a URL, or a ``Detector``. ``on_notice`` is told,
    in the thread that iterates, what happens beside the events. Nothing is acknowledged by itself: call
    ``acknowledge``. As a context manager it starts, and at the end it disconnects (``teardown`` ends the framework).
    """

    def __init__(
        self,
        framework: mesos.FrameworkInfo,
        master: str | Address | Iterable[str | Address] | Detector,
        *,
        transport: Transport | None = None,
        content_type: Codec = PROTOBUF,
        credentials: Credentials | None = None,
        store: FrameworkIdStore | None = None,
        suppressed_roles: str | Iterable[str] = (),
        offer_constraints: scheduler.OfferConstraints | None = None,
        on_removed: OnRemoved = OnRemoved.EXIT,
        backoff: Backoff | None = None,
        watchdog: Watchdog | None = None,
        timeouts: Timeouts | None = None,
        queue_limit: int = QUEUE_LIMIT,
        on_notice: Callable[[Notice], None] = log_notice,
    ) -> None:
        self._begin(
            FrameworkOptions.of(
                framework,
                master,
                store=store,
                suppressed_roles=suppressed_roles,
                offer_constraints=offer_constraints,
                on_removed=on_removed,
                connection=ConnectionOptions.of(
                    transport=transport,
                    codec=content_type,
                    credentials=credentials,
                    backoff=backoff,
                    watchdog=watchdog,
                    timeouts=timeouts,
                    queue_limit=queue_limit,
                ),
            ),
            on_notice,
        )

    @classmethod
    def _of(cls, options: FrameworkOptions, on_notice: Callable[[Notice], None]) -> SchedulerClient:
        """A client with these options: what a driver is made of."""
        client = cls.__new__(cls)
        client._begin(options, on_notice)
        return client

    def _begin(self, options: FrameworkOptions, on_notice: Callable[[Notice], None]) -> None:
        self._session = SchedulerSession(options)
        self._on_removed = options.on_removed
        self._store = options.store
        self._saved: str | None = None
        name = f"pymesoskit-{options.framework.name or 'scheduler'}"
        super().__init__(self._session, Event, options.connection, name=name, on_notice=on_notice)

    def _told_name(self) -> str:
        return f"{self._session.framework.name!r} {self._saved or 'without an id'}"

    # The framework's id.

    @property
    def framework_id(self) -> str | None:
        """The framework's id, once it is stored."""
        return self._saved

    @property
    def framework(self) -> mesos.FrameworkInfo:
        """A copy of the FrameworkInfo as the master last accepted it, with its id."""
        return self._session.framework

    def _prepare(self) -> None:
        stored = self._store.load()
        if self._session.framework_id is None and stored is not None:
            self._session.adopt(stored)
        self._saved = stored

    def _now_subscribed(self) -> None:
        framework_id = self._session.framework_id
        if self._saved != framework_id:
            assert framework_id is not None
            self._store.save(framework_id)
            self._saved = framework_id

    def _happened(self, notice: Notice) -> None:
        """Forgets an id that can never be used again: the master has said so (and the client is not told to keep it),
        or this client ends and the framework, which has no failover timeout, ends with it.
        """
        match notice:
            case Disconnected(reason=FrameworkRemoved()):
                useless = self._on_removed is not OnRemoved.EXIT
            case Ended(error=None):
                useless = self._saved is not None and not self._session.framework.failover_timeout
            case _:
                useless = False
        if useless:
            self._forget()

    def _forget(self) -> None:
        self._store.clear()
        self._saved = None

    # Calls.

    def call(self, call: Call) -> PendingCall:
        kind = call.type
        name = _NAMES[kind]
        epoch = self._check_may_call(name)
        session = self._session
        if kind == Call.ACKNOWLEDGE:  # by far the most frequent one, and without consequences
            return self._submit(name, session.encode(call), epoch, resendable=True)
        on_success = self._forget if kind == Call.TEARDOWN else session.after(call)
        return self._submit(
            name, session.encode(call), epoch, resendable=kind in calls.RESENDABLE, on_success=on_success
        )

    def teardown(self) -> None:
        """Ends the framework: its tasks are killed, its id is never used again; then ``events()`` ends. Returns at
        once.

        If there is no subscription the framework cannot be told: this raises ``NotSubscribed`` (wait for one, or
        ``disconnect``: then it ends with its failover timeout).
        """
        epoch = self._check_may_call("TEARDOWN")
        body = self._session.encode(calls.teardown())
        self._submit("TEARDOWN", body, epoch, resendable=True, on_success=self._forget, last=True)
