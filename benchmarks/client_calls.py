"""Calls out: acknowledgements, DECLINE and ACCEPT over a socket to a stub master that is a process of its own.

pymesos waits for the answer of each call; here calls are pipelined on one connection and only the last is waited for,
after which all have been answered.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

from benchmarks.harness import ROUNDS, Row
from benchmarks.peers import ABSENT, ROOT, pymesos
from pymesoskit.scheduler import Scheduler, SchedulerDriver, command_task
from pymesoskit.wire import JSON, PROTOBUF, Codec
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FRAMEWORK = mesos.FrameworkInfo(user="u", name="n")


@contextlib.contextmanager
def stub_master(codec: Codec, updates: int = 0) -> Iterator[str]:
    """The address of a stub master."""
    kind = "json" if codec is JSON else "protobuf"
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.peers.stub_master", kind, str(updates)], stdout=subprocess.PIPE, cwd=ROOT
    )
    try:
        assert process.stdout is not None
        yield f"127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Updates(Scheduler):
    def __init__(self, expected: int) -> None:
        self.seen = 0
        self.expected = expected
        self.begun = 0.0
        self.done = threading.Event()

    def update(self, driver: SchedulerDriver, status: mesos.TaskStatus) -> None:
        if not self.seen:
            self.begun = time.perf_counter()
        self.seen += 1
        if self.seen == self.expected:
            self.done.set()


def acknowledged(codec: Codec, count: int) -> float:
    """Updates per second until all are acknowledged and the answers are there."""
    updates = Updates(count)
    with stub_master(codec, count) as address:
        driver = SchedulerDriver(updates, FRAMEWORK, address, content_type=codec).start()
        assert updates.done.wait(120)
        driver.revive().result(120)  # in order: all acknowledgements are answered before
        took = time.perf_counter() - updates.begun
        driver.disconnect()
        driver.join(30)
    return count / took


def declines(driver: SchedulerDriver, count: int) -> None:
    """DECLINE of so many offers, one call each."""
    pending = None
    for number in range(count):
        pending = driver.decline(f"54ef2c9d-bce8-4e27-8133-2a9770b3cd92-O{number}")
    assert pending is not None
    pending.result(120)


def accepts(driver: SchedulerDriver, count: int) -> None:
    """ACCEPT of so many offers, one call each, each with a command task made beforehand, as for pymesos."""
    task = command_task("true", "cpus:0.1;mem:32", "a", task_id="t")
    pending = None
    for number in range(count):
        pending = driver.launch(f"54ef2c9d-bce8-4e27-8133-2a9770b3cd92-O{number}", task)
    assert pending is not None
    pending.result(120)


def calls(codec: Codec, make: Callable[[SchedulerDriver, int], None], count: int) -> float:
    """Calls per second."""
    with stub_master(codec) as address, SchedulerDriver(Scheduler(), FRAMEWORK, address, content_type=codec) as driver:
        driver.wait_until_subscribed(30)
        make(driver, count // 10)
        begin = time.perf_counter()
        make(driver, count)
        return count / (time.perf_counter() - begin)


def median(measure: Callable[[], float | None], rounds: int) -> float | None:
    figures = [figure for _ in range(rounds) if (figure := measure()) is not None]
    return statistics.median(figures) if figures else None


def peer(what: str, count: int) -> float | None:
    """The same of pymesos."""
    with stub_master(JSON, count if what == "acknowledge" else 0) as address:
        return pymesos(what, address, count)


def run(quick: bool) -> Iterable[Row]:
    """Updates with acknowledgement, DECLINE and ACCEPT, per second."""
    count, peer_count, rounds = (2_000, 500, 1) if quick else (50_000, 10_000, ROUNDS)
    cases: list[tuple[str, str, Callable[[Codec], float], str]] = [
        ("UPDATE and ACKNOWLEDGE", "acknowledge", lambda codec: acknowledged(codec, count), "≥ 5×"),
        ("DECLINE", "decline", lambda codec: calls(codec, declines, count), "≥ 3×"),
        ("ACCEPT of one task", "accept", lambda codec: calls(codec, accepts, count), "≥ 3×"),
    ]
    for what, peer_name, measure, aim in cases:
        theirs = median(lambda name=peer_name: peer(name, peer_count), rounds)  # type: ignore[misc]
        for label, codec in (("protobuf", PROTOBUF), ("JSON", JSON)):
            figure = median(lambda codec=codec, measure=measure: measure(codec), rounds)  # type: ignore[misc]
            assert figure is not None
            name = "pymesos" if theirs else ABSENT
            yield Row(f"{what}, {label}", figure, "calls/s", theirs, name, aim if codec is PROTOBUF else "")
