"""The executor API with handlers: an ``Executor`` is called for each event, in a thread of the driver's own.

How handlers are called, and what becomes of what they raise, is the general driver's (``transport/driver.py``). After
SHUTDOWN and the handler for it the driver stops; if the process is still there after the grace period, it is ended by
force, as the reference library does (docs/reference/agent-executor.md 6.4).
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from typing import TYPE_CHECKING

from pymesoskit.executor.client import ExecutorClient
from pymesoskit.subscription.driver import HandlerDriver
from pymesoskit.subscription.options import QUEUE_LIMIT
from pymesoskit.wire import PROTOBUF, Codec
from pymesoskit.wire.v1 import executor as v1
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from pymesoskit.executor.environment import ExecutorEnvironment
    from pymesoskit.executor.handlers import Executor
    from pymesoskit.subscription.pending import PendingCall
    from pymesoskit.subscription.session import Watchdog
    from pymesoskit.subscription.subscriber import Timeouts
    from pymesoskit.transport.base import Transport

__all__ = ["ExecutorDriver", "kill_own_process_group"]

_log = logging.getLogger(__name__)

Event = v1.Event


def kill_own_process_group() -> None:
    """Ends this process with SIGKILL, and all of its process group if it leads one."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


class ExecutorDriver(HandlerDriver[Event]):
    """Runs an ``Executor`` for an agent.

    ``environment`` None reads this process's (``EnvironmentProblems`` if an agent did not start it).
    ``on_grace_expired`` is called, in a thread of its own, when the grace period after SHUTDOWN is over and the
    process still lives: unless given, it kills the process if that is an executor's own (``environment`` None, no
    ``MESOS_LOCAL``), and else does nothing.
    """

    def __init__(
        self,
        executor: Executor,
        environment: ExecutorEnvironment | None = None,
        *,
        transport: Transport | None = None,
        content_type: Codec = PROTOBUF,
        rng: random.Random | None = None,
        watchdog: Watchdog | None = None,
        timeouts: Timeouts | None = None,
        queue_limit: int = QUEUE_LIMIT,
        on_grace_expired: Callable[[], None] | None = None,
    ) -> None:
        self.executor = executor
        self._client = ExecutorClient(
            environment,
            transport=transport,
            content_type=content_type,
            rng=rng,
            watchdog=watchdog,
            timeouts=timeouts,
            queue_limit=queue_limit,
        )
        own_process = environment is None and not self._client.environment.local
        if on_grace_expired is None and own_process:
            on_grace_expired = kill_own_process_group
        self._on_grace_expired = on_grace_expired
        super().__init__(self._client, executor, Event, f"pymesoskit-{self.environment.executor_id}")

    @property
    def environment(self) -> ExecutorEnvironment:
        """What the agent said at the start."""
        return self._client.environment

    def stop(self) -> None:
        """Ends the driver once the agent has acknowledged all updates (or half of the grace period is over). Returns
        at once; ``join`` waits. No more events are handled.
        """
        self._end(self._client.finish)

    # Calls.

    def send_update(self, status: mesos.TaskStatus) -> mesos.TaskStatus:
        """Sends a status until the agent has acknowledged it; see ``ExecutorClient.send_update``."""
        return self._client.send_update(status)

    def message(self, data: bytes) -> PendingCall:
        """Sends bytes to the scheduler; they may get lost. Raises ``NotSubscribed``."""
        return self._client.message(data)

    def call(self, call: v1.Call) -> PendingCall:
        """Sends any call but UPDATE. Raises ``NotSubscribed``, ``InvalidCall``."""
        return self._client.call(call)

    # Handlers.

    def _table(self) -> dict[int, Callable[[Event], None]]:
        return {
            Event.SUBSCRIBED: self._on_subscribed,
            Event.LAUNCH: self._on_launch,
            Event.LAUNCH_GROUP: self._on_launch_group,
            Event.KILL: self._on_kill,
            Event.ACKNOWLEDGED: self._on_acknowledged,
            Event.MESSAGE: self._on_message,
            Event.SHUTDOWN: self._on_shutdown,
            Event.ERROR: self._on_error,
            Event.HEARTBEAT: self._on_heartbeat,
        }

    def _on_subscribed(self, event: Event) -> None:
        self.executor.subscribed(self, event.subscribed)

    def _on_launch(self, event: Event) -> None:
        self.executor.launch(self, event.launch.task)

    def _on_launch_group(self, event: Event) -> None:
        self.executor.launch_group(self, event.launch_group.task_group.tasks)

    def _on_kill(self, event: Event) -> None:
        kill = event.kill
        self.executor.kill(self, kill.task_id, kill.kill_policy if kill.HasField("kill_policy") else None)

    def _on_acknowledged(self, event: Event) -> None:
        self.executor.acknowledged(self, event.acknowledged.task_id, event.acknowledged.uuid)

    def _on_message(self, event: Event) -> None:
        self.executor.message(self, event.message.data)

    def _on_shutdown(self, _: Event) -> None:
        if self._on_grace_expired is not None:
            timer = threading.Timer(self.environment.shutdown_grace_period, self._on_grace_expired)
            timer.daemon = True  # it must not keep a process alive that ends in time
            timer.start()
        try:
            self.executor.shutdown(self)
        finally:
            self.stop()

    def _on_error(self, event: Event) -> None:
        self.executor.error(self, event.error.message)

    def _on_heartbeat(self, _: Event) -> None:
        self.executor.heartbeat(self)
