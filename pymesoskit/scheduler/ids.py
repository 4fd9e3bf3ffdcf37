"""Ids in any form: a message of Mesos, a message that carries one (an offer, a task, a status), or plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.wire.v1 import scheduler

TaskIDLike: TypeAlias = "str | mesos.TaskID"
AgentIDLike: TypeAlias = "str | mesos.AgentID"
ExecutorIDLike: TypeAlias = "str | mesos.ExecutorID"
OperationIDLike: TypeAlias = "str | mesos.OperationID"
OfferLike: TypeAlias = "str | mesos.OfferID | mesos.Offer | mesos.InverseOffer"
OffersLike: TypeAlias = "OfferLike | Iterable[OfferLike]"
ReconcileLike: TypeAlias = "TaskIDLike | tuple[TaskIDLike, AgentIDLike | None] | mesos.TaskStatus"
ReconcileOperationLike: TypeAlias = "scheduler.Call.ReconcileOperations.Operation | OperationIDLike"


def roles(value: str | Iterable[str]) -> Iterable[str]:
    """One role or several, as several."""
    return [value] if isinstance(value, str) else value


def task_id(value: TaskIDLike) -> mesos.TaskID:
    return mesos.TaskID(value=value) if isinstance(value, str) else value


def agent_id(value: AgentIDLike) -> mesos.AgentID:
    return mesos.AgentID(value=value) if isinstance(value, str) else value


def executor_id(value: ExecutorIDLike) -> mesos.ExecutorID:
    return mesos.ExecutorID(value=value) if isinstance(value, str) else value


def operation_id(value: OperationIDLike) -> mesos.OperationID:
    return mesos.OperationID(value=value) if isinstance(value, str) else value


def offer_id(value: OfferLike) -> mesos.OfferID:
    """The id of an offer, given the offer, the id or its text."""
    if isinstance(value, mesos.OfferID):
        return value
    return mesos.OfferID(value=value) if isinstance(value, str) else value.id


def offer_ids(values: OffersLike) -> list[mesos.OfferID]:
    """The ids of one or several offers."""
    if isinstance(values, str | mesos.OfferID | mesos.Offer | mesos.InverseOffer):
        return [offer_id(values)]
    return [offer_id(value) for value in values]
