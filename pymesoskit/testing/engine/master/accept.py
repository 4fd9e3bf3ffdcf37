"""ACCEPT: offers are used up by operations, in order, each on what the ones before it left.

First the offers are checked together, then each operation by itself; what is wrong is told by task statuses and
operation statuses, never by an error of the call. Operations on an agent's own resources take effect at once, so that a
later one of the same call can use what they made. What remains at the end is declined. Source:
docs/reference/scheduler-api.md 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import (
    Conversion,
    Resources,
    ResourcesError,
    conversions,
    operation_error,
    resources_from_messages,
    upgrade_message,
)
from pymesoskit.testing.engine.master import offers, operations, tasks
from pymesoskit.testing.engine.master.authorization import launch_request, operation_refusal, refusal
from pymesoskit.testing.engine.master.entities import EMPTY, Task
from pymesoskit.testing.engine.master.options import filters_of
from pymesoskit.testing.engine.master.validation import operation as validation
from pymesoskit.testing.engine.master.validation.offers import offers_error
from pymesoskit.testing.engine.master.validation.task import group_error, task_error
from pymesoskit.testing.engine.network.messages import RunTask, RunTaskGroup
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pymesoskit.testing.engine.master.authorization import Request
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.state import Agent, Framework

Operation = mesos.Offer.Operation
Reason = mesos.TaskStatus.Reason

#: The reason for tasks that are refused together with their operation.
_INVALID = {Operation.LAUNCH: Reason.REASON_TASK_INVALID, Operation.LAUNCH_GROUP: Reason.REASON_TASK_GROUP_INVALID}


def accept(core: Core, framework: Framework, call: scheduler.Call.Accept) -> None:
    """Carries out an ACCEPT."""
    _count(core, call)
    offer_ids = [offer_id.value for offer_id in call.offer_ids]
    error = offers_error(offer_ids, framework, core.state)
    if error is not None:
        _refuse(core, framework, call, offer_ids, error)
        return
    accepted = [core.state.offers[offer_id] for offer_id in offer_ids]
    framework.counters["offers/accepted"] += len(accepted)
    for offer in accepted:
        offers.take(core, offer)
    agent = core.state.agents[accepted[0].agent_id]
    pool = _Pool(core, framework, agent, accepted[0].role, sum((offer.resources for offer in accepted), EMPTY))
    sound = [each for each in call.operations if _is_sound(core, framework, agent, each)]
    for received in sound:
        operation = Operation()
        operation.CopyFrom(received)
        _complete(operation, framework, pool.role)
        _CARRY_OUT[operation.type](pool, operation)
    pool.finish(call.filters)


def _count(core: Core, call: scheduler.Call.Accept) -> None:
    for operation in call.operations:
        if operation.type == Operation.LAUNCH:
            core.count("messages_launch_tasks" if operation.launch.task_infos else "messages_decline_offers")


def _tasks_of(operation: mesos.Offer.Operation) -> Iterable[mesos.TaskInfo]:
    if operation.type == Operation.LAUNCH:
        return operation.launch.task_infos
    return operation.launch_group.task_group.tasks


def _refuse(
    core: Core, framework: Framework, call: scheduler.Call.Accept, offer_ids: Sequence[str], error: str
) -> None:
    """The offers cannot be accepted together: those that exist are used up nevertheless, and nothing is carried out."""
    for offer_id in offer_ids:
        offer = core.state.offers.get(offer_id)
        if offer is not None:
            offers.give_back(core, offer)
    for operation in call.operations:
        if operation.type in _INVALID:
            text = f"Task launched with invalid offers: {error}"
            for info in _tasks_of(operation):
                tasks.refuse(core, framework, info, tasks.dropped(framework), Reason.REASON_INVALID_OFFERS, text)
        else:
            operations.drop(core, framework, operation, f"Operation attempted with invalid offers: {error}")


# Each operation by itself


def _is_sound(core: Core, framework: Framework, agent: Agent, operation: mesos.Offer.Operation) -> bool:
    """Whether the operation can be looked at at all; if not, its tasks or the operation itself are refused.

    This is asked about all operations of a call before the first of them is carried out.
    """
    if operation.type == Operation.UNKNOWN:
        return False
    launches = operation.type in _INVALID
    error = operation_error(operation)
    if error is not None:
        if not launches:
            error = f"Operation attempted with invalid resources: {error}"
    elif launches and operation.HasField("id"):
        name = Operation.Type.Name(operation.type)
        error = f"The `id` field cannot be set on {name} operations"
    elif operation.type == Operation.RESERVE and operation.reserve.source:
        error = (
            "Operation attempted with invalid resources: Reservation updates are not yet implemented for the "
            "scheduler API."
        )
    elif operation.HasField("id"):
        error = validation.feedback_error(operation, agent)
    if error is None:
        return True
    if launches:
        for info in _tasks_of(operation):
            tasks.refuse(core, framework, info, mesos.TASK_ERROR, _INVALID[operation.type], error)
    else:
        operations.drop(core, framework, operation, error)
    return False


def _complete(operation: mesos.Offer.Operation, framework: Framework, role: str) -> None:
    """Fills in what frameworks may leave out; resources are put into the format that can refine reservations."""
    if operation.type == Operation.LAUNCH:
        for info in operation.launch.task_infos:
            _normalize(info.resources, role)
            if info.HasField("executor"):
                _normalize(info.executor.resources, role)
                if not info.executor.HasField("framework_id"):
                    info.executor.framework_id.value = framework.id
            _infer_health_check(info)
    elif operation.type == Operation.LAUNCH_GROUP:
        executor = operation.launch_group.executor
        _normalize(executor.resources, role)
        for info in operation.launch_group.task_group.tasks:
            _normalize(info.resources, role)
            if not info.HasField("executor"):
                info.executor.CopyFrom(executor)
            else:
                _normalize(info.executor.resources, role)
    else:
        _normalize(validation.resources_of(operation), role)


def _normalize(resources: Iterable[mesos.Resource], role: str) -> None:
    for resource in resources:
        upgrade_message(resource)
        if not resource.HasField("allocation_info"):
            resource.allocation_info.role = role


def _infer_health_check(info: mesos.TaskInfo) -> None:
    check = info.health_check
    if info.HasField("health_check") and not check.HasField("type"):
        if check.HasField("command") and not check.HasField("http"):
            check.type = mesos.HealthCheck.COMMAND
        elif check.HasField("http") and not check.HasField("command"):
            check.type = mesos.HealthCheck.HTTP


# On what is left


class _Pool:
    """What an ACCEPT has of the offered resources while its operations are carried out."""

    def __init__(self, core: Core, framework: Framework, agent: Agent, role: str, offered: Resources) -> None:
        self.core = core
        self.framework = framework
        self.agent = agent
        self.role = role
        self.permissions = core.permissions(framework.principal)
        self._offered = offered
        self._left = offered
        self._shared = offered.shared()  # copies of shared volumes, those of launched tasks too (until volumes change)
        self._resized = EMPTY  # what only the next offer will show
        self._used = EMPTY  # by launched tasks
        self._conversions: list[Conversion] = []

    def available(self) -> Resources:
        """What a task can use: more copies of a shared volume than were offered, too."""
        return self._left.non_shared() + self._shared if self._shared else self._left

    @property
    def left(self) -> Resources:
        return self._left

    def use(self, resources: Resources) -> None:
        """A task takes its part."""
        more = (resources.shared() - self._left.shared()) if self._shared else EMPTY
        if more:  # further copies of a shared volume
            self._conversions.append(Conversion(EMPTY, more.unallocated()))
        self._left -= resources
        self._used += resources

    def convert(self, operation: mesos.Offer.Operation) -> None:
        """An operation whose results can be used at once.

        Raises ``ResourcesError`` if the pool lacks what it consumes.
        """
        steps = conversions(operation)
        left = self._left
        for step in steps:
            left = step.apply(left)
        self._left = left
        if operation.type in {Operation.CREATE, Operation.DESTROY}:
            self._shared = left.shared()
        self._conversions += map(operations.unallocated, steps)

    def resize(self, operation: mesos.Offer.Operation) -> None:
        """An operation whose results only the next offer shows. Raises ``ResourcesError`` like ``convert``."""
        for step in conversions(operation):
            if not self._left.contains(step.consumed):
                name = Operation.Type.Name(operation.type)
                raise ResourcesError(f"Invalid {name} operation: {self._left} does not contain {step.consumed}")
            self._left -= step.consumed
            self._resized += step.converted
            self._conversions.append(operations.unallocated(step))

    def finish(self, filters: mesos.Filters) -> None:
        """Tells the allocator what has become of the offers; what is left is declined, new things without a filter."""
        allocator, key = self.core.allocator, (self.framework.id, self.agent.id, self.role)
        if self._conversions:
            allocator.update_allocation(*key, self._offered.unallocated(), self._conversions)
        if self._used:
            allocator.transition_offered_to_allocated(*key, self._used.unallocated())
        left = self._left + self._resized
        converted = left - self._offered
        declined = self._left - converted
        if converted:
            allocator.recover_resources(*key, converted.unallocated())
        if declined:
            allocator.recover_resources(*key, declined.unallocated(), filters=filters_of(filters))


def _launch(pool: _Pool, operation: mesos.Offer.Operation) -> None:
    core, framework, agent = pool.core, pool.framework, pool.agent
    for info in operation.launch.task_infos:
        refused = _unauthorized(pool, info)
        if refused is not None:
            text = refusal(refused, framework.info)
            tasks.refuse(core, framework, info, mesos.TASK_ERROR, Reason.REASON_TASK_UNAUTHORIZED, text)
            continue
        resources = Resources.from_messages(info.resources)
        error = task_error(info, resources, framework, agent, pool.available())
        if error is not None:
            tasks.refuse(core, framework, info, mesos.TASK_ERROR, Reason.REASON_TASK_INVALID, error)
            continue
        is_new = info.HasField("executor") and _add_executor(pool, info.executor)
        _add_task(pool, info, resources)
        framework.counters["operations/launch"] += 1  # counted per task
        core.send(agent, RunTask(framework.info, info, launch_executor=is_new or not info.HasField("executor")))


def _launch_group(pool: _Pool, operation: mesos.Offer.Operation) -> None:
    core, framework, agent = pool.core, pool.framework, pool.agent
    executor = operation.launch_group.executor
    group = operation.launch_group.task_group.tasks
    reason = Reason.REASON_TASK_GROUP_UNAUTHORIZED
    error = _group_refusal(pool, group)
    if error is None:
        reason = Reason.REASON_TASK_GROUP_INVALID
        error = group_error(group, executor, framework, agent, pool.left)
    if error is not None:
        for info in group:
            tasks.refuse(core, framework, info, mesos.TASK_ERROR, reason, error)
        return
    framework.counters["operations/launch_group"] += 1
    is_new = _add_executor(pool, executor)
    for info in group:
        _add_task(pool, info, Resources.from_messages(info.resources))
    core.send(agent, RunTaskGroup(framework.info, executor, tuple(group), launch_executor=is_new))


def _unauthorized(pool: _Pool, info: mesos.TaskInfo) -> Request | None:
    if pool.permissions.unrestricted:
        return None
    request = launch_request(info, pool.framework.info)
    return None if pool.permissions.allows(request.action, request.thing) else request


def _group_refusal(pool: _Pool, group: Iterable[mesos.TaskInfo]) -> str | None:
    """Why a group is not launched: what is wrong with the last task of which something is (the text is Mesos's)."""
    error = None
    for info in group:
        refused = _unauthorized(pool, info)
        if refused is not None:
            error = f"Task '{info.task_id.value}' is not authorized to{refused}"
    return error


def _add_executor(pool: _Pool, info: mesos.ExecutorInfo) -> bool:
    """Whether the executor has to be launched: the agent has none of that id for this framework."""
    if pool.agent.executor(pool.framework.id, info.executor_id.value) is not None:
        return False
    executor = tasks.add_executor(pool.core, pool.framework.id, info, pool.agent, pool.framework)
    pool.use(executor.resources)
    return True


def _add_task(pool: _Pool, info: mesos.TaskInfo, resources: Resources) -> None:
    tasks.add_task(pool.core, Task(tasks.make_task(info, pool.framework.id), resources), pool.agent, pool.framework)
    pool.use(resources)


def _convert(pool: _Pool, operation: mesos.Offer.Operation) -> None:
    core, framework, agent = pool.core, pool.framework, pool.agent
    error = validation.operation_error(operation, agent, framework, framework.principal)
    if error is not None:
        operations.drop(core, framework, operation, f"{error}; on agent {agent.description}")
        return
    error = operation_refusal(pool.permissions, operation, framework.info)
    if error is not None:
        operations.drop(core, framework, operation, error)
        return
    if operation.type == Operation.DESTROY:
        _rescind_volumes(core, agent, Resources.from_messages(operation.destroy.volumes))
    try:
        if operation.type in {Operation.GROW_VOLUME, Operation.SHRINK_VOLUME}:
            pool.resize(operation)
        else:
            pool.convert(operation)
    except ResourcesError as lacking:
        operations.drop(core, framework, operation, str(lacking))
        return
    operations.apply(core, agent, framework, operation)


def _convert_disk(pool: _Pool, operation: mesos.Offer.Operation) -> None:
    """Only a resource provider can do that, and agents have none: whatever is named, the pool has no such disk."""
    core, framework, agent = pool.core, pool.framework, pool.agent
    name = Operation.Type.Name(operation.type)
    error = validation.operation_error(operation, agent, framework, framework.principal)
    if "RESOURCE_PROVIDER" not in agent.capabilities:
        text = f"Not supported on agent {agent.description} because it does not have RESOURCE_PROVIDER capability"
    elif error is not None:
        text = f"{error}; on agent {agent.description}"
    elif (refused := operation_refusal(pool.permissions, operation, framework.info)) is not None:
        text = refused
    else:
        (source,) = resources_from_messages(validation.resources_of(operation))
        text = f"Invalid {name} Operation: {pool.left} does not contain {source.print_one()}"
    operations.drop(core, framework, operation, text)


def _rescind_volumes(core: Core, agent: Agent, volumes: Resources) -> None:
    """Other frameworks of the role that are offered a (shared) volume cannot have it any more."""
    for offer in list(agent.offers.values()):
        if any(offer.resources.contains(volume) for volume in volumes):
            offers.rescind(core, offer)


_CARRY_OUT = {
    Operation.LAUNCH: _launch,
    Operation.LAUNCH_GROUP: _launch_group,
    Operation.RESERVE: _convert,
    Operation.UNRESERVE: _convert,
    Operation.CREATE: _convert,
    Operation.DESTROY: _convert,
    Operation.GROW_VOLUME: _convert,
    Operation.SHRINK_VOLUME: _convert,
    Operation.CREATE_DISK: _convert_disk,
    Operation.DESTROY_DISK: _convert_disk,
}
