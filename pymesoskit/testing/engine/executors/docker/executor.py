"""The Docker executor: runs one task as a container of the Docker engine.

``container.py`` has what a container is and how it ends. Source: docs/reference/agent-executor.md 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.executors.base import OWN_GRACE, BuiltinExecutor, Line, Spec
from pymesoskit.testing.engine.executors.checks import LOOPBACK, Checker, Health, Look, Result, Timing, judge, probe_of
from pymesoskit.testing.engine.executors.command import wants_killing_state
from pymesoskit.testing.engine.executors.docker.container import DockerContainer, DockerSettings, Inspected
from pymesoskit.testing.engine.executors.docker.options import DockerOptionsError, run_arguments
from pymesoskit.testing.engine.executors.task_run import grace_of
from pymesoskit.testing.engine.machine.identity import uuid_bytes
from pymesoskit.testing.engine.machine.launcher import Command
from pymesoskit.wire.v1 import executor, mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.executors.docker.client import Said
    from pymesoskit.testing.engine.machine.launcher import Exit, Usage
    from pymesoskit.testing.engine.machine.machine import Machine
    from pymesoskit.testing.runtime.clock import Timer

#: Seconds between two attempts to stop a task that its health check has failed.
KILL_RETRY_INTERVAL = 5.0

_NANOSECONDS = 1_000_000_000


class DockerExecutor(BuiltinExecutor):
    """Runs one task as a Docker container, and exits after it."""

    pid = 0  # agents do not report the process of Docker containers

    def __init__(self, spec: Spec, machine: Machine, line: Line, settings: DockerSettings) -> None:
        super().__init__(spec, machine, line)
        self._settings = settings
        self._task: mesos.TaskInfo | None = None
        self._container: DockerContainer | None = None
        self._network_info: mesos.NetworkInfo | None = None
        self._killed = False
        self._unhealthy = False  # killed by its health check
        self._too_late = False  # killed because of max_completion_time
        self._terminated = False
        self._completion: Timer | None = None
        self._retry: Timer | None = None
        self._checker: Checker | None = None
        self._health = Health()
        self._running_since = 0.0

    def usages(self) -> list[Usage | None]:
        return [] if self._container is None else [self._container.usage()]

    # Launching

    def _launch(self, event: executor.Event) -> None:
        task = event.launch.task
        if self._task is not None:
            message = 'Attempted to run multiple tasks using a "docker" executor'
            self.report(self._status(mesos.TASK_FAILED, task.task_id, message=message))
            return
        self._task = self._new_tasks[task.task_id.value] = task
        limit = task.max_completion_time.nanoseconds / _NANOSECONDS
        if limit > 0:
            self._completion = self.machine.clock.call_later(limit, self._complete)
        self.report(self._status(mesos.TASK_STARTING))
        try:
            options = run_arguments(
                task.container, task.command, self._settings.place, task.resources, limits=task.limits
            )
        except DockerOptionsError as error:
            self._end(self._status(mesos.TASK_FAILED, message=f"Failed to create docker run options: {error}"))
            return
        self._container = DockerContainer(self._settings, self.machine, self, options)
        self._container.run()

    def _launch_group(self, event: executor.Event) -> None:
        self._shutdown(event)

    # What happens to the container (``container.Listener``)

    def inspected(self, found: Inspected) -> None:
        assert self._task is not None
        if self.dead or self._killed:
            return
        status = self._status(mesos.TASK_RUNNING)
        status.data = found.output
        self._network_info = found.network_info(self._task.container)
        self._add_network_info(status)
        self.report(status)
        self._running_since = self.machine.clock.monotonic()
        if self._container is not None and not self._container.over:
            self._start_health_check(found)

    def ended(self, how: Exit | None) -> None:
        if self._too_late:
            reached = mesos.TaskStatus.REASON_MAX_COMPLETION_TIME_REACHED
            state, reason = mesos.TASK_FAILED, reached
        elif self._killed:
            state, reason = mesos.TASK_KILLED, None
        else:
            finished = how is not None and how.code == 0
            state, reason = mesos.TASK_FINISHED if finished else mesos.TASK_FAILED, None
        if how is None:
            status = self._status(mesos.TASK_FAILED, message="Failed to get exit status of container")
        else:
            status = self._status(state, message=f"Container {how.describe()}", reason=reason)
        self._end(status)

    def failed(self, why: str) -> None:
        self._end(self._status(mesos.TASK_FAILED, message=f"Failed to run docker container: {why}"))

    def _end(self, status: mesos.TaskStatus) -> None:
        if self.dead or self._terminated:
            return
        self._terminated = True
        self._quiet()
        if self._unhealthy:
            status.healthy = False
        self.report(status)
        self._wind_down()

    def _quiet(self) -> None:
        for timer in (self._completion, self._retry):
            if timer is not None:
                timer.cancel()
        if self._checker is not None:
            self._checker.stop()

    # Statuses

    def _status(
        self,
        state: mesos.TaskState,
        task_id: mesos.TaskID | None = None,
        *,
        message: str | None = None,
        reason: mesos.TaskStatus.Reason | None = None,
    ) -> mesos.TaskStatus:
        if task_id is None:
            assert self._task is not None
            task_id = self._task.task_id
        status = mesos.TaskStatus(
            task_id=task_id,
            state=state,
            source=mesos.TaskStatus.SOURCE_EXECUTOR,
            timestamp=self.machine.clock.time(),
            uuid=uuid_bytes(self.machine.rng),
        )
        status.executor_id.CopyFrom(self.spec.info.executor_id)
        if message is not None:
            status.message = message
        if reason is not None:
            status.reason = reason
        return status

    def _add_network_info(self, status: mesos.TaskStatus) -> None:
        if self._network_info is not None:
            status.container_status.network_infos.add().CopyFrom(self._network_info)

    # Ending it

    def _kill(self, event: executor.Event) -> None:
        if self._task is not None and self._task.task_id == event.kill.task_id:
            self._stop(grace_of(event.kill.kill_policy))

    def _shutdown(self, _event: executor.Event | None) -> None:
        if self._container is None:
            self._exit()
        else:
            self._stop(max(0.0, self._shutdown_grace - OWN_GRACE))

    @property
    def _shutdown_grace(self) -> float:
        return max(self.spec.shutdown_grace, self._settings.stop_timeout)

    def _stop(self, grace: float | None = None) -> None:
        """Kills the task with that grace period, else with its own, else with that of a shutdown."""
        if self._terminated or self._container is None:
            return
        assert self._task is not None
        if self._completion is not None:
            self._completion.cancel()
        own = grace_of(self._task.kill_policy)
        chosen = next(one for one in (grace, own, self._shutdown_grace) if one is not None)
        # Before the engine knows the container it could not be stopped.
        self._container.when_inspected(lambda: self._stop_now(chosen))

    def _stop_now(self, grace: float) -> None:
        assert self._container is not None
        if self.dead or self._terminated or self._container.over:
            return
        if not self._killed:
            self._killed = True
            if not self._too_late and wants_killing_state(self.spec.framework):
                self.report(self._status(mesos.TASK_KILLING))
        if self._checker is not None:
            self._checker.stop()
        self._container.stop(grace, lambda said: self._stopped(said, grace))
        if self._unhealthy:  # nobody else would try again
            self._stop_again(grace, lambda container: container.stopping)

    def _stopped(self, said: Said, grace: float) -> None:
        if self._unhealthy and not said.succeeded:
            self._stop_again(grace, lambda _: True)

    def _stop_again(self, grace: float, needed: Callable[[DockerContainer], bool]) -> None:
        def again() -> None:
            if self._container is not None and needed(self._container):
                self._stop_now(grace)

        if self._retry is not None:
            self._retry.cancel()
        self._retry = self.machine.clock.call_later(KILL_RETRY_INTERVAL, again)

    def _complete(self) -> None:
        self._completion = None
        if not (self._killed or self._terminated or self._container is None or self._container.over):
            self._too_late = self._killed = True
            self._stop(0.0)

    def _is_done(self) -> bool:
        return self._terminated

    def _destroy_tasks(self) -> None:
        self._quiet()
        if self._container is not None:
            self._container.destroy(self._gone)

    def _gone(self) -> None:
        self._container = None
        if self._when_gone is not None:
            self._when_gone()

    _when_gone: Callable[[], None] | None = None

    def when_gone(self, callback: Callable[[], None]) -> None:
        if self._container is None:
            super().when_gone(callback)
        else:
            self._when_gone = callback

    # Health

    def _start_health_check(self, found: Inspected) -> None:
        assert self._task is not None
        if not self._task.HasField("health_check"):
            return
        address = LOOPBACK if found.network == "host" or found.ip is None else found.ip
        look = Look(self.machine.clock, self.machine.launcher, self.machine.prober, self._check_command, address)
        probe = probe_of(look, self._task.health_check)
        if probe is not None:
            timing = Timing.of(self._task.health_check)
            self._checker = Checker(self.machine.clock, probe, timing, self._health_checked)
            self._checker.start()

    def _check_command(self, info: mesos.CommandInfo) -> Command:
        inside = ("sh", "-c", info.value) if info.shell else (info.value, *info.arguments)
        engine = self._settings.engine
        return Command(engine.argv("exec", self._settings.place.name, *inside), engine.environment, None)

    def _health_checked(self, result: Result) -> None:
        assert self._task is not None
        if self._killed or self._terminated or self._container is None or self._container.over:
            return
        age = self.machine.clock.monotonic() - self._running_since
        verdict = judge(self._task.health_check, self._health, result, age)
        self._health = verdict.health
        if verdict.report is not None:
            reason = mesos.TaskStatus.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED
            status = self._status(mesos.TASK_RUNNING, reason=reason)
            status.healthy = verdict.report
            self._add_network_info(status)
            self.report(status)
        if verdict.kill:
            self._unhealthy = True
            self._stop()
