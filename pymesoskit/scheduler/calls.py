"""The 17 calls of the scheduler API, one constructor each. Rules: docs/reference/scheduler-api.md 3 to 10.

``framework_id`` is left out: whoever sends a call on a subscription (the driver, the client) puts it in. Ids may be
given as text. Durations are in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from pymesoskit.scheduler import ids
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Iterable

Call = scheduler.Call

#: Calls that do no harm when said twice: they are sent again when their connection breaks before the answer.
RESENDABLE = frozenset(
    {
        Call.TEARDOWN,
        Call.DECLINE,
        Call.DECLINE_INVERSE_OFFERS,
        Call.ACCEPT_INVERSE_OFFERS,
        Call.REVIVE,
        Call.SUPPRESS,
        Call.KILL,
        Call.SHUTDOWN,
        Call.ACKNOWLEDGE,
        Call.ACKNOWLEDGE_OPERATION_STATUS,
        Call.RECONCILE,
        Call.RECONCILE_OPERATIONS,
        Call.REQUEST,
        Call.UPDATE_FRAMEWORK,
    }
)  # not: ACCEPT (a second one finds its offers gone and loses the tasks), MESSAGE


def filters(refuse_seconds: float | None) -> mesos.Filters | None:
    """How long resources that were not used are not to be offered again; None leaves it to the master (5 s)."""
    return None if refuse_seconds is None else mesos.Filters(refuse_seconds=refuse_seconds)


def subscribe(
    framework_info: mesos.FrameworkInfo,
    suppressed_roles: str | Iterable[str] = (),
    offer_constraints: scheduler.OfferConstraints | None = None,
) -> Call:
    """SUBSCRIBE. The only call that names the framework itself: if ``framework_info`` has an id, so has the call."""
    call = Call(
        type=Call.SUBSCRIBE,
        subscribe=Call.Subscribe(
            framework_info=framework_info,
            suppressed_roles=ids.roles(suppressed_roles),
            offer_constraints=offer_constraints,
        ),
    )
    if framework_info.id.value:
        call.framework_id.CopyFrom(framework_info.id)
    return call


def teardown() -> Call:
    """TEARDOWN: all tasks are killed and the framework id can never be used again."""
    return Call(type=Call.TEARDOWN)


def accept(
    offers: ids.OffersLike,
    operations: mesos.Offer.Operation | Iterable[mesos.Offer.Operation] = (),
    refuse_seconds: float | None = None,
) -> Call:
    """ACCEPT offers of one agent and one role, and do these operations with them, in order. What is left over is
    declined.
    """
    given = [operations] if isinstance(operations, mesos.Offer.Operation) else operations
    return Call(
        type=Call.ACCEPT,
        accept=Call.Accept(offer_ids=ids.offer_ids(offers), operations=given, filters=filters(refuse_seconds)),
    )


def decline(offers: ids.OffersLike, refuse_seconds: float | None = None) -> Call:
    """DECLINE offers."""
    return Call(
        type=Call.DECLINE, decline=Call.Decline(offer_ids=ids.offer_ids(offers), filters=filters(refuse_seconds))
    )


def accept_inverse_offers(inverse_offers: ids.OffersLike, refuse_seconds: float | None = None) -> Call:
    """ACCEPT_INVERSE_OFFERS: the resources will be given back in time for the maintenance."""
    return Call(
        type=Call.ACCEPT_INVERSE_OFFERS,
        accept_inverse_offers=Call.AcceptInverseOffers(
            inverse_offer_ids=ids.offer_ids(inverse_offers), filters=filters(refuse_seconds)
        ),
    )


def decline_inverse_offers(inverse_offers: ids.OffersLike, refuse_seconds: float | None = None) -> Call:
    """DECLINE_INVERSE_OFFERS: the resources will not be given back in time."""
    return Call(
        type=Call.DECLINE_INVERSE_OFFERS,
        decline_inverse_offers=Call.DeclineInverseOffers(
            inverse_offer_ids=ids.offer_ids(inverse_offers), filters=filters(refuse_seconds)
        ),
    )


def revive(roles: str | Iterable[str] = ()) -> Call:
    """REVIVE: drops filters and suppression of these roles, of all if none is named."""
    return Call(type=Call.REVIVE, revive=Call.Revive(roles=ids.roles(roles)))


def suppress(roles: str | Iterable[str] = ()) -> Call:
    """SUPPRESS: no more offers for these roles, for all if none is named, until REVIVE."""
    return Call(type=Call.SUPPRESS, suppress=Call.Suppress(roles=ids.roles(roles)))


def kill(
    task_id: ids.TaskIDLike, agent_id: ids.AgentIDLike | None = None, kill_policy: mesos.KillPolicy | None = None
) -> Call:
    """KILL a task. An unknown task is answered like RECONCILE of it."""
    return Call(
        type=Call.KILL,
        kill=Call.Kill(
            task_id=ids.task_id(task_id),
            agent_id=None if agent_id is None else ids.agent_id(agent_id),
            kill_policy=kill_policy,
        ),
    )


def shutdown(executor_id: ids.ExecutorIDLike, agent_id: ids.AgentIDLike) -> Call:
    """SHUTDOWN an executor with all its tasks."""
    return Call(
        type=Call.SHUTDOWN,
        shutdown=Call.Shutdown(executor_id=ids.executor_id(executor_id), agent_id=ids.agent_id(agent_id)),
    )


def acknowledge(status: mesos.TaskStatus) -> Call:
    """ACKNOWLEDGE a status that has a ``uuid`` (the others must not be acknowledged; 6)."""
    return Call(
        type=Call.ACKNOWLEDGE,
        acknowledge=Call.Acknowledge(agent_id=status.agent_id, task_id=status.task_id, uuid=status.uuid),
    )


def acknowledge_operation_status(status: mesos.OperationStatus) -> Call:
    """ACKNOWLEDGE_OPERATION_STATUS for a status that has a ``uuid``."""
    return Call(
        type=Call.ACKNOWLEDGE_OPERATION_STATUS,
        acknowledge_operation_status=Call.AcknowledgeOperationStatus(
            agent_id=status.agent_id if status.HasField("agent_id") else None,
            resource_provider_id=status.resource_provider_id if status.HasField("resource_provider_id") else None,
            uuid=status.uuid.value,
            operation_id=status.operation_id,
        ),
    )


def reconcile(tasks: ids.ReconcileLike | Iterable[ids.ReconcileLike] = ()) -> Call:
    """RECONCILE these tasks; without any, all the master knows of. A task may come with its agent, which gives better
    answers (8).
    """
    given: Iterable[ids.ReconcileLike]
    given = [tasks] if isinstance(tasks, str | mesos.TaskID | mesos.TaskStatus) else cast("Iterable[Any]", tasks)
    return Call(type=Call.RECONCILE, reconcile=Call.Reconcile(tasks=[_reconcile_task(task) for task in given]))


def _reconcile_task(task: ids.ReconcileLike) -> Call.Reconcile.Task:
    if isinstance(task, mesos.TaskStatus):
        return Call.Reconcile.Task(task_id=task.task_id, agent_id=task.agent_id if task.HasField("agent_id") else None)
    identifier, agent = task if isinstance(task, tuple) else (task, None)
    return Call.Reconcile.Task(task_id=ids.task_id(identifier), agent_id=None if agent is None else ids.agent_id(agent))


def reconcile_operations(
    operations: ids.ReconcileOperationLike | Iterable[ids.ReconcileOperationLike] = (),
) -> Call:
    """RECONCILE_OPERATIONS these operations; without any, all the master knows of."""
    entry = Call.ReconcileOperations.Operation
    given = [operations] if isinstance(operations, str | mesos.OperationID | entry) else operations
    return Call(
        type=Call.RECONCILE_OPERATIONS,
        reconcile_operations=Call.ReconcileOperations(
            operations=[
                each if isinstance(each, entry) else entry(operation_id=ids.operation_id(each)) for each in given
            ]
        ),
    )


def message(executor_id: ids.ExecutorIDLike, agent_id: ids.AgentIDLike, data: bytes) -> Call:
    """MESSAGE bytes to an executor; best effort."""
    return Call(
        type=Call.MESSAGE,
        message=Call.Message(executor_id=ids.executor_id(executor_id), agent_id=ids.agent_id(agent_id), data=data),
    )


def request(requests: mesos.Request | Iterable[mesos.Request]) -> Call:
    """REQUEST resources. The built-in allocator ignores it (9)."""
    return Call(
        type=Call.REQUEST,
        request=Call.Request(requests=[requests] if isinstance(requests, mesos.Request) else requests),
    )


def update_framework(
    framework_info: mesos.FrameworkInfo,
    suppressed_roles: str | Iterable[str] = (),
    offer_constraints: scheduler.OfferConstraints | None = None,
) -> Call:
    """UPDATE_FRAMEWORK: replaces the FrameworkInfo (it must have its id), the suppressed roles and the offer
    constraints (9).
    """
    return Call(
        type=Call.UPDATE_FRAMEWORK,
        update_framework=Call.UpdateFramework(
            framework_info=framework_info,
            suppressed_roles=ids.roles(suppressed_roles),
            offer_constraints=offer_constraints,
        ),
    )
