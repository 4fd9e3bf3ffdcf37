"""Tasks as real processes.

``ProcessLauncher`` sends commands to the supervisor (``supervisor.py``), a small process that forks, waits and, when
this process ends for any reason, kills everything that is left. The first command starts it. A thread reads its answers
and posts them to the actor; everything else here runs in the actor's turn.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import pwd
import signal
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field

from pymesoskit.testing.engine.machine import supervisor
from pymesoskit.testing.engine.machine.launcher import Command, Exit, Remains, Usage
from pymesoskit.testing.engine.machine.pipes import Pipes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pymesoskit.testing.runtime.actor import Actor

_HEADER = struct.Struct("!I")
#: Seconds that the supervisor may take to end everything (its own limits are a little lower), without and with remains
#: to be removed.
_PATIENCE = 5.0
_PATIENCE_WITH_REMAINS = supervisor.LAST_REMOVAL + _PATIENCE


@define
class RealProcess:
    """A process that the supervisor has been asked to start."""

    number: int
    launcher: ProcessLauncher
    on_start: Callable[[], None]
    on_exit: Callable[[Exit], None]
    on_error: Callable[[str], None]
    removes: str | None = None  # the name of remains
    pid: int = 0
    io: Pipes | None = None
    healthy: bool | None = None  # checks look for themselves

    def kill(self, number: int) -> None:
        self.launcher.kill(self, number)

    def usage(self) -> Usage | None:
        return tree_usage(self.pid) if self.pid else None


@define
class _Connection:
    """One supervisor: its process, our end of the socket, and the thread that reads from it."""

    program: subprocess.Popen[bytes]
    socket: socket.socket
    reader: threading.Thread
    processes: dict[int, RealProcess] = field(factory=dict)


class ProcessLauncher:
    """Runs commands as processes. One supervisor serves the whole cluster."""

    needs_sandbox = True

    def __init__(self, actor: Actor) -> None:
        self._actor = actor
        self._numbers = itertools.count(1)
        self._connection: _Connection | None = None
        self._remains: dict[str, Remains] = {}  # by name
        self._closed = False

    def launch(
        self,
        command: Command,
        on_start: Callable[[], None],
        on_exit: Callable[[Exit], None],
        on_error: Callable[[str], None],
    ) -> RealProcess:
        """Starts the command; see ``Launcher.launch``."""
        process = RealProcess(next(self._numbers), self, on_start, on_exit, on_error, command.removes)
        try:
            if command.interaction is not None:
                process.io = Pipes(command.interaction, command)
            stdio = () if process.io is None else process.io.theirs
            order = self._order(process.number, command, len(stdio))
            connection = self._connect()
            connection.processes[process.number] = process
            if command.remains is not None:
                self._remains[command.remains.name] = command.remains
            self._send(connection, order, stdio)
            if process.io is not None:
                process.io.start(self._actor)
        except (OSError, KeyError) as error:
            why = str(error.args[0]) if isinstance(error, KeyError) else (error.strerror or str(error))
            if process.io is not None:
                process.io.abandon()
            self._actor.post(on_error, why)
        return process

    def kill(self, process: RealProcess, number: int) -> None:
        """Sends the signal to the process, and to its descendants if the command says so."""
        connection = self._connection
        if connection is not None and process.number in connection.processes:
            with contextlib.suppress(
                OSError
            ):  # the supervisor is gone, and its processes with it: the reader reports that
                self._send(connection, {"op": "kill", "id": process.number, "signal": number}, ())

    def close(self) -> None:
        """Ends all processes and the supervisor, and returns when they are gone."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.suppress(OSError):
            connection.socket.shutdown(socket.SHUT_RDWR)
        try:
            connection.program.wait(_PATIENCE_WITH_REMAINS if self._remains else _PATIENCE)
        except subprocess.TimeoutExpired:
            connection.program.kill()
            connection.program.wait()
        connection.reader.join()
        connection.socket.close()

    def _order(self, number: int, command: Command, files: int) -> dict[str, Any]:
        ids = switch_to(command.user)
        return {
            "op": "spawn",
            "id": number,
            "argv": command.argv,
            "exe": command.executable,
            "path": command.path,
            "out": command.stdout,
            "err": command.stderr,
            "tree": command.whole_tree,
            "env": dict(command.environment),
            "cwd": None if command.directory is None else str(command.directory),
            "rlimits": command.rlimits,
            "ids": ids,
            "processes": process_limit(command, ids),
            "tty": command.interaction is not None and command.interaction.tty,
            "delay": command.delay,
            "fds": files,
            "remains": None if command.remains is None else _order_of(command.remains),
            "removes": command.removes,
        }

    def _connect(self) -> _Connection:
        if self._closed:
            raise OSError(0, "the launcher is closed")
        if self._connection is None:
            ours, theirs = socket.socketpair()
            with theirs:
                program = subprocess.Popen(  # noqa: S603 (our own program)
                    [sys.executable, "-I", "-S", supervisor.__file__, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    cwd="/",
                )
            reader = threading.Thread(target=self._read, name="pymesoskit-supervisor", daemon=True)
            self._connection = _Connection(program, ours, reader)
            reader.start()
            if self._remains:  # of commands that another supervisor started
                self._send(
                    self._connection, {"op": "inherit", "remains": [*map(_order_of, self._remains.values())]}, ()
                )
        return self._connection

    def _send(self, connection: _Connection, order: dict[str, Any], files: Sequence[int]) -> None:
        body = json.dumps(order).encode()
        data = _HEADER.pack(len(body)) + body
        if files:
            sent = socket.send_fds(connection.socket, [data], list(files))
            data = data[sent:]
        if data:
            connection.socket.sendall(data)

    # The reader's thread

    def _read(self) -> None:
        connection = self._connection
        assert connection is not None
        pending = bytearray()
        while True:
            try:
                data = connection.socket.recv(1 << 18)
            except OSError:
                data = b""
            if not data:
                break
            pending += data
            answers = []
            while len(pending) >= _HEADER.size:
                end = _HEADER.size + _HEADER.unpack_from(pending)[0]
                if len(pending) < end:
                    break
                answers.append(json.loads(pending[_HEADER.size : end]))
                del pending[:end]
            if answers:
                self._actor.post(self._received, connection, answers)
        self._actor.post(self._lost, connection)

    # In the actor's turn

    def _received(self, connection: _Connection, answers: list[dict[str, Any]]) -> None:
        for answer in answers:
            number = answer["id"]
            process = connection.processes[number]
            if "pid" in answer:
                process.pid = answer["pid"]
                process.on_start()
            elif "error" in answer:
                del connection.processes[number]
                process.on_error(answer["error"])
            else:
                del connection.processes[number]
                used = Usage(cpus_user_time_secs=answer["user"], cpus_system_time_secs=answer["system"])
                if process.removes is not None and answer["status"] == 0:
                    self._remains.pop(process.removes, None)
                process.on_exit(Exit(answer["status"], used, exceeded=answer.get("exceeded")))

    def _lost(self, connection: _Connection) -> None:
        """Called when the supervisor is gone. Unless ``close`` has ended it, its processes are killed here."""
        if self._connection is not connection:
            return
        self._connection = None
        connection.socket.close()
        connection.program.wait()
        for process in list(connection.processes.values()):
            if process.pid:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.on_exit(Exit.of_signal(signal.SIGKILL))
            else:
                process.on_error("the supervisor, which starts all processes, was killed")
        if self._remains:
            self._connect()  # a new supervisor removes them in the end


def _order_of(remains: Remains) -> dict[str, Any]:
    return {"name": remains.name, "argv": remains.removal, "env": dict(remains.environment)}


def switch_to(user: str | None) -> tuple[str, int, int] | None:
    """Returns the name, uid and gid to switch to; None if no switch is needed or, without root, possible.

    Raises KeyError if there is no such user.
    """
    if user is None or os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise KeyError(f"Failed to get user information for '{user}'") from None
    return None if entry.pw_uid == 0 else (entry.pw_name, entry.pw_uid, entry.pw_gid)


def process_limit(command: Command, ids: tuple[str, int, int] | None) -> int | None:
    """Returns the limit of processes that the supervisor enforces, because the kernel does not limit root; None without
    one.
    """
    if ids is not None or os.geteuid() != 0:
        return None
    return next((soft for name, soft, _ in command.rlimits if name == "RLIMIT_NPROC"), None)


def tree_usage(root: int) -> Usage | None:
    """Returns the current usage of the process and its descendants from /proc, None if it is gone or without /proc.

    Memory that several of them share counts once, as in a control group.
    """
    tick, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    user = system = 0
    threads = 0
    resident: dict[int, int] = {}
    todo = [root]
    while todo:
        pid = todo.pop()
        try:
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        except OSError:
            continue
        user += int(fields[11])
        system += int(fields[12])
        threads += int(fields[17])
        resident[pid] = int(fields[21]) * page
        todo += supervisor.children(pid)
    if not resident:
        return None
    alone = len(resident) == 1
    memory = sum(resident.values() if alone else map(proportional_memory, resident, resident.values()))
    return Usage(user / tick, system / tick, memory, len(resident), threads)


def proportional_memory(pid: int, otherwise: int) -> int:
    """Returns the memory of a process in bytes, with its share of shared memory; ``otherwise`` if that is not known."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines()
    except OSError:
        return otherwise
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), otherwise)
