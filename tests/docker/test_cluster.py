"""What is left of a cluster's containers when it ends: nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.agent.docker_engine import FakeEngine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.docker.conftest import RealEngine

PROGRAM = Path(__file__).with_name("program.py")
PATIENCE = 30.0


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeEngine]:
    engine = FakeEngine(tmp_path)
    yield engine
    engine.close()


def end_cluster(image: str, flags: dict[str, str], end: str) -> None:
    """Runs a cluster with a Docker task in a process of its own, and ends that as told."""
    command = [sys.executable, str(PROGRAM), image, *(f"{name}={value}" for name, value in flags.items())]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "running\n"
        if end == "stop":
            process.stdin.close()
            assert process.wait(PATIENCE) == 0
        else:
            process.send_signal(signal.SIGKILL)


def until(condition: Callable[[], object]) -> None:
    """What ends by itself, in a process that nobody tells of it."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be"


@pytest.mark.parametrize("end", ["stop", "SIGKILL"])
def test_no_container_outlives_its_cluster(fake: FakeEngine, end: str) -> None:
    flags = {"containerizers": "docker,mesos", "docker": str(fake.program), "docker_socket": str(fake.socket)}
    end_cluster("alpine", flags, end)
    until(lambda: not fake.containers)


@pytest.mark.parametrize("end", ["stop", "SIGKILL"])
def test_no_container_of_a_real_engine_outlives_its_cluster(engine: RealEngine, end: str) -> None:
    before = set(engine.containers())
    end_cluster(engine.image, engine.flags, end)
    until(lambda: set(engine.containers()) <= before)
