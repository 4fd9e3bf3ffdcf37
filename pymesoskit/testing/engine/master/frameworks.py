"""The life of frameworks: connected, failing over, disconnected, updated, removed.

How a SUBSCRIBE call gets here is in ``subscribe.py``. Source: docs/reference/scheduler-api.md 3 and 9, failover.md 17
and 20.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pymesoskit.testing.allocator import constraints
from pymesoskit.testing.engine.http.v1 import HEARTBEAT_INTERVAL, EventStream
from pymesoskit.testing.engine.master import events, offers, tasks
from pymesoskit.testing.engine.master.options import framework_options, unallocated_by_role
from pymesoskit.testing.engine.master.state import Framework
from pymesoskit.testing.engine.master.transitions import FrameworkCause, FrameworkState
from pymesoskit.testing.engine.master.validation.equality import same_framework
from pymesoskit.testing.engine.network.messages import ShutdownFramework, UpdateFramework
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.testing.allocator import OfferConstraints
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.entities import Task


@frozen
class Constraints:
    """The offer constraints of a call: as they came, and compiled."""

    message: scheduler.OfferConstraints | None = None
    compiled: OfferConstraints | None = None

    def put_on(self, framework: Framework) -> None:
        """They replace what the framework had."""
        framework.offer_constraints = self.message
        framework.constraints = self.compiled


def compile_constraints(core: Core, message: scheduler.OfferConstraints) -> Constraints:
    """The constraints of a call. Raises ``ConstraintsError`` with Mesos's text."""
    compiled = constraints.compile_constraints(
        message,
        max_memory=core.flags.offer_constraints_re2_max_mem,
        max_program_size=core.flags.offer_constraints_re2_max_program_size,
    )
    return Constraints(message, compiled)


def new_framework(core: Core, info: mesos.FrameworkInfo, state: FrameworkState) -> Framework:
    """A framework that is not registered yet."""
    return Framework(
        info,
        state,
        core.flags.max_completed_tasks_per_framework,
        core.flags.max_unreachable_tasks_per_framework,
    )


def recover(core: Core, info: mesos.FrameworkInfo) -> Framework:
    """A framework is known again after a failover of the master: from an agent, or by its own SUBSCRIBE."""
    framework = new_framework(core, info, FrameworkState.RECOVERED)
    core.state.add_framework(framework)
    core.state.adopt(framework)
    core.allocator.add_framework(
        framework.id, framework_options(framework), active=False, used=unallocated_by_role(framework.used.by)
    )
    core.note(f"framework {framework.id} is recovered")
    for listener in core.listeners:
        listener.framework_added(framework)
    return framework


# Connected


def admit(core: Core, framework: Framework, stream: EventStream, stream_id: str) -> None:
    """A new framework has subscribed."""
    now = core.now()
    framework.registered_time = framework.reregistered_time = now
    core.state.add_framework(framework)
    core.note(f"framework {framework.id} ({framework.info.name}) subscribes")
    _connect(core, framework, stream, stream_id)
    core.allocator.add_framework(framework.id, framework_options(framework))
    for listener in core.listeners:
        listener.framework_added(framework)


def readmit(core: Core, framework: Framework, stream: EventStream, stream_id: str) -> None:
    """A known framework has subscribed again, from wherever: the new stream replaces what there was."""
    now = core.now()
    was_active = framework.active
    if framework.registered_time == 0.0:
        framework.registered_time = now
    framework.reregistered_time = now
    core.note(f"framework {framework.id} ({framework.info.name}) subscribes again")
    if was_active:
        core.tell(framework, events.error("Framework failed over"))
        _close_stream(framework)
        offers.discard_of_framework(core, framework)
    _connect(core, framework, stream, stream_id)
    if not was_active:
        core.allocator.activate_framework(framework.id)
    tell_agents(core, framework)
    for listener in core.listeners:
        listener.framework_updated(framework)


def _connect(core: Core, framework: Framework, stream: EventStream, stream_id: str) -> None:
    framework.epoch += 1
    _cancel_timers(framework)
    framework.step(FrameworkCause.SUBSCRIBE)
    framework.stream = stream
    framework.stream_id = stream_id
    core.tell(framework, events.subscribed(framework.id, core.info))
    _beat(core, framework)


def _beat(core: Core, framework: Framework) -> None:
    core.tell(framework, events.HEARTBEAT)
    framework.heartbeat_timer = core.call_later(HEARTBEAT_INTERVAL, _beat, core, framework)


def _close_stream(framework: Framework) -> None:
    if framework.stream is not None:
        framework.stream.end()
        framework.stream = None
        framework.stream_id = None


def _cancel_timers(framework: Framework) -> None:
    for timer in (framework.heartbeat_timer, framework.failover_timer):
        if timer is not None:
            timer.cancel()
    framework.heartbeat_timer = framework.failover_timer = None


def update_info(
    core: Core,
    framework: Framework,
    info: mesos.FrameworkInfo,
    suppressed_roles: Iterable[str],
    constraints: Constraints,
) -> bool:
    """Replaces what a framework says of itself; offers for roles that it leaves are rescinded.

    Whether the info changed.
    """
    changed = not same_framework(info, framework.info)
    left = framework.roles
    framework.set_info(info)
    framework.suppressed_roles = frozenset(suppressed_roles)
    constraints.put_on(framework)
    core.allocator.update_framework(framework.id, framework_options(framework))
    left -= framework.roles
    if left:
        offers.rescind_all(core, [offer for offer in framework.offers.values() if offer.role in left])
    return changed


def tell_agents(core: Core, framework: Framework) -> None:
    """Every agent hears of the framework's info, and sends it once more what is not acknowledged."""
    message = UpdateFramework(framework.info)
    for agent in core.state.agents.values():
        core.send(agent, message)


# Disconnected


def disconnected(core: Core, framework: Framework, epoch: int) -> None:
    """The stream of that epoch was closed by the framework: it has ``failover_timeout`` to come back."""
    if framework.epoch != epoch or not framework.connected:
        return
    core.note(f"framework {framework.id} is disconnected")
    _cancel_timers(framework)
    framework.stream = None
    framework.stream_id = None
    core.allocator.deactivate_framework(framework.id)
    offers.rescind_of_framework(core, framework)
    framework.step(FrameworkCause.DISCONNECT)
    framework.failover_timer = core.call_later(max(0.0, framework.info.failover_timeout), remove, core, framework)


def remove(core: Core, framework: Framework) -> None:
    """TEARDOWN, by whom ever, or not back in time: its tasks are killed and its id can never subscribe again."""
    core.note(f"framework {framework.id} is removed")
    if framework.active:
        core.allocator.deactivate_framework(framework.id)
    offers.discard_of_framework(core, framework)
    shutdown = ShutdownFramework(framework.id)
    for agent in core.state.agents.values():
        core.send(agent, shutdown)
    message = f"Framework {framework.id} removed"
    for task in list(framework.tasks.values()):
        _kill(core, task, message)
        tasks.remove_task(core, task)
    for task in framework.unreachable_tasks.values():
        _kill(core, task, message)
        framework.completed_tasks.append(task)
    framework.unreachable_tasks.clear()
    for agent_id in list(framework.executors):
        tasks.remove_executors(core, core.state.agents[agent_id], framework.id)
    framework.operations.clear()  # the agents have them still: their statuses will be acknowledged by the master
    framework.operation_uuids.clear()
    _cancel_timers(framework)
    _close_stream(framework)
    framework.step(FrameworkCause.REMOVE)
    framework.unregistered_time = core.now()
    del core.state.frameworks[framework.id]
    core.allocator.remove_framework(framework.id)
    core.state.add_completed_framework(framework)
    for listener in core.listeners:
        listener.framework_removed(framework.info)
    for agent in list(core.state.agents.values()):
        core.released(agent)


def _kill(core: Core, task: Task, message: str) -> None:
    status = tasks.status_of(core, task, mesos.TASK_KILLED, mesos.TaskStatus.REASON_FRAMEWORK_REMOVED, message)
    tasks.update_task(core, task, status)
