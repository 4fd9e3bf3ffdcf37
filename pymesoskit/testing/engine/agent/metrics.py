"""An agent's metrics under Mesos's names.

Source: docs/reference/operator-api.md 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.agent.transitions import ExecutorState, Phase
from pymesoskit.testing.runtime.system import read_system
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymesoskit.testing.engine.agent.core import Core

#: Counters: how they are called here (``Core.count``), prefix ``slave/``.
COUNTERS = (
    "container_launch_errors",
    "executors_preempted",
    "executors_terminated",
    "invalid_framework_messages",
    "invalid_status_updates",
    "recovery_errors",
    "tasks_failed",
    "tasks_finished",
    "tasks_gone",
    "tasks_killed",
    "tasks_lost",
    "valid_framework_messages",
    "valid_status_updates",
)
#: Gauges of live tasks by state.
TASK_GAUGES: Mapping[int, str] = {
    mesos.TASK_STAGING: "tasks_staging",
    mesos.TASK_STARTING: "tasks_starting",
    mesos.TASK_RUNNING: "tasks_running",
    mesos.TASK_KILLING: "tasks_killing",
}
#: Gauges of executors by state; those that have ended are counted.
EXECUTOR_GAUGES: Mapping[ExecutorState, str] = {
    ExecutorState.REGISTERING: "executors_registering",
    ExecutorState.RUNNING: "executors_running",
    ExecutorState.TERMINATING: "executors_terminating",
}
SCALARS = ("cpus", "gpus", "mem", "disk")
#: Counters of parts that have nothing to count here, and gauges that never change.
CONSTANTS: Mapping[str, float] = {
    "containerizer/mesos/container_destroy_errors": 0.0,
    "containerizer/mesos/provisioner/bind/remove_rootfs_errors": 0.0,
    "containerizer/mesos/provisioner/remove_container_errors": 0.0,
    "resource_provider_manager/events/disconnect": 0.0,
    "resource_provider_manager/events/subscribe": 0.0,
    "resource_provider_manager/subscribed": 0.0,
}


def snapshot(core: Core) -> dict[str, float]:
    """All metrics, sorted by name."""
    values: dict[str, float] = dict(CONSTANTS)
    slave: dict[str, float] = {name: float(core.counters.get(name, 0)) for name in COUNTERS}
    slave |= dict.fromkeys(TASK_GAUGES.values(), 0.0)
    slave |= dict.fromkeys(EXECUTOR_GAUGES.values(), 0.0)
    used = Resources()
    for _, executor in core.executors():
        if executor.state in EXECUTOR_GAUGES:
            slave[EXECUTOR_GAUGES[executor.state]] += 1
        used += Resources.from_messages(executor.resources())
        for task in executor.live():
            gauge = TASK_GAUGES.get(task.state)
            if gauge is not None:
                slave[gauge] += 1
    slave["frameworks_active"] = float(len(core.frameworks))
    slave["registered"] = 1.0 if core.phase is Phase.RUNNING else 0.0
    slave["uptime_secs"] = core.lifeline.time() - core.start_time
    slave["recovery_time_secs"] = 0.0
    slave["executor_directory_max_allowed_age_secs"] = core.flags.gc_delay * (1.0 - core.flags.gc_disk_headroom)
    for name in SCALARS:
        for suffix, total, taken in (
            ("", core.total.non_revocable(), used.non_revocable()),
            ("_revocable", core.oversubscribed, used.revocable()),
        ):
            all_of, part = amount(total, name), amount(taken, name)
            slave[f"{name}{suffix}_total"] = all_of
            slave[f"{name}{suffix}_used"] = part
            slave[f"{name}{suffix}_percent"] = part / all_of if all_of else 0.0
    values |= read_system()
    fetcher = {
        "cache_size_total_bytes": core.flags.fetcher_cache_size,
        "cache_size_used_bytes": core.host.machine.fetcher.cache_used,
        "task_fetches_failed": core.host.machine.fetches.failed,
        "task_fetches_succeeded": core.host.machine.fetches.succeeded,
    }
    values |= {f"containerizer/fetcher/{name}": float(value) for name, value in fetcher.items()}
    none = {"succeeded": 0, "failed": 0, "pending": 0}
    removals = none if core.sandboxes is None else core.sandboxes.removals()
    values |= {f"gc/path_removals_{name}": float(value) for name, value in removals.items()}
    values |= {f"slave/{name}": value for name, value in slave.items()}
    return dict(sorted(values.items()))


def amount(resources: Resources, name: str) -> float:
    """How much of a scalar there is, reserved or not."""
    return sum(
        message.scalar.value
        for message in resources.to_messages()
        if message.name == name and message.type == mesos.Value.SCALAR
    )
