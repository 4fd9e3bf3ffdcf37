"""The master's counters, and what is counted per framework.

What can be read off the master's state (gauges) is computed on demand in ``gauges.py``; what must be counted as it
happens is counted by whoever makes it happen, in ``MasterState.counters`` under the metric's full name and in
``Framework.counters`` under what follows ``master/frameworks/<name>/<id>/`` (``calls/accept``, ``offers/sent``). Here
live the names, the counting that takes more than one name, and how they are read.
Source: docs/reference/operator-api.md 5, scheduler-api.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.states import TERMINAL_TASK_STATES
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_MESSAGES = _words(
    """
    authenticate deactivate_framework decline_offers executor_to_framework exited_executor framework_to_executor
    kill_task launch_tasks operation_status_update operation_status_update_acknowledgement reconcile_operations
    reconcile_tasks register_framework register_slave reregister_framework reregister_slave resource_request
    revive_offers status_update status_update_acknowledgement suppress_offers unregister_framework unregister_slave
    update_slave
    """
)
_CHECKED = _words(
    """
    executor_to_framework_messages framework_to_executor_messages operation_status_update_acknowledgements
    operation_status_updates status_update_acknowledgements status_updates
    """
)
_OTHER = _words(
    """
    dropped_messages event_queue_dispatches event_queue_http_requests event_queue_messages http_cache_hits
    recovery_slave_removals slave_registrations slave_reregistrations slave_removals slave_removals/reason_registered
    slave_removals/reason_unhealthy slave_removals/reason_unregistered slave_shutdowns_canceled
    slave_shutdowns_completed slave_shutdowns_scheduled slave_unreachable_canceled slave_unreachable_completed
    slave_unreachable_scheduled
    """
)

#: The states of tasks as they appear in names of metrics, by number.
_TASK_STATES = {number: name.removeprefix("TASK_").lower() for name, number in mesos.TaskState.items()}
_TERMINAL_STATES = sorted(_TASK_STATES[number] for number in TERMINAL_TASK_STATES)
_ACTIVE_STATES = sorted(set(_TASK_STATES.values()) - set(_TERMINAL_STATES))  # unreachable tasks count here
#: Operations that the master keeps track of on agents; LAUNCH and LAUNCH_GROUP are not.
TRACKED_OPERATIONS = _words("create create_disk destroy destroy_disk grow_volume reserve shrink_volume unreserve")
OPERATION_STATES = _words("dropped error failed finished gone_by_operator pending recovering unreachable")


def _lower(names: Iterable[str]) -> list[str]:
    return sorted(name.lower() for name in names if name != "UNKNOWN")


CALLS = _lower(scheduler.Call.Type.keys())
EVENTS = _lower(scheduler.Event.Type.keys())
OPERATIONS = _lower(mesos.Offer.Operation.Type.keys())

#: Every counter of the master that is there from the beginning.
COUNTERS = (
    *(f"master/messages_{name}" for name in _MESSAGES),
    *(f"master/{verdict}_{name}" for verdict in ("valid", "invalid") for name in _CHECKED),
    *(f"master/{name}" for name in _OTHER),
    *(f"master/tasks_{state}" for state in _TERMINAL_STATES),
    *(f"master/operations/{kind}/{state}" for kind in TRACKED_OPERATIONS for state in OPERATION_STATES),
)


def encode_name(name: str) -> str:
    """A framework's name as part of a metric's: percent-encoded as libprocess does it."""
    return "".join(chr(c) if 0x20 < c <= 0x7F and chr(c) not in _ENCODED else f"%{c:02X}" for c in name.encode())


_ENCODED = frozenset('$&+,/:;=?@ "<>#%{}|\\^~[]`')


#: The counters of a framework, without their prefix.
FRAMEWORK_COUNTERS = (
    *(f"calls/{name}" for name in CALLS),
    *(f"events/{name}" for name in EVENTS),
    *(f"offers/{name}" for name in ("accepted", "declined", "rescinded", "sent")),
    *(f"operations/{name}" for name in OPERATIONS),
    *(f"tasks/active/task_{state}" for state in _ACTIVE_STATES),
    *(f"tasks/terminal/task_{state}" for state in _TERMINAL_STATES),
)
_SUMMED = ("calls", "events", "operations")


_TASK_COUNTERS = {
    number: f"tasks/{'terminal' if number in TERMINAL_TASK_STATES else 'active'}/task_{name}"
    for number, name in _TASK_STATES.items()
}


def task_counter(state: mesos.TaskState) -> str:
    """The counter of a framework's tasks in a state: of those that are in it, or (if it is terminal) ever got there.

    As in Mesos a task counts anew when its agent is back, and then goes on counting as unreachable, too.
    """
    return _TASK_COUNTERS[state]


def count_task_end(counters: Counter[str], status: mesos.TaskStatus) -> None:
    """Counts the status that ended a task, with source and reason as Mesos names them internally.

    A state in which tasks go on (the agent may know more than its status says) is not counted as an end.
    """
    state = _TASK_STATES[status.state]
    if status.state in TERMINAL_TASK_STATES:
        counters[f"master/tasks_{state}"] += 1
    if status.HasField("reason"):
        source = _internal(mesos.TaskStatus.Source.Name(status.source))
        counters[f"master/task_{state}/{source}/{_internal(mesos.TaskStatus.Reason.Name(status.reason))}"] += 1


def count_operation(
    counters: Counter[str],
    kind: mesos.Offer.Operation.Type,
    *,
    before: mesos.OperationState | None,
    now: mesos.OperationState | None,
) -> None:
    """An operation goes from one state to another; None before: it is new; None now: it is forgotten unfinished.

    One of an unknown type, which can only be dropped, is not counted.
    """
    name = mesos.Offer.Operation.Type.Name(kind).lower()
    if name not in TRACKED_OPERATIONS:
        return
    prefix = f"master/operations/{name}"
    for state, change in ((before, -1), (now, 1)):
        if state is not None:
            counters[f"{prefix}/{mesos.OperationState.Name(state).removeprefix('OPERATION_').lower()}"] += change


def _internal(name: str) -> str:
    """``REASON_AGENT_REMOVED`` → ``reason_slave_removed``: inside, Mesos still says slave."""
    return name.lower().replace("agent", "slave")


def read_counters(counters: Counter[str]) -> dict[str, float]:
    """The master's counters under their full names, those that are still 0 too, and the sums over operations."""
    values = dict.fromkeys(COUNTERS, 0.0)
    values.update(counters)
    sums = {"total": 0.0, **dict.fromkeys(OPERATION_STATES, 0.0)}
    for kind in TRACKED_OPERATIONS:
        counts = {state: values[f"master/operations/{kind}/{state}"] for state in OPERATION_STATES}
        total = values[f"master/operations/{kind}/total"] = sum(counts.values())
        sums["total"] += total
        for state, count in counts.items():
            sums[state] += count
    values.update((f"master/operations/{state}", count) for state, count in sums.items())
    return values


def read_framework_counters(counters: Counter[str]) -> dict[str, float]:
    """A framework's counters without their prefix, those that are still 0 too, and their sums."""
    values = dict.fromkeys(FRAMEWORK_COUNTERS, 0.0)
    values.update(counters)
    sums = dict.fromkeys(_SUMMED, 0.0)
    for name, count in values.items():
        group = name.partition("/")[0]
        if group in sums:
            sums[group] += count
    return values | sums
