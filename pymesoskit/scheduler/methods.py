"""The calls as methods, the same for the driver and the client: each hands a ``calls.py`` call over and returns at
once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pymesoskit.scheduler import calls, ids, operations
from pymesoskit.transport.errors import InvalidCall
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.subscription.pending import PendingCall


class CallMethods(ABC):
    """All calls of the scheduler API but SUBSCRIBE and TEARDOWN, which belong to the life of the driver.

    Each returns a ``PendingCall``: to wait for its answer with ``result()`` is a choice. Each raises ``NotSubscribed``
    if there is no subscription (``StaleSubscription`` if the events being handled belong to one that is over) and
    ``InvalidCall`` if the call lacks something; nothing is sent then. Arguments are those of
    ``pymesoskit.scheduler.calls``.
    """

    @abstractmethod
    def call(self, call: scheduler.Call) -> PendingCall:
        """Sends any call, after those made before."""

    def accept(
        self,
        offers: ids.OffersLike,
        operations: mesos.Offer.Operation | Iterable[mesos.Offer.Operation] = (),
        refuse_seconds: float | None = None,
    ) -> PendingCall:
        """Accepts offers of one agent and does these operations (``pymesoskit.scheduler.operations``) with them, in
        order.
        """
        return self.call(calls.accept(offers, operations, refuse_seconds))

    def launch(
        self,
        offers: ids.OffersLike,
        tasks: mesos.TaskInfo | Iterable[mesos.TaskInfo],
        refuse_seconds: float | None = None,
    ) -> PendingCall:
        """Accepts offers of one agent and launches tasks on them; what is left over is declined."""
        infos = (tasks,) if isinstance(tasks, mesos.TaskInfo) else tasks
        return self.call(calls.accept(offers, [operations.launch(*infos)], refuse_seconds))

    def decline(self, offers: ids.OffersLike, refuse_seconds: float | None = None) -> PendingCall:
        """Declines offers; the master offers the same again only after ``refuse_seconds`` (None: 5 s)."""
        return self.call(calls.decline(offers, refuse_seconds))

    def accept_inverse_offers(self, inverse_offers: ids.OffersLike, refuse_seconds: float | None = None) -> PendingCall:
        """Agrees to give the resources back in time."""
        return self.call(calls.accept_inverse_offers(inverse_offers, refuse_seconds))

    def decline_inverse_offers(
        self, inverse_offers: ids.OffersLike, refuse_seconds: float | None = None
    ) -> PendingCall:
        """Does not agree to give the resources back."""
        return self.call(calls.decline_inverse_offers(inverse_offers, refuse_seconds))

    def revive(self, roles: str | Iterable[str] = ()) -> PendingCall:
        """Wants offers again for these roles (none named: all), whatever was declined or suppressed before."""
        return self.call(calls.revive(roles))

    def suppress(self, roles: str | Iterable[str] = ()) -> PendingCall:
        """Wants no more offers for these roles (none named: all) until ``revive``."""
        return self.call(calls.suppress(roles))

    def kill(
        self,
        task_id: ids.TaskIDLike,
        agent_id: ids.AgentIDLike | None = None,
        kill_policy: mesos.KillPolicy | None = None,
    ) -> PendingCall:
        """Kills a task; its end comes as an update."""
        return self.call(calls.kill(task_id, agent_id, kill_policy))

    def shutdown(self, executor_id: ids.ExecutorIDLike, agent_id: ids.AgentIDLike) -> PendingCall:
        """Shuts an executor down, with all its tasks."""
        return self.call(calls.shutdown(executor_id, agent_id))

    def acknowledge(self, status: mesos.TaskStatus) -> PendingCall:
        """Acknowledges an update, so that the next of its task can come. Raises ``InvalidCall`` if it has no
        ``uuid``.
        """
        if not status.uuid:
            raise InvalidCall(f"the update of task {status.task_id.value!r} has no uuid: it is not to be acknowledged")
        if not status.agent_id.value:
            raise InvalidCall(f"the update of task {status.task_id.value!r} has no agent_id: ACKNOWLEDGE requires it")
        return self.call(calls.acknowledge(status))

    def acknowledge_operation_status(self, status: mesos.OperationStatus) -> PendingCall:
        """Acknowledges the update of an operation. Raises ``InvalidCall`` if it has no ``uuid``."""
        if not status.uuid.value:
            raise InvalidCall(
                f"the update of operation {status.operation_id.value!r} has no uuid: it is not to be acknowledged"
            )
        return self.call(calls.acknowledge_operation_status(status))

    def reconcile(
        self,
        tasks: ids.ReconcileLike | Iterable[ids.ReconcileLike] = (),
    ) -> PendingCall:
        """Asks for the present state of these tasks (none named: of all that the master knows); it comes as updates."""
        return self.call(calls.reconcile(tasks))

    def reconcile_operations(
        self, operations: ids.ReconcileOperationLike | Iterable[ids.ReconcileOperationLike] = ()
    ) -> PendingCall:
        """Asks for the present state of these operations (none named: of all); it comes as updates of operations."""
        return self.call(calls.reconcile_operations(operations))

    def message(self, executor_id: ids.ExecutorIDLike, agent_id: ids.AgentIDLike, data: bytes) -> PendingCall:
        """Sends bytes to an executor; they may get lost."""
        return self.call(calls.message(executor_id, agent_id, data))

    def request(self, requests: mesos.Request | Iterable[mesos.Request]) -> PendingCall:
        """Asks for resources; Mesos's own allocator does not listen."""
        return self.call(calls.request(requests))

    def update_framework(
        self,
        framework_info: mesos.FrameworkInfo,
        suppressed_roles: str | Iterable[str] = (),
        offer_constraints: scheduler.OfferConstraints | None = None,
    ) -> PendingCall:
        """Replaces the FrameworkInfo (which needs its id: change a copy of ``framework``), suppressed roles and
        constraints.

        Later subscriptions use what was accepted here.
        """
        return self.call(calls.update_framework(framework_info, suppressed_roles, offer_constraints))
