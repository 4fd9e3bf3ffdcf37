"""A cluster as its own process, and the interpreter that has the foreign clients."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).resolve().parent / "programs"


FOREIGN = ROOT / ".foreign"  # made by `make foreign`


@pytest.fixture(scope="session")
def foreign_python() -> str:
    """A Python with pymesos and others."""
    python = FOREIGN / "python" / "bin" / "python"
    if not python.exists():
        pytest.skip("foreign clients in Python: no .foreign/python (make foreign; it needs a Python 3.8 to 3.10)")
    return str(python)


@pytest.fixture(scope="session")
def toil_python() -> str:
    """A Python with the workflow engine toil."""
    python = FOREIGN / "toil" / "bin" / "python"
    if not python.exists():
        pytest.skip("toil: no .foreign/toil (make foreign; it needs a Python 3.10)")
    return str(python)


@pytest.fixture(scope="session")
def mesos_go() -> str:
    """A scheduler built on mesos-go."""
    program = FOREIGN / "mesos_go"
    if not program.exists():
        pytest.skip("mesos-go: no .foreign/mesos_go (make foreign; it needs Go and Debian's package of mesos-go)")
    return str(program)


@pytest.fixture(scope="session")
def node_directory() -> Path:
    """Where mesos-framework for Node.js is installed."""
    directory = FOREIGN / "node"
    if not (directory / "node_modules" / "mesos-framework").exists():
        pytest.skip("mesos-framework: no .foreign/node (make foreign; it needs npm)")
    return directory


@pytest.fixture(scope="session")
def mesos_cli() -> str:
    """The command-line tool of avmesos-cli, which wants to find its own Python first on PATH."""
    program = FOREIGN / "mesos-cli" / "bin" / "mesos-cli"
    if not program.exists():
        pytest.skip("avmesos-cli: no .foreign/mesos-cli (make foreign; it needs a Python 3.12 or newer)")
    return str(program)


@contextmanager
def running_cluster(directory: Path, *options: str) -> Iterator[str]:
    """HOST:PORT of a master with two agents, of racks r1 and r2, started as any program would start it."""
    command = [sys.executable, "-m", "pymesoskit", "cluster", "--port", "0", "--work-dir", str(directory / "work")]
    for rack in ("r1", "r2"):
        command += ["--agent", f"cpus:4;mem:4096;disk:10000;ports:[31000-32000]@rack:{rack}"]
    command += ["--master-flag", "allocation_interval=100ms", *options]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening on http://"), (line, (directory / "log").read_text())
        yield line.removeprefix("listening on http://").strip()
    finally:
        process.send_signal(signal.SIGTERM)
        code = process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
    assert code == 0, (directory / "log").read_text()


@pytest.fixture
def cluster_address(tmp_path: Path) -> Iterator[str]:
    """HOST:PORT of the master of a running cluster."""
    with running_cluster(tmp_path) as address:
        yield address


def run_client(command: list[str], directory: Path, **variables: str) -> str:
    """Runs a client and returns its output; fails with it unless it exits with 0."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MESOS"))}
    environment |= variables
    done = subprocess.run(
        command,
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}"
    return done.stdout


@pytest.fixture
def run_foreign(foreign_python: str, tmp_path: Path) -> Callable[..., str]:
    """Runs a program of programs/ with the foreign Python."""

    def run(program: str, *arguments: str) -> str:
        return run_client([foreign_python, str(PROGRAMS / program), *arguments], tmp_path)

    return run
