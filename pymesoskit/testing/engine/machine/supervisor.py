"""The process that starts tasks' processes, waits for them, and lets none of them outlive the cluster.

It runs as a program of its own (``python -I -S supervisor.py FD``) because forking a small single-threaded process is
fast and safe, which forking the cluster's own process is not, and because it outlives the cluster for as long as it
takes to end what was left. It imports nothing but the standard library.

It exchanges frames (four bytes of length, then JSON) with the cluster over a socket pair:

====================================================================  ==========================================
order of the cluster                                                  answer
====================================================================  ==========================================
``{"op": "spawn", "id", "argv", "env", "cwd", …}``                    ``{"id", "pid"}`` or ``{"id", "error"}``;
                                                                      at its end ``{"id", "status", "user", "system"}``
``{"op": "kill", "id", "signal"}``
``{"op": "inherit", "remains": […]}``
====================================================================  ==========================================

Rules:

- Each task leads a session and a process group of its own. Its tree is everything that descends from it.
- A child that outlives its parent is handed to this process, which is a *subreaper*. This process finds out whose the
  child was by its session, environment or working directory.
- When a task's first process ends, the rest of its tree is killed.
- An orphan that hides whose it is lives no longer than the last task that may have started it.
- A task has at most ``MOST_PROCESSES`` processes, or as many as its order says. A task that has more is killed.
- When the socket is closed, which means that the cluster has ended, or when the parent has changed, everything is
  killed.
- The *remains* of a task, such as a container of a Docker engine, are no processes of its tree. They are removed then,
  too, by the command that came with the order, unless a task that removes them has ended well before.

Only Linux has /proc and subreapers. Elsewhere the process group stands for the tree: a process that leaves its group
can outlive its task and the cluster.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import termios
import time
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PR_SET_CHILD_SUBREAPER = 36
HEADER = struct.Struct("!I")
#: Seconds that ending everything may take before this process gives up and exits.
LAST_CALL = 4.0
#: Seconds that the removal of remains may take before that.
LAST_REMOVAL = 15.0
#: Seconds that a command may take to end after its remains have been removed, before they are removed again, and how
#: often they are removed.
GRACE_OF_REMOVED, REMOVALS = 0.5, 4
#: The number of bytes of answers that are sent together: about ten answers.
ENOUGH_TO_SEND = 300
#: The maximum number of rounds in which a growing tree is stopped.
STOP_ROUNDS = 100
#: The maximum number of processes of a task without a limit of its own: more than any task needs, fewer than a machine
#: can handle.
MOST_PROCESSES = 4000
#: If the machine has gained that many threads, the processes of each task are counted.
SURGE = 1000
#: Seconds between two counts of processes: usually, and while a task has a limit of its own.
COUNT_INTERVAL, SHORT_COUNT_INTERVAL = 0.25, 0.05
#: Signals that Python ignores, that this process handles, or that are ignored because of how the cluster was started
#: (in the background of a shell, with nohup). In children they have their default handlers.
RESET_SIGNALS = (
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGCHLD,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


class Task:
    """A process that an order has asked for."""

    __slots__ = ("directory", "exceeded", "id", "limit", "pid", "remains", "removes", "sandbox", "tree")

    def __init__(self, order: dict[str, Any], pid: int) -> None:
        self.id: int = order["id"]
        self.pid: int = pid
        self.directory: str | None = order["cwd"]
        self.sandbox: str | None = order["env"].get("MESOS_SANDBOX")
        self.limit: int | None = order["processes"]
        self.remains: str | None = None if order["remains"] is None else order["remains"]["name"]
        self.removes: str | None = order["removes"]
        self.tree: bool = order["tree"]  # whether signals go to the whole tree
        self.exceeded: str | None = None  # why it was killed, if a limit is why


# Starting processes


def find_program(name: str, directories: list[str]) -> str:
    """Returns the first executable file of that name in the directories, or the name itself."""
    if name.startswith("/"):
        return name
    for directory in directories:
        candidate = os.path.join(directory or ".", name)
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    return name


def program_of(order: dict[str, Any], directory: str) -> str:
    """Returns the program of an order. Only an ``exe`` is looked up in the working directory, too."""
    path = order["env"].get("PATH", os.defpath) if order["path"] is None else order["path"]
    name = order["exe"] or order["argv"][0]
    if "/" in name:
        return find_program(name, [directory])
    return find_program(name, [*([directory] if order["exe"] else []), *path.split(":")])


def spawn(order: dict[str, Any], stdio: list[int]) -> int:
    """Starts the process and returns its id.

    posix_spawn is fast. What it cannot do, and what it fails at, is done in a forked child, which reports a failure on
    its stderr and exits with status 1. Raises OSError if no child can be made.
    """
    directory = order["cwd"] or "/"
    program = program_of(order, directory)
    if not (order["rlimits"] or order["ids"] or order["tty"] or order["delay"] or sys.platform == "darwin"):
        with contextlib.suppress(OSError):
            os.chdir(directory)
            return os.posix_spawn(
                program,
                order["argv"],
                order["env"],
                file_actions=[
                    *(stdio_actions(stdio) if stdio else file_actions(*outputs(order))),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=RESET_SIGNALS,
            )
    signal.pthread_sigmask(
        signal.SIG_BLOCK, RESET_SIGNALS
    )  # signals that come before the child has reset them are not lost
    pid = os.fork()
    if pid == 0:
        child(program, directory, order, stdio)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, RESET_SIGNALS)
    return pid


def run_quietly(argv: list[str], environment: dict[str, str]) -> int:
    """Starts a command without input and output, and returns its id. Raises OSError."""
    program = find_program(argv[0], environment.get("PATH", os.defpath).split(":"))
    actions = file_actions("/dev/null", "/dev/null")
    return os.posix_spawn(program, argv, environment, file_actions=actions, setsid=True, setsigdef=RESET_SIGNALS)


def outputs(order: dict[str, Any]) -> tuple[str, str]:
    """Returns the files for stdout and stderr of a process."""
    return ("/dev/null", "/dev/null") if order["cwd"] is None else (order["out"], order["err"])


def file_actions(out: str, err: str) -> list[tuple[Any, ...]]:
    """Returns the actions that open the files of the output. A pipe in the place of a file, which would block, is an
    error.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    return [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, out, flags, 0o644),
        (os.POSIX_SPAWN_OPEN, 2, err, flags, 0o644),
    ]


def stdio_actions(stdio: list[int]) -> list[tuple[Any, ...]]:
    return [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(stdio)]


def child(program: str, directory: str, order: dict[str, Any], stdio: list[int]) -> NoReturn:
    """Runs in the forked child: executes the command, or reports the error and exits with status 1."""
    try:
        os.setsid()
        for name in RESET_SIGNALS:
            signal.signal(name, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, RESET_SIGNALS)
        for number, fd in enumerate(stdio):
            os.dup2(fd, number)
        if not stdio:
            os.dup2(os.open("/dev/null", os.O_RDWR), 0)
            with contextlib.suppress(OSError):
                os.chdir(directory)
            for number, path, flags, mode in (action[1:] for action in file_actions(*outputs(order))[1:]):
                os.dup2(os.open(path, flags, mode), number)
                if order["ids"] and not os.path.isabs(path):
                    os.fchown(number, *order["ids"][1:])
        if order["tty"]:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.chdir(directory)
        for limit, soft, hard in order["rlimits"]:
            unlimited = resource.RLIM_INFINITY
            limits = (unlimited if soft is None else soft, unlimited if hard is None else hard)
            resource.setrlimit(getattr(resource, limit), limits)
        if order["ids"]:
            user, uid, gid = order["ids"]
            os.initgroups(user, gid)
            os.setgid(gid)
            os.setuid(uid)
        time.sleep(order["delay"])
        os.execve(program, order["argv"], order["env"])
    except BaseException as error:  # noqa: BLE001 (whatever it is, this process must not go on as a second supervisor)
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        with contextlib.suppress(OSError):
            os.write(2, f"Failed to execute command: {reason}\n".encode())
    os._exit(1)


# Looking at processes


def children(pid: int) -> list[int]:
    """Returns the ids of the children of a process; none if it is gone."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except OSError:
        return found
    return found


def state_and_session(pid: int) -> tuple[str, int] | None:
    """Returns the letter of a process's state and its session, None if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return fields[0].decode(), int(fields[3])


def read_environment(pid: int) -> dict[bytes, bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            pairs = (entry.partition(b"=") for entry in file.read().split(b"\0"))
    except OSError:
        return {}
    return {name: value for name, _, value in pairs}


def read_directory(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return ""


def total_threads() -> int:
    """Returns the number of threads on the machine, 0 if that is not known."""
    try:
        with open("/proc/loadavg", "rb") as file:
            return int(file.read().split()[3].partition(b"/")[2])
    except OSError:
        return 0


def send_signal(pid: int, number: int) -> None:
    with contextlib.suppress(OSError):  # the process is gone or not ours, or there is no such signal
        os.kill(pid, number)


def ended_children(before_reaping: Callable[[int], None]) -> Iterator[tuple[int, int, resource.struct_rusage]]:
    """Yields (id, wait status, resource usage) of each child that has ended, and reaps it.

    ``before_reaping`` is called with the id while it still is the child's. Not every system has ``waitid``, which can
    look at a child without reaping it (macOS has it since Python 3.13): elsewhere it is called a moment too late.
    """
    while True:
        try:
            if hasattr(os, "waitid"):
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if ended is None:
                    return
                before_reaping(ended.si_pid)
                yield os.wait4(ended.si_pid, 0)
            else:
                pid, status, used = os.wait4(-1, os.WNOHANG)
                if not pid:
                    return
                before_reaping(pid)
                yield pid, status, used
        except ChildProcessError:
            return


class Supervisor:
    """Carries out the cluster's orders until the cluster is gone, then ends everything."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._connection.setblocking(False)
        self._parent = os.getppid()
        self._tasks: dict[int, Task] = {}  # by id
        self._by_pid: dict[int, Task] = {}
        self._owners: dict[int, Task] = {}  # by the id of the orphan: its task
        self._remains: dict[str, dict[str, Any]] = {}  # by name: how it is removed
        self._strays: dict[
            int, set[int]
        ] = {}  # by the id of an orphan of unknown origin: the ids of the tasks that may have started it
        self._input = bytearray()
        self._output = bytearray()  # answers that have not been sent
        self._files: list[int] = []  # descriptors of orders that have not been carried out yet
        self._limited = 0  # the number of tasks with a limit of their own
        self._next_count = 0.0
        self._usual = total_threads()
        self._own_children: int | None = (
            None  # a file in /proc that lists them; kept open because it is read at the end of each task
        )
        with contextlib.suppress(OSError):
            self._own_children = os.open(f"/proc/self/task/{os.getpid()}/children", os.O_RDONLY | os.O_CLOEXEC)
        self._wakeup, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        os.set_blocking(self._wakeup, False)

    def run(self) -> None:
        """Serves the cluster until it is gone, then ends everything."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        try:
            while os.getppid() == self._parent and self._turn(poll):
                pass
        finally:
            self._end_everything()

    def _turn(self, poll: select.poll) -> bool:
        ready = {fd for fd, _ in poll.poll(1000.0 * self._count_interval() if self._tasks else 1000.0)}
        if self._wakeup in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wakeup, 65536)
        open_still = self._connection.fileno() not in ready or self._receive()
        while (order := self._next_order()) is not None:
            self._carry_out(order)
            if len(self._output) > ENOUGH_TO_SEND:
                self._flush()
                open_still = open_still and self._receive()  # so that the cluster never blocks while it sends
        self._reap()
        self._flush()
        self._count()
        return open_still

    # Orders

    def _receive(self) -> bool:
        """Reads what the cluster has sent, and returns False when the cluster is gone."""
        while True:
            try:
                data, files, _, _ = socket.recv_fds(self._connection, 1 << 18, 16)
            except BlockingIOError:
                return True
            except OSError:
                return False
            if not data:
                return False
            for fd in files:
                os.set_inheritable(fd, False)
            self._input += data
            self._files += files

    def _next_order(self) -> dict[str, Any] | None:
        if len(self._input) < HEADER.size:
            return None
        (length,) = HEADER.unpack_from(self._input)
        end = HEADER.size + length
        if len(self._input) < end:
            return None
        order: dict[str, Any] = json.loads(self._input[HEADER.size : end])
        del self._input[:end]
        return order

    def _carry_out(self, order: dict[str, Any]) -> None:
        if order["op"] == "spawn":
            self._spawn(order)
        elif order["op"] == "inherit":
            self._remains.update((remains["name"], remains) for remains in order["remains"])
        elif (task := self._tasks.get(order["id"])) is not None:
            self._kill(task, order["signal"])

    def _spawn(self, order: dict[str, Any]) -> None:
        stdio, self._files = self._files[: order["fds"]], self._files[order["fds"] :]
        try:
            pid = spawn(order, stdio)
        except OSError as error:
            self._send({"id": order["id"], "error": os.strerror(error.errno or errno.EIO)})
        else:
            task = Task(order, pid)
            if task.remains is not None:
                self._remains[task.remains] = order["remains"]
            self._limited += task.limit is not None
            self._tasks[task.id] = self._by_pid[pid] = task
            self._send({"id": task.id, "pid": pid})
        for fd in stdio:
            os.close(fd)

    def _send(self, answer: dict[str, Any]) -> None:
        data = json.dumps(answer).encode()
        self._output += HEADER.pack(len(data)) + data

    def _flush(self) -> None:
        """Sends the answers, and waits until the cluster has read enough of them."""
        while self._output:
            try:
                del self._output[: self._connection.send(self._output)]
            except BlockingIOError:
                select.select((), (self._connection,), ())
            except OSError:  # the cluster is gone: the next read from the socket shows that
                self._output.clear()

    # Ends

    def _reap(self) -> None:
        for pid, status, used in ended_children(self._end_tree_of):
            self._owners.pop(pid, None)
            self._strays.pop(pid, None)
            task = self._by_pid.pop(pid, None)
            if task is not None:
                del self._tasks[task.id]
                self._limited -= task.limit is not None
                if task.removes is not None and status == 0:
                    self._remains.pop(task.removes, None)
                answer: dict[str, Any] = {
                    "id": task.id,
                    "status": status,
                    "user": used.ru_utime,
                    "system": used.ru_stime,
                }
                if task.exceeded is not None:
                    answer["exceeded"] = task.exceeded
                self._send(answer)

    def _end_tree_of(self, pid: int) -> None:
        if pid in self._by_pid:
            self._end_tree(self._by_pid[pid])

    def _end_tree(self, task: Task) -> None:
        """Kills the rest of the tree of a task whose first process has ended.

        That process is not reaped yet (where the system allows that), so its id still names its group and no other.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(task.pid, signal.SIGKILL)
        if self._has_orphans() or self._strays:
            self._stop_and_kill(task)
            for orphan, suspects in list(self._strays.items()):
                suspects.discard(task.id)
                if not suspects:
                    send_signal(orphan, signal.SIGKILL)

    def _has_orphans(self) -> bool:
        """Returns whether this process has more children than it has started."""
        if self._own_children is None:
            return len(children(os.getpid())) > len(self._by_pid)
        at, count = 0, 0
        while data := os.pread(self._own_children, 1 << 16, at):
            at += len(data)
            count += data.count(b" ")  # one after each
        return count > len(self._by_pid)

    def _kill(self, task: Task, number: int) -> None:
        if number == signal.SIGKILL:
            self._stop_and_kill(task)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(task.pid, signal.SIGKILL)
            return
        for pid in (self._members(task) if task.tree else ()) or {task.pid}:
            send_signal(pid, number)

    def _stop_and_kill(self, task: Task) -> None:
        """Stops the tree, so that it cannot grow, and kills it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(task.pid, signal.SIGSTOP)  # at once all except those that have left the group
        stopped: set[int] = set()
        for _ in range(STOP_ROUNDS):
            fresh = self._members(task) - stopped
            if not fresh:
                break
            for pid in fresh:
                send_signal(pid, signal.SIGSTOP)
            stopped |= fresh
        for pid in stopped:
            send_signal(pid, signal.SIGKILL)

    def _members(self, task: Task, at_most: int | None = None) -> set[int]:
        """Returns the processes of the task's tree, including those that have left its session and lost their parent.
        It stops after ``at_most``.
        """
        self._adopt()
        found: set[int] = set()
        todo = [task.pid, *(pid for pid, owner in self._owners.items() if owner is task)]
        while todo and len(found) != at_most:
            pid = todo.pop()
            if pid not in found:
                found.add(pid)
                todo += children(pid)
        return found

    def _adopt(self) -> None:
        """Finds the task of each orphan that was handed to this process."""
        for pid in children(os.getpid()):
            if pid in self._by_pid or pid in self._owners or pid in self._strays:
                continue
            found = state_and_session(pid)
            if found is None or found[0] == "Z":
                continue
            owner = self._owner(pid, found[1])
            if owner is not None:
                self._owners[pid] = owner
            else:
                self._strays[pid] = set(self._tasks)

    def _owner(self, pid: int, session: int) -> Task | None:
        if session in self._by_pid:
            return self._by_pid[session]
        sandbox = os.fsdecode(read_environment(pid).get(b"MESOS_SANDBOX", b""))
        directory = read_directory(pid)
        for task in self._tasks.values():
            if task.sandbox is not None and sandbox == task.sandbox:
                return task
            if task.directory is not None and directory.startswith(task.directory):
                return task
        return None

    # Limits

    def _count_interval(self) -> float:
        return SHORT_COUNT_INTERVAL if self._limited else COUNT_INTERVAL

    def _count(self) -> None:
        """Kills the tasks that have too many processes."""
        now = time.monotonic()
        if not self._tasks or now < self._next_count:
            return
        total = total_threads()
        surge = total > self._usual + SURGE
        self._usual = total if surge else min(total, self._usual)
        if surge or self._limited:
            for task in list(self._tasks.values()):
                limit = MOST_PROCESSES if task.limit is None else task.limit
                if task.exceeded is not None or not (surge or task.limit is not None):
                    continue
                if len(self._members(task, limit + 1)) > limit:
                    task.exceeded = f"more than {limit} processes"
                    self._kill(task, signal.SIGKILL)
        self._next_count = time.monotonic() + self._count_interval()

    # The end

    def _remove_remains(self) -> None:
        """Removes the remains, repeatedly until the commands that make them have ended: a command that is just about to
        make one must not do so after the removal.
        """
        for task in self._by_pid.values():
            if task.remains is None:
                self._stop_and_kill(task)
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for remains in self._remains.values():
            groups.setdefault(tuple(remains["argv"]), []).append(remains)
        deadline = time.monotonic() + LAST_REMOVAL
        for _ in range(REMOVALS):
            removers = set()
            for argv, group in groups.items():
                with contextlib.suppress(OSError):
                    removers.add(run_quietly([*argv, *(remains["name"] for remains in group)], group[0]["env"]))
            self._outlast(removers, deadline)
            waiting = {task.pid for task in self._by_pid.values() if task.remains in self._remains}
            if (
                self._outlast(waiting, min(deadline, time.monotonic() + GRACE_OF_REMOVED))
                or time.monotonic() > deadline
            ):
                return

    def _outlast(self, pids: set[int], deadline: float) -> bool:
        """Waits until those children have ended, removes them from ``pids``, and returns whether all ended in time."""
        while pids and time.monotonic() < deadline:
            try:
                ended, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            pids.discard(ended)
            self._by_pid.pop(ended, None)
            if not ended:
                time.sleep(0.002)
        return not pids

    def _end_everything(self) -> None:
        if self._remains:
            self._remove_remains()
        deadline = time.monotonic() + LAST_CALL
        while time.monotonic() < deadline:
            for task in list(self._by_pid.values()):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(task.pid, signal.SIGKILL)
            todo = [os.getpid()]
            found: set[int] = set()
            while todo:
                offspring = set(children(todo.pop())) - found
                found |= offspring
                todo += offspring
            for pid in found:
                send_signal(pid, signal.SIGKILL)
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            time.sleep(0.002)


def take_precedence() -> None:
    """Gives this process real-time priority if it may have it. Children do not inherit it. So the process that ends a
    fork bomb does not compete with the bomb for the CPU.
    """
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


def main() -> None:
    """Runs the program. Its only argument is the descriptor of the socket."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        take_precedence()
    os.umask(0o022)
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    Supervisor(connection).run()


if __name__ == "__main__":
    main()
