"""Checks and health checks of tasks: when they run, and what a result means.

A ``Launcher`` runs COMMAND checks and a ``Prober`` runs HTTP and TCP checks; both are passed in. The task's executor
decides what follows from a result (an update or a kill). Source: docs/reference/agent-executor.md 11.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Union

from attrs import evolve, frozen

from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from pymesoskit.testing.engine.machine.launcher import Command, Exit, Launcher, Process
    from pymesoskit.testing.engine.machine.machine import Prober
    from pymesoskit.testing.runtime.clock import Clock, Timer

LOOPBACK = "127.0.0.1"
LOOPBACK_V6 = "::1"
#: The shortest interval in seconds, so that time passes even if a check asks for an interval of 0.
LEAST_INTERVAL = 0.001


class Unavailable(Enum):
    """The check gave no result this time, which has no consequences."""

    UNAVAILABLE = "unavailable"


#: An exit code, an HTTP status code, or whether a connection was established; None without an answer.
Result = Union[int, bool, None]
OnResult = Callable[[Result], None]
OnLook = Callable[[Union[Result, Unavailable]], None]


@frozen
class Look:
    """What a check needs to run."""

    clock: Clock
    launcher: Launcher
    prober: Prober
    command: Callable[[mesos.CommandInfo], Command]  # builds the command that runs in the task's container
    address: str = LOOPBACK  # the IPv4 address of the task's container
    nested: bool = False  # runs in a container of its own, which ends with the task's
    scripted: Callable[[], bool | None] = lambda: None  # whether checks of a simulated task succeed now


@frozen
class Timing:
    """When a check runs, in seconds."""

    delay: float
    interval: float
    timeout: float  # math.inf: unlimited

    @classmethod
    def of(cls, check: mesos.CheckInfo | mesos.HealthCheck) -> Timing:
        return cls(check.delay_seconds, check.interval_seconds, check.timeout_seconds or math.inf)


Probe = Callable[[float, OnLook], None]


def run_command(look: Look, info: mesos.CommandInfo, timeout: float, on_look: OnLook) -> None:
    """Runs the command beside the task. The result is its exit code, or None if a signal ends it or it takes too long.

    A command that is killed in a container nested in the task's gives no result, because that container is going down.
    """
    timer: Timer | None = None
    process: Process | None = None
    too_late = False

    def ended(how: Exit) -> None:
        if timer is not None:
            timer.cancel()
        lost = look.nested and how.signal == signal.SIGKILL and not too_late
        on_look(Unavailable.UNAVAILABLE if lost else how.code)

    def failed(_why: str) -> None:
        if timer is not None:
            timer.cancel()
        on_look(Unavailable.UNAVAILABLE if look.nested else None)

    def kill() -> None:
        nonlocal too_late
        too_late = True
        if process is not None:
            process.kill(signal.SIGKILL)

    process = look.launcher.launch(look.command(info), lambda: None, ended, failed)
    if timeout < math.inf:
        timer = look.clock.call_later(timeout, kill)


def run_prober(
    look: Look, probe: Callable[[float, Callable[[Result], None]], None], timeout: float, on_look: OnLook
) -> None:
    """Runs the prober. The result is None if it does not finish in time."""
    timer: Timer | None = None
    over = False

    def looked(result: Result) -> None:
        nonlocal over
        if timer is not None:
            timer.cancel()
        if not over:
            over = True
            on_look(result)

    if timeout < math.inf:
        timer = look.clock.call_later(timeout, looked, None)
    probe(timeout, looked)


#: The results of a check of a simulated task that succeeds and of one that fails, by type.
SCRIPTED: dict[str, tuple[Result, Result]] = {"COMMAND": (0, 1), "HTTP": (200, 500), "TCP": (True, False)}


def probe_of(look: Look, check: mesos.CheckInfo | mesos.HealthCheck) -> Probe | None:
    """Returns the function that runs the check once, or None for an unknown type.

    A check of a simulated task opens no socket and starts no command: the task's outcome decides the result.
    """
    if look.scripted() is None:
        return _real_probe(look, check)
    results = SCRIPTED.get(type(check).Type.Name(check.type))
    if results is None:
        return None
    return lambda _timeout, done: done(results[0] if look.scripted() else results[1])


def _real_probe(look: Look, check: mesos.CheckInfo | mesos.HealthCheck) -> Probe | None:
    if isinstance(check, mesos.CheckInfo):
        if check.type == mesos.CheckInfo.COMMAND:
            return lambda timeout, done: run_command(look, check.command.command, timeout, done)
        if check.type == mesos.CheckInfo.HTTP:
            return _http(look, f"http://{look.address}:{check.http.port}{check.http.path}")
        if check.type == mesos.CheckInfo.TCP:
            return _tcp(look, look.address, check.tcp.port)
        return None
    if check.type == mesos.HealthCheck.COMMAND:
        return lambda timeout, done: run_command(look, check.command, timeout, done)
    if check.type == mesos.HealthCheck.HTTP:
        host = f"[{LOOPBACK_V6}]" if check.http.protocol == mesos.NetworkInfo.IPv6 else look.address
        return _http(look, f"{check.http.scheme or 'http'}://{host}:{check.http.port}{check.http.path}")
    if check.type == mesos.HealthCheck.TCP:
        address = LOOPBACK_V6 if check.tcp.protocol == mesos.NetworkInfo.IPv6 else look.address
        return _tcp(look, address, check.tcp.port)
    return None


def _http(look: Look, url: str) -> Probe:
    return lambda timeout, done: run_prober(look, partial(look.prober.http, url), timeout, done)


def _tcp(look: Look, host: str, port: int) -> Probe:
    return lambda timeout, done: run_prober(look, partial(look.prober.tcp, host, port), timeout, done)


def is_healthy(health: mesos.HealthCheck, result: Result) -> bool:
    """Returns whether the result of one health check means that the task is healthy."""
    if result is None:
        return False
    if health.type == mesos.HealthCheck.HTTP:
        return 200 <= result < 400
    return bool(result) if health.type == mesos.HealthCheck.TCP else result == 0


def check_status(check: mesos.CheckInfo, result: Result) -> mesos.CheckStatusInfo:
    """Returns the result as frameworks see it; without one, the empty result of that type."""
    status = mesos.CheckStatusInfo(type=check.type)
    if check.type == mesos.CheckInfo.COMMAND:
        status.command.SetInParent()
        if result is not None:
            status.command.exit_code = int(result)
    elif check.type == mesos.CheckInfo.HTTP:
        status.http.SetInParent()
        if result is not None:
            status.http.status_code = int(result)
    elif check.type == mesos.CheckInfo.TCP:
        status.tcp.SetInParent()
        if result is not None:
            status.tcp.succeeded = bool(result)
    return status


class Checker:
    """Repeats a check: the first run starts after the delay, each other one an interval after the end of the last."""

    def __init__(self, clock: Clock, probe: Probe, timing: Timing, on_result: OnResult) -> None:
        self._clock = clock
        self._probe = probe
        self._timing = timing
        self._on_result = on_result
        self._timer: Timer | None = None
        self._looking = False
        self._stopped = False
        self._paused = False

    def start(self) -> None:
        """Schedules the first run."""
        self._later(self._timing.delay)

    def stop(self) -> None:
        """Stops for good; the result of a run that is under way is dropped."""
        self._stopped = True
        self._cancel()

    def pause(self) -> None:
        """Stops for now."""
        self._paused = True
        self._cancel()

    def resume(self) -> None:
        """Continues at once after ``pause``."""
        if self._paused:
            self._paused = False
            if not self._looking:
                self._later(0.0)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _later(self, delay: float) -> None:
        if not (self._stopped or self._paused):
            self._timer = self._clock.call_later(delay, self._look)

    def _look(self) -> None:
        self._timer = None
        self._looking = True
        self._probe(self._timing.timeout, self._looked)

    def _looked(self, result: Result | Unavailable) -> None:
        self._looking = False
        if self._stopped or self._paused:
            return
        if not isinstance(result, Unavailable):
            self._on_result(result)
        self._later(max(self._timing.interval, LEAST_INTERVAL))


@frozen
class Health:
    """What the results so far have shown."""

    failures: int = 0  # in a row
    ever_healthy: bool = False
    last: bool | None = None


@frozen
class Verdict:
    """What follows from one result."""

    health: Health
    report: bool | None  # the health to send an update with, None for no update
    kill: bool


def judge(health: mesos.HealthCheck, before: Health, result: Result, age: float) -> Verdict:
    """Returns what one more result means for a task that has been running for ``age`` seconds.

    Failures before the first success and within the grace period do not count. Each other failure is reported, and
    ``consecutive_failures`` of them in a row kill the task. A success is reported if it is the first one, or the first
    one after a failure.
    """
    if is_healthy(health, result):
        return Verdict(Health(0, True, True), None if before.last is True else True, False)
    if not before.ever_healthy and health.grace_period_seconds > 0 and age <= health.grace_period_seconds:
        return Verdict(before, None, False)
    after = evolve(before, failures=before.failures + 1, last=False)
    return Verdict(after, False, after.failures >= health.consecutive_failures)
