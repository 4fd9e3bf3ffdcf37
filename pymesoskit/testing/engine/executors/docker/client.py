"""Docker's command line: one command, its output, and how long it may take.

Mesos, too, talks to the engine by running ``docker``. The commands are processes of the machine's launcher: they block
nothing, and none outlives the cluster.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from pymesoskit.testing.engine.machine.launcher import Command, Exit, Interaction, Remains
from pymesoskit.testing.runtime.units import print_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pymesoskit.testing.engine.machine.launcher import Process
    from pymesoskit.testing.engine.machine.machine import Machine
    from pymesoskit.testing.runtime.clock import Timer

#: Seconds that the engine may take to answer ``docker version``.
ANSWER_TIMEOUT = 5.0


@frozen
class Said:
    """How a docker command has ended."""

    command: str
    exit: Exit | None = None  # None: it never ran, or took too long and was killed
    output: bytes = b""
    errors: bytes = b""
    problem: str = ""  # why ``exit`` is None

    @property
    def succeeded(self) -> bool:
        """Whether it exited with status 0."""
        return self.exit is not None and self.exit.code == 0

    @property
    def failure(self) -> str:
        """The error in Mesos's words."""
        if self.exit is None:
            return self.problem
        errors = self.errors.decode(errors="replace")
        return f"Failed to run '{self.command}': {self.exit.describe()}; stderr='{errors}'"


@define(eq=False)
class Call:
    """A docker command that runs."""

    command: str
    done: Callable[[Said], None]
    process: Process | None = None
    timer: Timer | None = None
    exit: Exit | None = None
    ended: bool = False  # its output is complete
    over: bool = False
    output: bytearray = field(factory=bytearray)
    errors: bytearray = field(factory=bytearray)

    def cancel(self) -> None:
        """Kills the command; ``done`` is not called any more."""
        if not self.over:
            self._finish()
            if self.process is not None:
                self.process.kill(signal.SIGKILL)

    def take(self, kind: int, data: bytes) -> None:
        """Called with each piece of its output."""
        (self.output if kind == 1 else self.errors).extend(data)

    def end(self) -> None:
        """Called when its output is complete."""
        self.ended = True
        self._look()

    def exited(self, how: Exit) -> None:
        """Called when its process has ended."""
        self.exit = how
        self._look()

    def fail(self, why: str) -> None:
        """Called when it could not be started."""
        self._conclude(Said(self.command, problem=f"Failed to create subprocess '{self.command}': {why}"))

    def expire(self, seconds: float) -> None:
        """Called when it takes too long: kills it."""
        if self.process is not None:
            self.process.kill(signal.SIGKILL)
        limit = print_duration(seconds)
        self._conclude(Said(self.command, problem=f"Failed to run '{self.command}': no answer within {limit}"))

    def _look(self) -> None:
        if self.ended and self.exit is not None:
            self._conclude(Said(self.command, self.exit, bytes(self.output), bytes(self.errors)))

    def _conclude(self, said: Said) -> None:
        if not self.over:
            self._finish()
            self.done(said)

    def _finish(self) -> None:
        self.over = True
        if self.timer is not None:
            self.timer.cancel()


@frozen
class Engine:
    """An engine, and how it is reached."""

    program: str  # --docker
    socket: str  # the path, --docker_socket
    environment: Mapping[str, str]  # of the program

    @property
    def host(self) -> str:
        """The argument of ``docker -H``."""
        return f"unix://{self.socket}"

    def argv(self, *arguments: str) -> tuple[str, ...]:
        """Returns the arguments of a docker command."""
        return (self.program, "-H", self.host, *arguments)

    def remains(self, name: str) -> Remains:
        """Returns how the container of that name is removed: it outlives the command that has started it."""
        return Remains(name, self.argv("rm", "-f", "-v"), self.environment)


@frozen
class DockerClient:
    """Runs docker commands on one machine. Callbacks come in later turns."""

    engine: Engine
    machine: Machine

    def call(
        self,
        *arguments: str,
        done: Callable[[Said], None],
        timeout: float | None = None,
        home: str | None = None,
        removes: str | None = None,
    ) -> Call:
        """Runs one command. ``timeout`` is in seconds; ``home`` is where docker looks for its configuration."""
        argv = self.engine.argv(*arguments)
        call = Call(" ".join(argv), done)
        environment = self.engine.environment if home is None else {**self.engine.environment, "HOME": home}
        command = Command(argv, environment, None, interaction=Interaction(call.take, call.end), removes=removes)
        call.process = self.machine.launcher.launch(command, lambda: None, call.exited, call.fail)
        if timeout is not None:
            call.timer = self.machine.clock.call_later(timeout, call.expire, timeout)
        return call


@define(eq=False)
class ImageProvider:
    """Ensures that an engine answers and has an image, which it pulls if it is missing or if ``force`` is set.

    ``done(None)`` or ``done(reason)`` is called in a later turn.
    """

    client: DockerClient
    image: str
    force: bool
    home: str  # the sandbox: a docker configuration among the fetched URIs counts
    done: Callable[[str | None], None]
    _call: Call | None = None

    def start(self) -> None:
        self._call = self.client.call("version", done=self._answered, timeout=ANSWER_TIMEOUT)

    def cancel(self) -> None:
        """Stops; ``done`` is not called any more."""
        if self._call is not None:
            self._call.cancel()

    def _answered(self, said: Said) -> None:
        if not said.succeeded:
            host = self.client.engine.host
            advice = "start one, or say where it is (--docker_socket) and how it is reached (--docker)"
            self.done(f"No Docker engine answers at {host}: {advice}. {said.failure}")
        elif self.force:
            self._pull(self.image)
        else:
            self._inspect(self._inspected)

    @property
    def _tagged(self) -> str:
        return self.image if ":" in self.image.rpartition("/")[2] else f"{self.image}:latest"

    def _inspect(self, done: Callable[[Said], None]) -> None:
        self._call = self.client.call("inspect", self._tagged, done=done)

    def _inspected(self, said: Said) -> None:
        if said.succeeded:
            self.done(None)
        else:
            self._pull(self._tagged)

    def _pull(self, image: str) -> None:
        self._call = self.client.call("pull", image, done=self._pulled, home=self.home)

    def _pulled(self, said: Said) -> None:
        if said.succeeded:
            self._inspect(lambda found: self.done(None if found.succeeded else found.failure))
        else:
            self.done(said.failure)
