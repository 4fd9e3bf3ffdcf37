"""Draining: all tasks are killed, new ones refused.

Source: docs/reference/agent-executor.md 2.5. What draining changes about status updates is in ``reports.py``, about
new tasks in ``launch.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.containers import layout
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.agent.launch import Launching
    from pymesoskit.testing.engine.agent.state import Task
    from pymesoskit.testing.engine.network.messages import DrainAgent


class Draining:
    """See the module's text."""

    def __init__(self, core: Core, launching: Launching) -> None:
        self._core = core
        self._launching = launching

    def drain(self, message: DrainAgent) -> None:
        """Kills all tasks and takes no more, until all are gone; with nothing to drain the agent stays as it is."""
        core = self._core
        if not core.frameworks and not core.operations:
            return
        core.drain = message.config
        core.drain_start = core.lifeline.time()
        core.host.store.write(layout.drain_config(core.agent_id), message.config.SerializeToString())
        core.note("drains")
        self._kill_all()

    def go_on(self) -> None:
        """The agent drained before it was restarted: kills again what is still there."""
        if self._core.drain is not None:
            self._core.drain_start = self._core.lifeline.time()
            self._kill_all()

    def _kill_all(self) -> None:
        for framework, executor in list(self._core.executors()):
            for task in list(executor.live()):
                self._launching.kill_task(framework, executor, task.id, self._kill_policy(task))

    def _kill_policy(self, task: Task) -> mesos.KillPolicy | None:
        """The policy that replaces the task's own: only if that would leave it longer than the drain allows."""
        assert self._core.drain is not None
        if not self._core.drain.HasField("max_grace_period"):
            return None
        allowed = self._core.drain.max_grace_period.nanoseconds
        own = task.info.kill_policy
        if own.HasField("grace_period") and own.grace_period.nanoseconds <= allowed:
            return None
        policy = mesos.KillPolicy()
        policy.grace_period.nanoseconds = allowed
        return policy

    def check_done(self) -> None:
        """The agent has drained when nothing is left on it: it takes tasks again, if the master sends any."""
        core = self._core
        if core.drain is not None and not core.frameworks and not core.operations:
            core.drain = None
            core.host.store.remove(layout.drain_config(core.agent_id))
            core.note("has drained")
