"""The log that a master or an agent writes of its own: a file under ``--log_dir``, and how much goes into it.

The cluster's history (``history.py``) tells of all processes and forgets; a log is one process's and stays. It is in
the form of Mesos's (glog's) logs, with the cluster's time (UTC), and ``/files`` shows it as ``/master/log`` or
``/slave/log``. Source: docs/reference/operator-api.md 3.2 and 3.4.
"""

from __future__ import annotations

import os
import pwd
from itertools import count
from time import gmtime, strftime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pymesoskit.testing.runtime.clock import Timer

#: How many characters of a text are written: it may repeat what a client sent.
_TEXT_LIMIT = 2000

_LINES = "[IWEF]mmdd hh:mm:ss.uuuuuu process] msg"


class LogFile:
    """The file of one life of a process, ``<program>.<host>.<user>.log.<severity>.<time>.<pid>``, and the link
    ``<program>.<severity>`` to the newest one. What is written is in the file at once.

    ``severity`` is the least that is written: ``INFO``, ``WARNING`` or ``ERROR``. Raises ``OSError``.
    """

    def __init__(self, directory: Path, program: str, host: str, severity: str, now: Callable[[], float]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        directory = directory.resolve()
        self._now = now
        self._silent = severity != "INFO"  # what processes tell is information
        began = now()
        name = f"{program}.{host}.{_user()}.log.{severity}.{_time(began, '%Y%m%d-%H%M%S')}.{os.getpid()}"
        self._file: int | None = None
        self.path: Path
        self.path, self._file = _open_new(directory, name)
        link = directory / f"{program}.{severity}"
        link.unlink(missing_ok=True)
        link.symlink_to(self.path.name)
        self._put(f"Log file created at: {_time(began, '%Y/%m/%d %H:%M:%S')}")
        self._put(f"Running on machine: {host}")
        self._put(f"Log line format: {_LINES}")

    def write(self, text: str) -> None:
        """Adds what the process tells; a text of several lines is one entry. Ignored when the file is closed."""
        if not self._silent:
            moment = self._now()
            if len(text) > _TEXT_LIMIT:
                text = f"{text[:_TEXT_LIMIT]}… ({len(text)} characters)"
            self._put(f"I{_time(moment, '%m%d %H:%M:%S')}.{int(moment % 1 * 1e6):06} {os.getpid()}] {text}")

    def close(self) -> None:
        """The process has ended; the file stays."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _put(self, line: str) -> None:
        if self._file is not None:
            os.write(self._file, f"{line}\n".encode("utf-8", "backslashreplace"))


def _open_new(directory: Path, name: str) -> tuple[Path, int]:
    """A file that was not there before: processes of one cluster share their pid, and may begin in the same second."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    for number in count():
        path = directory / (f"{name}-{number}" if number else name)
        try:
            return path, os.open(path, flags, 0o644)
        except FileExistsError:
            continue
    raise AssertionError("numbers do not end")


def _time(moment: float, form: str) -> str:
    return strftime(form, gmtime(moment))


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


class ProcessLog:
    """What a process logs: to a file, if it has one, and more of it while operators want more.

    ``call_later`` (seconds, callback) makes timers that end with the process.
    """

    def __init__(self, call_later: Callable[[float, Callable[[], None]], Timer], file: LogFile | None) -> None:
        self._call_later = call_later
        self._file = file
        self._timer: Timer | None = None
        self.level: int = 0

    @property
    def path(self) -> Path | None:
        """The file, None if there is none."""
        return self._file.path if self._file is not None else None

    def write(self, text: str, level: int = 0) -> None:
        """Logs a text that is of interest from that level on."""
        if self._file is not None and level <= self.level:
            self._file.write(text)

    def raise_to(self, level: int, duration: float) -> None:
        """Sets the level for that many seconds; then it is 0 again."""
        if self._timer is not None:
            self._timer.cancel()
        self.level = level
        self._timer = self._call_later(duration, self._reset)

    def _reset(self) -> None:
        self.level = 0
        self._timer = None
