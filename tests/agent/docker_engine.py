"""A Docker engine for tests: real processes instead of containers, and a ``docker`` to talk to it by.

The engine lives in the test's process, so a container does not end with the command that has started it. ``docker`` is
a program that hands its arguments to the engine over a socket and prints what comes back. What the tests set:

- ``images``: what is there; ``registry``: what can be pulled
- ``hangs``: commands that never answer; ``fails``: commands that exit with a code and a text
- ``holds``: containers are created, but start only when ``let_go`` is called
- ``deaf``: ``run`` does not notice that its container has ended
- ``address``: what ``inspect`` says of a container outside the host's network
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

from attrs import define, field

#: Options of ``docker run`` that have a value of their own.
WITH_VALUE = {
    *(
        "--cpu-shares",
        "--cpu-quota",
        "--memory-reservation",
        "--memory",
        "--oom-score-adj",
        "-e",
        "--env-file",
        "-v",
        "--net",
    ),
    *("--hostname", "-p", "--entrypoint", "--name"),
}
NEVER = "0001-01-01T00:00:00Z"
STARTED = "2026-01-02T03:04:05.6Z"
BUFFER = 1 << 16

PROGRAM = """#!{python} -IS
import json, os, socket, sys
host, arguments = sys.argv[2], sys.argv[3:]
engine = socket.socket(socket.AF_UNIX)
try:
    engine.connect(host.removeprefix("unix://"))
except OSError:
    print(f"Cannot connect to the Docker daemon at {{host}}. Is the docker daemon running?", file=sys.stderr)
    sys.exit(1)
engine.sendall(json.dumps([arguments, dict(os.environ)]).encode() + b"\\n")
for line in engine.makefile("rb"):
    kind, value = json.loads(line)
    if kind == 0:
        sys.exit(value)
    os.write(kind, value.encode())
sys.exit(1)
"""


@define
class FakeContainer:
    name: str
    options: list[tuple[str, str]]
    argv: list[str]
    network: str
    environment: dict[str, str]
    directory: str
    id: str = field(factory=lambda: uuid.uuid4().hex * 2)
    process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self, number: int) -> None:
        if self.process is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


@define
class Answer:
    """What goes back to one ``docker``."""

    connection: socket.socket
    lock: threading.Lock = field(factory=threading.Lock)

    def say(self, text: str, kind: int = 1) -> None:
        self._send([kind, text])

    def exit(self, code: int, error: str = "") -> None:
        if error:
            self.say(error + "\n", 2)
        self._send([0, code])

    def _send(self, message: list[Any]) -> None:
        with self.lock, contextlib.suppress(OSError):  # the command was killed
            self.connection.sendall(json.dumps(message).encode() + b"\n")


class FakeEngine:
    """A program that behaves like the ``docker`` command line."""

    def __init__(self, directory: Path) -> None:
        self.socket = directory / "docker.sock"
        self.program = directory / "docker"
        self.program.write_text(PROGRAM.format(python=sys.executable))
        self.program.chmod(0o755)
        self.images = {"alpine:latest"}
        self.registry: set[str] = set()
        self.hangs: set[str] = set()
        self.fails: dict[str, tuple[int, str]] = {}
        self.deaf = False
        self.address = ""
        self.address6 = ""
        self.calls: list[list[str]] = []
        self.environments: list[dict[str, str]] = []
        self.containers: dict[str, FakeContainer] = {}
        self._may_start = threading.Event()
        self._may_start.set()
        self._closed = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.socket))
        self._listener.listen(64)
        self._threads = [threading.Thread(target=self._accept, name="engine")]
        self._threads[0].start()

    # For tests

    def holds(self) -> None:
        """Containers do not start for now."""
        self._may_start.clear()

    def let_go(self) -> None:
        """Now they do."""
        self._may_start.set()

    def called(self, command: str) -> list[list[str]]:
        """The arguments of all such commands, in order."""
        return [call[1:] for call in self.calls if call[0] == command]

    @property
    def container(self) -> FakeContainer:
        """The only one."""
        (found,) = self.containers.values()
        return found

    def close(self) -> None:
        self._closed.set()
        self._may_start.set()
        for container in list(self.containers.values()):
            container.kill(signal.SIGKILL)
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    # The engine

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), name="engine-call")
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as asked:
            line = asked.readline()
            if not line.endswith(b"\n"):
                return  # the command was killed before it could ask
            arguments, environment = json.loads(line)
            self.environments.append(environment)
            self.calls.append(arguments)
            command, rest = arguments[0], arguments[1:]
            answer = Answer(connection)
            if command in self.hangs:
                self._hang(connection)
            elif command in self.fails:
                answer.exit(*self.fails[command])
            else:
                client = (environment,) if command == "run" else ()
                getattr(self, f"_{command}")(rest, *client, answer)

    def _hang(self, connection: socket.socket) -> None:
        connection.settimeout(0.02)
        while not self._closed.is_set():
            with contextlib.suppress(TimeoutError):
                if not connection.recv(1):
                    return  # the command was killed

    def _version(self, _: list[str], answer: Answer) -> None:
        answer.say("Server: fake\n")
        answer.exit(0)

    def _pull(self, arguments: list[str], answer: Answer) -> None:
        if arguments[0] not in self.registry:
            answer.exit(1, f"Error response from daemon: pull access denied for {arguments[0]}")
            return
        self.images.add(arguments[0] if ":" in arguments[0] else f"{arguments[0]}:latest")
        answer.exit(0)

    def _inspect(self, arguments: list[str], answer: Answer) -> None:
        name = arguments[-1]
        if name in self.containers:
            answer.say(json.dumps([self._description(self.containers[name])]))
            answer.exit(0)
        elif name in self.images and arguments[0] == name:
            answer.say(json.dumps([{"Id": "sha256:1", "RepoTags": [name]}]))
            answer.exit(0)
        else:
            answer.say("[]\n")
            answer.exit(1, f"Error: No such object: {name}")

    def _description(self, container: FakeContainer) -> dict[str, Any]:
        pid = container.process.pid if container.process is not None and container.running else 0
        network = {"IPAddress": self.address, "GlobalIPv6Address": self.address6}
        return {
            "Id": container.id,
            "Name": f"/{container.name}",
            "State": {"Pid": pid, "StartedAt": NEVER if container.process is None else STARTED},
            "HostConfig": {"NetworkMode": container.network},
            "NetworkSettings": {"IPAddress": "", "Networks": {container.network: network}},
        }

    def _run(self, arguments: list[str], client: dict[str, str], answer: Answer) -> None:
        container, image = self._parse(arguments, client)
        if image not in self.images and f"{image}:latest" not in self.images:
            answer.exit(125, f"Unable to find image '{image}' locally")
        elif container.name in self.containers:
            answer.exit(125, f'Conflict. The container name "/{container.name}" is already in use')
        else:
            self.containers[container.name] = container
            self._may_start.wait()
            self._start(container, answer)

    def _parse(self, arguments: list[str], client: dict[str, str]) -> tuple[FakeContainer, str]:
        options: list[tuple[str, str]] = []
        rest = list(arguments)
        while rest[0].startswith("-"):
            option = rest.pop(0)
            options.append((option, rest.pop(0)) if option in WITH_VALUE else (option, ""))
        image, *argv = rest
        values = dict(options)
        if "--entrypoint" in values:
            argv.insert(0, values["--entrypoint"])
        environment = {name: client[name] for option, name in options if option == "-e"}
        for option, path in options:
            if option == "--env-file":
                environment |= dict(line.split("=", 1) for line in Path(path).read_text().splitlines())
        mapped = environment["MESOS_SANDBOX"]
        volumes = [value.split(":") for option, value in options if option == "-v"]
        directory = next(volume[0] for volume in volumes if volume[1] == mapped)
        environment.setdefault("PATH", os.defpath)
        return FakeContainer(values["--name"], options, argv, values["--net"], environment, directory), image

    def _start(self, container: FakeContainer, answer: Answer) -> None:
        if container.name not in self.containers or self._closed.is_set():
            answer.exit(125, "Error response from daemon: No such container")
            return
        try:
            process = subprocess.Popen(
                container.argv,
                env=container.environment,
                cwd=container.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            answer.exit(127, f"docker: Error response from daemon: {error}")
            return
        container.process = process
        readers = [
            threading.Thread(target=self._relay, args=(pipe, answer, kind))
            for kind, pipe in ((1, process.stdout), (2, process.stderr))
        ]
        for reader in readers:
            reader.start()
        process.wait()
        for reader in readers:
            reader.join()
        if self.deaf:
            self._hang(answer.connection)
        code = process.returncode
        answer.exit(code if code >= 0 else 128 - code)

    @staticmethod
    def _relay(pipe: Any, answer: Answer, kind: int) -> None:
        with pipe:
            while data := pipe.read1(BUFFER):
                answer.say(data.decode(), kind)

    def _stop(self, arguments: list[str], answer: Answer) -> None:
        seconds, name = float(arguments[1]), arguments[2]
        container = self.containers.get(name)
        if container is None:
            answer.exit(1, f"Error response from daemon: No such container: {name}")
            return
        container.kill(signal.SIGTERM)
        if container.process is not None:
            try:
                container.process.wait(seconds)
            except subprocess.TimeoutExpired:
                container.kill(signal.SIGKILL)
                container.process.wait()
        answer.say(f"{name}\n")
        answer.exit(0)

    def _exec(self, arguments: list[str], answer: Answer) -> None:
        container = self.containers[arguments[0]]
        run = subprocess.run(
            arguments[1:], env=container.environment, cwd=container.directory, capture_output=True, check=False
        )
        answer.exit(run.returncode)

    def _rm(self, arguments: list[str], answer: Answer) -> None:
        for name in arguments:
            if not name.startswith("-") and (container := self.containers.get(name)) is not None:
                container.kill(signal.SIGKILL)
                if container.process is not None:
                    container.process.wait()
                self.containers.pop(name, None)
        answer.exit(0)
