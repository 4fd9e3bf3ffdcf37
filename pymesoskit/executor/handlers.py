"""What the author of an executor implements: one method per event. Events: docs/reference/agent-executor.md 6.3."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymesoskit.executor.driver import ExecutorDriver
    from pymesoskit.transport.address import Address
    from pymesoskit.transport.errors import MesosError
    from pymesoskit.wire.v1 import executor, mesos

_log = logging.getLogger(__name__)


class Executor:
    """Override what you need. By default handlers do nothing, except that failures are logged.

    The driver calls these methods one after the other, in the order of the events, in a thread of its own. A task that
    takes time needs a thread or process of its own, for ``kill`` comes only after ``launch`` has returned. What a
    method raises ends the driver.
    """

    def connected(self, driver: ExecutorDriver, address: Address) -> None:
        """A connection to the agent is there; SUBSCRIBE goes out."""

    def subscribed(self, driver: ExecutorDriver, subscribed: executor.Event.Subscribed) -> None:
        """SUBSCRIBED, the first time and again after each ``disconnected``."""

    def disconnected(self, driver: ExecutorDriver, reason: MesosError) -> None:
        """The agent is gone; with checkpointing it is waited for, and updates are kept for it. Tasks go on."""

    def launch(self, driver: ExecutorDriver, task: mesos.TaskInfo) -> None:
        """LAUNCH a task: say how it goes with ``driver.send_update``."""

    def launch_group(self, driver: ExecutorDriver, tasks: Sequence[mesos.TaskInfo]) -> None:
        """LAUNCH_GROUP: several tasks that belong together. Unless overridden, they are launched one by one."""
        for task in tasks:
            self.launch(driver, task)

    def kill(self, driver: ExecutorDriver, task_id: mesos.TaskID, kill_policy: mesos.KillPolicy | None) -> None:
        """KILL a task, with the grace that ``kill_policy`` gives, if any."""

    def acknowledged(self, driver: ExecutorDriver, task_id: mesos.TaskID, uuid: bytes) -> None:
        """ACKNOWLEDGED: the agent has the update and will see it through."""

    def message(self, driver: ExecutorDriver, data: bytes) -> None:
        """MESSAGE from the scheduler."""

    def shutdown(self, driver: ExecutorDriver) -> None:
        """SHUTDOWN, by the agent or because it did not come back: end all tasks now. The driver stops after this has
        returned.
        """

    def error(self, driver: ExecutorDriver, message: str) -> None:
        """ERROR: the agent has ended the subscription for good."""

    def heartbeat(self, driver: ExecutorDriver) -> None:
        """HEARTBEAT."""

    def call_failed(self, driver: ExecutorDriver, call: str, error: MesosError) -> None:  # noqa: ARG002
        """A call (its type, ``"UPDATE"``) was refused, or (MESSAGE) may have been lost. Unless overridden, logged."""
        _log.warning("%s", error, extra={"call": call})

    def stopped(self, driver: ExecutorDriver, error: MesosError | None) -> None:
        """The last one: the driver has ended, by itself with an error or because it was told to."""
