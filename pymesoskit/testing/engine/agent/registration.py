"""How an agent finds its master, registers, and notices that it is alone.

Source: docs/reference/agent-executor.md 2.1 to 2.4, failover.md 1 to 4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.agent import reports
from pymesoskit.testing.engine.agent.checkpointed import checkpointed
from pymesoskit.testing.engine.agent.core import CAPABILITIES, Core
from pymesoskit.testing.engine.agent.state import has_capability
from pymesoskit.testing.engine.agent.transitions import ExecutorState, Phase, PhaseCause
from pymesoskit.testing.engine.network.messages import (
    AgentRegistered,
    AgentReregistered,
    PingAgent,
    PongAgent,
    RegisterAgent,
    ReregisterAgent,
)
from pymesoskit.testing.engine.version import VERSION
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.leadership import Leadership
    from pymesoskit.testing.engine.network.network import Address
    from pymesoskit.testing.runtime.clock import Timer

#: Seconds between two attempts to register, at most.
RETRY_MAX = 60.0


class Registration:
    """Finds the leading master and registers with it. It knows which timers run, and how long pings may fail to come.

    It reports by the core's hooks ``registered``, ``master_lost`` and ``failed``.
    """

    def __init__(self, core: Core, leadership: Leadership) -> None:
        self._core = core
        self._leadership = leadership
        self._ping_timeout = 75.0  # seconds; the master says how long with each registration
        self._ping_timer: Timer | None = None
        self._retry_timer: Timer | None = None
        self._unwatch: Callable[[], None] | None = None
        self.first_backoff: float | None = None  # seconds until the first attempt; None: random

    def start(self) -> None:
        """Looks for a master from now on."""
        self._unwatch = self._leadership.watch(lambda: self._core.lifeline.deliver(self.detect))
        self.detect()

    def stop(self) -> None:
        """Stops looking for masters."""
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None

    def detect(self) -> None:
        """Looks (again) for the leading master, and registers with it."""
        core = self._core
        if core.phase in {Phase.TERMINATING, Phase.ENDED, Phase.RECOVERING}:
            return
        core.step(PhaseCause.DETECT)
        core.master_lost(None)
        for timer in (self._ping_timer, self._retry_timer):
            if timer is not None:
                timer.cancel()
        leader = self._leadership.leader()
        core.master = leader.pid if leader is not None else None
        if core.master is not None:
            backoff = core.flags.registration_backoff_factor
            chosen, self.first_backoff = self.first_backoff, None
            wait = core.rng.uniform(0, backoff) if chosen is None else chosen
            self._retry_timer = core.lifeline.call_later(wait, self._register, 2 * backoff)

    def _register(self, backoff: float) -> None:
        core = self._core
        if core.phase is not Phase.DISCONNECTED:
            return
        resources = tuple(checkpointed(core.total))
        if core.info.HasField("id"):
            core.send(
                ReregisterAgent(
                    agent_info=core.info,
                    version=VERSION,
                    capabilities=CAPABILITIES,
                    checkpointed_resources=resources,
                    tasks=tuple(task.message() for task in core.tasks()),
                    executors=tuple(
                        (framework.id, executor.info)
                        for framework, executor in core.executors()
                        if executor.state is not ExecutorState.TERMINATED  # it holds nothing any more
                        and not executor.is_command
                        and not framework.terminating
                    ),
                    frameworks=tuple(framework.info for framework in core.frameworks.values()),
                    operations=tuple(core.operations.values()),
                    credential=core.credential,
                    completed_tasks=tuple(
                        mesos.Task.FromString(task)
                        for framework in core.completed_frameworks
                        for executor in framework.completed
                        for task in executor.tasks
                    ),
                )
            )
        else:
            core.send(RegisterAgent(core.info, VERSION, CAPABILITIES, resources, core.credential))
        wait = core.rng.uniform(0, min(backoff, RETRY_MAX))
        self._retry_timer = core.lifeline.call_later(wait, self._register, min(2 * backoff, RETRY_MAX))

    # The master's answers

    def registered(self, sender: Address, message: AgentRegistered) -> None:
        """The master has taken the agent in and given it an id."""
        core = self._core
        if sender != core.master or core.phase is not Phase.DISCONNECTED:
            return
        if core.info.HasField("id") and core.agent_id != message.agent_id:
            core.failed(f"Registered but got wrong id: {message.agent_id} (expected: {core.agent_id})")
            return
        core.info.id.value = message.agent_id
        self._enter_running(message.total_ping_timeout, new=True)

    def reregistered(self, sender: Address, message: AgentReregistered) -> None:
        """The master knows the agent again, and names the tasks that only it knows: the agent reports them as lost."""
        core = self._core
        if sender != core.master or core.phase not in {Phase.DISCONNECTED, Phase.RUNNING}:
            return
        if core.agent_id != message.agent_id:
            core.failed(f"Re-registered but got wrong id: {message.agent_id} (expected: {core.agent_id})")
            return
        if core.phase is Phase.DISCONNECTED:
            self._enter_running(message.total_ping_timeout, new=False)
        infos = {info.id.value: info for info in message.frameworks}
        for framework_id, task_id in message.unknown_tasks:
            framework = core.frameworks.get(framework_id)
            if framework is not None and framework.task(task_id) is not None:
                continue
            info = framework.info if framework is not None else infos.get(framework_id)
            aware = info is not None and has_capability(info, mesos.FrameworkInfo.Capability.PARTITION_AWARE)
            reports.unknown_task(core, framework_id, task_id, mesos.TASK_DROPPED if aware else mesos.TASK_LOST)

    def _enter_running(self, ping_timeout: float, *, new: bool) -> None:
        core = self._core
        core.step(PhaseCause.REGISTER)
        self._ping_timeout = ping_timeout
        if self._retry_timer is not None:
            self._retry_timer.cancel()
        self._expect_ping()
        core.note("registered" if new else "re-registered")
        core.registered(new)

    # Pings

    def ping(self, sender: Address, message: PingAgent) -> None:
        """Answers a master's ping; registers again if that master says that the agent is disconnected.

        The agent answers from the moment it starts, even before it knows who its master is.
        """
        core = self._core
        core.network.send(core.address, sender, PongAgent())
        if sender == core.master and core.phase is Phase.RUNNING:
            if message.connected:
                self._expect_ping()
            else:
                core.note("is disconnected as the master sees it: registers again")
                self.detect()

    def _expect_ping(self) -> None:
        if self._ping_timer is not None:
            self._ping_timer.cancel()
        self._ping_timer = self._core.lifeline.call_later(self._ping_timeout, self._no_ping)

    def _no_ping(self) -> None:
        self._ping_timer = None
        self._core.note("got no ping from the master in time: looks for it again")
        self.detect()
