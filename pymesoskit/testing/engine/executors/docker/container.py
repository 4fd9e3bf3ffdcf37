"""One container of the Docker engine, from ``docker run`` to ``docker rm``.

Source: docs/reference/agent-executor.md 10.2.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from attrs import define, field, frozen

from pymesoskit.testing.engine.executors.docker.client import DockerClient, Engine
from pymesoskit.testing.engine.machine.launcher import Command
from pymesoskit.testing.engine.machine.process import tree_usage
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.executors.docker.client import Call, Said
    from pymesoskit.testing.engine.executors.docker.options import Place, RunOptions
    from pymesoskit.testing.engine.machine.launcher import Exit, Process, Usage
    from pymesoskit.testing.engine.machine.machine import Machine
    from pymesoskit.testing.runtime.clock import Timer

#: The prefix of the names of Mesos's containers.
NAME_PREFIX = "mesos-"
#: Seconds between two ``docker inspect`` of a container that has not started yet.
INSPECT_DELAY = 0.5
#: Seconds that one ``docker inspect`` may take, and that anything waits for a successful one.
INSPECT_TIMEOUT = 5.0
#: Seconds that ``docker stop`` may take beyond its grace period when a container is destroyed.
FORCE_KILL_TIMEOUT = 1.0
#: How often a container that is to be destroyed is stopped, and the seconds in between.
DESTROY_ATTEMPTS, DESTROY_INTERVAL = 5, 0.2
#: Seconds that ``docker run`` may continue after its container's process has ended.
MISSED_EXIT_TIMEOUT = 60.0
#: Seconds between two looks at a container's process.
PROCESS_INTERVAL = 1.0
#: The value of ``StartedAt`` before a container has started.
NEVER = "0001-01-01T00:00:00Z"


@frozen
class DockerSettings:
    """An agent's settings for the Docker containers that it runs. Durations are in seconds."""

    engine: Engine
    place: Place
    private: Path | None = None  # a directory that only the cluster can read
    stop_timeout: float = 0.0  # --docker_stop_timeout
    remove_delay: float = 0.0  # --docker_remove_delay


class InspectError(Exception):
    """The output of ``docker inspect`` is not as expected; the text says why."""


@frozen
class Inspected:
    """What ``docker inspect`` reports of a container."""

    output: bytes
    pid: int | None  # of its first process, None if that has ended
    started: bool
    network: str | None  # its mode
    ip: str | None
    ipv6: str | None

    @classmethod
    def parse(cls, output: bytes) -> Inspected:
        """Reads the output of ``docker inspect``. Raises ``InspectError``."""
        try:
            found = json.loads(output)
        except ValueError as error:
            raise InspectError(f"Failed to parse JSON: {error}") from None
        if not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
            raise InspectError("Failed to find container")
        settings = _at(found[0], "NetworkSettings") or {}
        pid, started = _needed(found[0], "State", "Pid"), _needed(found[0], "State", "StartedAt")
        mode = _at(found[0], "HostConfig", "NetworkMode")
        own = _at(settings, "Networks", mode) or {}
        ip = own["IPAddress"] if "IPAddress" in own else settings.get("IPAddress")
        return cls(output, pid or None, started != NEVER, mode, ip or None, own.get("GlobalIPv6Address") or None)

    def network_info(self, container: mesos.ContainerInfo) -> mesos.NetworkInfo | None:
        """Returns its addresses together with the network that was asked for; None if it has no addresses."""
        if self.ip is None and self.ipv6 is None:
            return None
        info = mesos.NetworkInfo()
        if container.network_infos:
            info.CopyFrom(container.network_infos[0])
            info.ClearField("ip_addresses")
        if self.ip is not None:
            info.ip_addresses.add(ip_address=self.ip)
        if self.ipv6 is not None:
            info.ip_addresses.add(ip_address=self.ipv6, protocol=mesos.NetworkInfo.IPv6)
        return info


def _at(value: Any, *names: str | None) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _needed(value: dict[str, Any], *names: str) -> Any:
    found = _at(value, *names)
    if found is None:
        raise InspectError(f"Unable to find {names[-1]} in {names[-2]}")
    return found


class Listener(Protocol):
    """Hears what happens to a container. The calls come in later turns, each at most once."""

    def inspected(self, found: Inspected) -> None:
        """Called when the container has started; not called if that is never known."""

    def ended(self, how: Exit | None) -> None:
        """Called when ``docker run`` has ended; None: the container has ended, but ``docker run`` continues."""

    def failed(self, why: str) -> None:
        """Called instead of the others when ``docker run`` could not be run."""


@define(eq=False)
class DockerContainer:
    """A container: runs it, watches it, stops it and removes it."""

    settings: DockerSettings
    machine: Machine
    listener: Listener
    options: RunOptions  # of ``docker run``
    found: Inspected | None = None
    over: bool = False  # ``docker run`` has ended
    _client: DockerClient = field(init=False)
    _process: Process | None = None
    _inspection: Call | Timer | None = None
    _inspection_over: bool = False
    _waiting: list[Callable[[], None]] = field(factory=list)  # callbacks for the end of the inspection
    _patience: Timer | None = None  # with the inspection
    _watch: Timer | None = None  # over the container's process
    _stopping: Call | None = None
    _removal: bool = False  # whether it is scheduled
    _env_file: Path | None = None
    _destroyed: Callable[[], None] | None = None  # called when it has been destroyed
    _run_ended: bool = False

    def __attrs_post_init__(self) -> None:
        self._client = DockerClient(self.settings.engine, self.machine)

    @property
    def name(self) -> str:
        return self.settings.place.name

    def usage(self) -> Usage | None:
        """Returns the current usage of its processes, None if that is not known."""
        return None if self.over or self.found is None or self.found.pid is None else tree_usage(self.found.pid)

    # Running

    def run(self) -> None:
        """Starts the container, and inspects it until it has started."""
        engine = self.settings.engine
        try:
            self._write_variables()
        except OSError as error:
            self.machine.actor.post(self._failed, f"cannot write its variables: {error.strerror}")
            return
        command = Command(
            engine.argv("run", *self.options.arguments(None if self._env_file is None else str(self._env_file))),
            {**engine.environment, **self.options.variables},
            Path(self.settings.place.sandbox),
            remains=engine.remains(self.name),
        )
        self._process = self.machine.launcher.launch(command, lambda: None, self._exited, self._failed)
        self._inspect()

    def _write_variables(self) -> None:
        """Writes the file of variables, which is there until the container has started. Raises OSError."""
        if not self.options.file:
            return
        assert self.settings.private is not None
        self.settings.private.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._env_file = self.settings.private / self.name
        descriptor = os.open(self._env_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            file.write(self.options.file_text())

    def _failed(self, why: str) -> None:
        self._run_ended = self.over = True
        self._end_inspection()
        self.listener.failed(f"Failed to create subprocess '{self.settings.engine.program}': {why}")

    def _exited(self, how: Exit) -> None:
        self._run_ended = True
        if self._destroyed is not None:
            self._conclude()
        if self.over:
            return
        self._end(how)
        if how.signal is not None:  # the command was killed, not its container
            self._client.call("stop", "-t", "0", self.name, done=_ignore)

    def _end(self, how: Exit | None) -> None:
        self.over = True
        if self._watch is not None:
            self._watch.cancel()
        if self._stopping is not None:
            self._stopping.cancel()
        self.when_inspected(lambda: self.listener.ended(how))

    # Inspecting

    def when_inspected(self, callback: Callable[[], None]) -> None:
        """Calls ``callback`` when it is known whether the container has started, ``INSPECT_TIMEOUT`` from now at the
        latest.
        """
        if self._inspection_over:
            callback()
            return
        self._waiting.append(callback)
        if self._patience is None:
            self._patience = self.machine.clock.call_later(INSPECT_TIMEOUT, self._end_inspection)

    def _inspect(self) -> None:
        self._inspection = self._client.call(
            "inspect", "--type=container", self.name, done=self._inspected, timeout=INSPECT_TIMEOUT
        )

    def _inspect_later(self) -> None:
        self._inspection = self.machine.clock.call_later(INSPECT_DELAY, self._inspect)

    def _inspected(self, said: Said) -> None:
        if not said.succeeded:  # the container is not there yet, or the engine hangs
            self._inspect_later()
            return
        try:
            found = Inspected.parse(said.output)
        except InspectError:
            self._end_inspection()
            return
        if not found.started:
            self._inspect_later()
            return
        self.found = found
        if not self.over:
            self._watch_process()
        self.listener.inspected(found)
        self._end_inspection()

    def _end_inspection(self) -> None:
        if self._inspection_over:
            return
        self._inspection_over = True
        if self._env_file is not None:
            self._env_file.unlink(missing_ok=True)
        for pending in (self._inspection, self._patience):
            if pending is not None:
                pending.cancel()
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            callback()

    # An engine can miss the end of a container; then ``docker run`` never ends.

    def _watch_process(self) -> None:
        assert self.found is not None
        if self.found.pid is None or not Path(f"/proc/{self.found.pid}").exists():
            self._watch = self.machine.clock.call_later(MISSED_EXIT_TIMEOUT, self._missed)
        else:
            self._watch = self.machine.clock.call_later(PROCESS_INTERVAL, self._watch_process)

    def _missed(self) -> None:
        if not self.over:
            self._end(None)

    # Ending

    @property
    def stopping(self) -> bool:
        """Whether ``docker stop`` is under way."""
        return self._stopping is not None and not self._stopping.over

    def stop(self, grace: float, done: Callable[[Said], None]) -> None:
        """Sends SIGTERM now and SIGKILL after the grace period (in seconds). It replaces a stop that is under way."""
        if self._stopping is not None:
            self._stopping.cancel()
        self._stopping = self._client.call("stop", "-t", str(int(grace)), self.name, done=done)

    def destroy(self, done: Callable[[], None]) -> None:
        """Ends the container if it runs, and removes it later. ``done`` is called in a later turn when it has ended, or
        when the engine takes too long.
        """
        self._end_inspection()
        if self._watch is not None:
            self._watch.cancel()
        self._remove_later()
        if self.over:  # it has ended, or is being destroyed already
            if not self._run_ended and self._destroyed is None and self._process is not None:
                self._process.kill(signal.SIGKILL)  # the engine has missed its end
            self.machine.actor.post(done)
            return
        self.over = True
        self._destroyed = done
        self._stop_for_good(DESTROY_ATTEMPTS)

    def _stop_for_good(self, attempts: int) -> None:
        """Repeats ``docker stop`` until ``docker run`` ends, because the container may be about to start only now."""
        if self._destroyed is None:
            return
        timeout = self.settings.stop_timeout

        def stopped(said: Said) -> None:
            if self._destroyed is None:
                return
            if attempts > 1 and said.exit is not None:
                self.machine.clock.call_later(DESTROY_INTERVAL, self._stop_for_good, attempts - 1)
                return
            if self._process is not None:
                self._process.kill(signal.SIGKILL)
            self._conclude()

        if self._stopping is not None:
            self._stopping.cancel()
        self._stopping = self._client.call(
            "stop", "-t", str(int(timeout)), self.name, done=stopped, timeout=timeout + FORCE_KILL_TIMEOUT
        )

    def _conclude(self) -> None:
        done, self._destroyed = self._destroyed, None
        if self._stopping is not None:
            self._stopping.cancel()
        if done is not None:
            done()

    def _remove_later(self) -> None:
        if not self._removal:
            self._removal = True
            self.machine.clock.call_later(self.settings.remove_delay, self._remove)

    def _remove(self) -> None:
        self._client.call("rm", "-f", "-v", self.name, done=_ignore, removes=self.name)


def _ignore(_: Said) -> None:
    """Ignores the result."""
