"""All metrics of a master in one snapshot: the counters, and the gauges, which are read off its state on demand.

What is counted as it happens lives in ``metrics.py``. Reading takes time in proportion to agents, frameworks and tasks.
Source: docs/reference/operator-api.md 5, allocator.md 11.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pymesoskit.resources import Quantities
from pymesoskit.testing.engine.master import leadership
from pymesoskit.testing.engine.master.metrics import encode_name, read_counters, read_framework_counters
from pymesoskit.testing.runtime.system import read_system
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pymesoskit.resources import Resources
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.registry import Registry
    from pymesoskit.testing.engine.master.state import Framework, MasterState

_TASK_STATES = {number: name.lower() for name, number in mesos.TaskState.items()}
_SCALARS = ("cpus", "gpus", "mem", "disk")


def read_metrics(core: Core, subscribers: int) -> dict[str, float]:
    """Everything by name, in alphabetical order; ``subscribers`` are those of the operators' event stream."""
    state = core.state
    metrics = read_counters(state.counters)
    metrics["master/uptime_secs"] = core.now() - state.start_time
    metrics["master/elected"] = float(leadership.leads(core))
    metrics["master/operator_event_stream_subscribers"] = float(subscribers)
    metrics["master/outstanding_offers"] = float(len(state.offers))
    metrics.update(_agents(state))
    metrics.update(_frameworks(state))
    metrics.update(_resources(state))
    metrics.update(_registrar(core.registry))
    if core.flags.registry == "replicated_log":
        metrics["registrar/log/recovered"] = float(core.registry.storage.readable)
        metrics["registrar/log/ensemble_size"] = float(_ensemble_size(core))
    if core.recovered:
        metrics["registrar/state_fetch_ms"] = 0.0
    metrics.update(state.stores.read())
    metrics["allocator/event_queue_dispatches"] = 0.0  # nothing ever queues there
    metrics.update(core.allocator.metrics())
    metrics.update(read_system())
    if core.flags.publish_per_framework_metrics:
        for framework in state.frameworks.values():
            metrics.update(_framework(framework))
    return dict(sorted(metrics.items()))


def _agents(state: MasterState) -> Iterator[tuple[str, float]]:
    connected = sum(agent.connected for agent in state.agents.values())
    active = sum(agent.active for agent in state.agents.values())
    yield "master/slaves_connected", float(connected)
    yield "master/slaves_disconnected", float(len(state.agents) - connected)
    yield "master/slaves_active", float(active)
    yield "master/slaves_inactive", float(len(state.agents) - active)
    yield "master/slaves_unreachable", float(len(state.unreachable))


def _frameworks(state: MasterState) -> Iterator[tuple[str, float]]:
    frameworks = state.frameworks.values()
    connected = sum(framework.connected for framework in frameworks)
    active = sum(framework.active for framework in frameworks)
    yield "master/frameworks_connected", float(connected)
    yield "master/frameworks_disconnected", float(len(frameworks) - connected)
    yield "master/frameworks_active", float(active)
    yield "master/frameworks_inactive", float(len(frameworks) - active)
    tasks: Counter[str] = Counter()
    for framework in frameworks:
        tasks.update(_tasks(framework))
    for name in ("killing", "running", "staging", "starting", "unreachable"):
        yield f"master/tasks_{name}", float(tasks[f"task_{name}"])
    for principal in state.principals:
        # Messages of libprocess schedulers: what comes over HTTP is not counted. They stay when the framework goes.
        yield f"frameworks/{principal}/messages_processed", 0.0
        yield f"frameworks/{principal}/messages_received", 0.0


def _tasks(framework: Framework) -> Counter[str]:
    """How many of a framework's tasks that have not been acknowledged as ended are in which state. Unreachable ones of
    who is not PARTITION_AWARE count as lost.
    """
    tasks = (*framework.tasks.values(), *framework.unreachable_tasks.values())
    return Counter(_TASK_STATES[task.state] for task in tasks)


def _framework(framework: Framework) -> Iterator[tuple[str, float]]:
    prefix = f"master/frameworks/{encode_name(framework.info.name)}/{framework.id}"
    for name, value in read_framework_counters(framework.counters).items():
        yield f"{prefix}/{name}", value
    yield f"{prefix}/subscribed", float(framework.active)
    for role in framework.roles:
        yield f"{prefix}/roles/{role}/suppressed", float(role in framework.suppressed_roles)


def _resources(state: MasterState) -> Iterator[tuple[str, float]]:
    agents = state.agents.values()
    total, revocable_total = _sum(agent.total_resources for agent in agents)
    used, revocable_used = _sum(agent.used.total for agent in agents)
    for kind, has, uses in (("", total, used), ("revocable_", revocable_total, revocable_used)):
        for name in _SCALARS:
            amount, taken = has.get(name), uses.get(name)
            yield f"master/{name}_{kind}total", amount
            yield f"master/{name}_{kind}used", taken
            yield f"master/{name}_{kind}percent", taken / amount if amount else 0.0


def _sum(resources: Iterable[Resources]) -> tuple[Quantities, Quantities]:
    """The scalars of all of these: those that are not revocable, and those that are."""
    lasting, revocable = Quantities(), Quantities()
    for each in resources:
        kept = each.non_revocable()
        lasting += kept.scalar_quantities()
        if kept is not each:
            revocable += each.revocable().scalar_quantities()
    return lasting, revocable


def _ensemble_size(core: Core) -> int:
    """Returns the number of replicas of the registry's log: one for each master, ``quorum`` being the majority."""
    return 2 * core.flags.quorum - 1 if core.flags.quorum is not None else 1


def _registrar(registry: Registry) -> Iterator[tuple[str, float]]:
    """The registry is a value in memory: nothing ever waits to be stored."""
    records = [*registry.admitted.values(), *(entry.record for entry in registry.unreachable.values())]
    size = sum(record.info.ByteSize() for record in records)
    size += sum(config.ByteSize() for config in registry.quotas.values())
    size += registry.schedule.ByteSize() if registry.schedule is not None else 0
    size += sum(map(len, registry.gone)) + sum(map(len, registry.weights))
    yield "registrar/queued_operations", 0.0
    yield "registrar/registry_size_bytes", float(size)
