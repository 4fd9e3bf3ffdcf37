"""Draining: all tasks are killed, and new ones are refused.

Source: docs/reference/agent-executor.md 2.5. What draining changes about status updates is in ``reports.py``, about
new tasks in ``launch.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.agent import killing
from pymesoskit.testing.engine.containers import layout
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.agent.state import Task
    from pymesoskit.testing.engine.network.messages import DrainAgent


def drain(core: Core, message: DrainAgent) -> None:
    """Kills all tasks and refuses new ones until all are gone. Does nothing if there is nothing to drain."""
    if not core.frameworks and not core.operations:
        return
    core.drain = message.config
    core.drain_start = core.lifeline.time()
    core.host.store.write(layout.drain_config(core.agent_id), message.config.SerializeToString())
    core.note("drains")
    _kill_all(core)


def go_on(core: Core) -> None:
    """Goes on with a drain that began before the agent was restarted: kills again what is still there."""
    if core.drain is not None:
        core.drain_start = core.lifeline.time()
        _kill_all(core)


def _kill_all(core: Core) -> None:
    for framework, executor in list(core.executors()):
        for task in list(executor.live()):
            killing.kill_task(core, framework, executor, task.id, _kill_policy(core, task))


def _kill_policy(core: Core, task: Task) -> mesos.KillPolicy | None:
    """Returns the policy that replaces the task's own if that would leave it more time than the drain allows."""
    assert core.drain is not None
    if not core.drain.HasField("max_grace_period"):
        return None
    allowed = core.drain.max_grace_period.nanoseconds
    own = task.info.kill_policy
    if own.HasField("grace_period") and own.grace_period.nanoseconds <= allowed:
        return None
    policy = mesos.KillPolicy()
    policy.grace_period.nanoseconds = allowed
    return policy


def check_done(core: Core) -> None:
    """Ends the drain when nothing is left on the agent: it takes tasks again, if the master sends any."""
    if core.drain is not None and not core.frameworks and not core.operations:
        core.drain = None
        core.host.store.remove(layout.drain_config(core.agent_id))
        core.note("has drained")
