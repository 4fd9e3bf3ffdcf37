"""What the examples' tests share: programs as processes, and waiting for what they print or answer."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import requests

T = TypeVar("T")

AGENT = "cpus:4;mem:4096;disk:10000;ports:[31000-32000]"


def wait_for(what: str, probe: Callable[[], T], timeout: float = 30.0) -> T:
    """Asks until the answer is true, and returns it."""
    deadline = time.monotonic() + timeout
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"no {what} within {timeout:g} s; the last answer was {answer!r}")
        time.sleep(0.05)


def http(method: str, url: str, **options: Any) -> requests.Response:
    """One request with neither the proxies nor the netrc of the environment, as the driver makes its own."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=10, **options)


class Program:
    """A program that prints `listening on http://…` and then serves until it is ended."""

    def __init__(
        self, arguments: list[str], log: Path, directory: Path | None = None, *, control: bool = False
    ) -> None:
        self.log = log
        with log.open("a") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                stdin=subprocess.PIPE if control else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=directory,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"},
            )
        line = self.read_line()
        if not line.startswith("listening on "):
            self.end(signal.SIGKILL)
            raise AssertionError(f"{arguments[0]} printed {line!r} where it should listen; its log:\n{log.read_text()}")
        self.url = line.removeprefix("listening on ").strip()
        self.address = self.url.removeprefix("http://")

    def read_line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def control(self, command: str) -> None:
        """A command of `python -m pymesoskit cluster --control`."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.read_line().strip()
        assert answer == "ok", f"{command}: {answer}"

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ends it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)  # faulthandler writes where each thread is
            self.process.wait(20)
            raise AssertionError(f"it did not end within 20 s of signal {number}:\n{self.log.read_text()}") from None
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
        return code

    def get(self, path: str) -> Any:
        answer = http("GET", self.url + path)
        answer.raise_for_status()
        return answer.json()


@contextlib.contextmanager
def cluster(directory: Path, agents: int = 2, **flags: str) -> Iterator[Program]:
    """A cluster as a process of its own, which ends in good order."""
    arguments = ["pymesoskit", "cluster", "--port", "0", "--work-dir", str(directory / "cluster"), "--control"]
    arguments += ["--agent", AGENT] * agents
    for name, value in {"allocation_interval": "100ms", **flags}.items():
        arguments += ["--master-flag", f"{name}={value}"]
    program = Program(arguments, directory / "cluster.log", control=True)
    try:
        yield program
    finally:
        code = program.end()
    assert code == 0, program.log.read_text()
