"""A real Docker engine, where the tests can start one: Debian's, unpacked by ``make docker``, or the machine's; as root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0
UNPACKED = Path(__file__).resolve().parents[2] / ".docker"
PATH = os.pathsep.join([*(str(UNPACKED / name) for name in ("usr/sbin", "usr/bin", "bin")), os.environ["PATH"]])
IMAGE = "pymesoskit/busybox:test"


@frozen
class RealEngine:
    """An engine that has one image: Debian's busybox, and nothing else."""

    program: str
    socket: str
    image: str = IMAGE

    def docker(self, *arguments: str) -> str:
        """What docker prints."""
        command = [self.program, "-H", f"unix://{self.socket}", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout

    def containers(self) -> list[str]:
        """The names of all containers, of those that have ended too."""
        return self.docker("ps", "-a", "--format", "{{.Names}}").split()

    @property
    def flags(self) -> dict[str, str]:
        """Those of an agent that uses it."""
        return {"containerizers": "docker,mesos", "docker": self.program, "docker_socket": self.socket}


@pytest.fixture(scope="session")
def engine() -> Iterator[RealEngine]:
    """An engine of the tests' own. It touches neither the machine's network nor its other engines."""
    programs = {name: shutil.which(name, path=PATH) for name in ("docker", "dockerd", "containerd", "runc", "busybox")}
    missing = [name for name, path in programs.items() if path is None]
    if missing or os.geteuid() != 0:
        why = f"no {', '.join(missing)} (make docker)" if missing else "only root can start one"
        pytest.skip(f"Docker engine: {why}")
    # Sockets lie deep below this directory, and their paths must be short.
    with tempfile.TemporaryDirectory(prefix="dockerd-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        engine = RealEngine(str(programs["docker"]), str(directory / "docker.sock"))
        command = [str(programs["dockerd"]), "--host", f"unix://{engine.socket}", "--data-root", f"{name}/data"]
        command += ["--exec-root", f"{name}/exec", "--pidfile", f"{name}/pid", "--storage-driver", "vfs"]
        command += ["--bridge", "none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]
        (directory / "config").write_text(json.dumps({"deprecated-key-path": f"{name}/key.json"}))
        command += ["--config-file", f"{name}/config"]
        with (directory / "log").open("w") as log:
            daemon = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "PATH": PATH},
            )
        try:
            wait_until_it_answers(engine, daemon, directory / "log")
            engine.docker("import", str(root_file_system(str(programs["busybox"]), directory)), engine.image)
            yield engine
        finally:
            daemon.terminate()
            daemon.wait(PATIENCE)
            for mount in (directory / "exec" / "netns").glob("*"):
                subprocess.run(["umount", str(mount)], check=False)


def wait_until_it_answers(engine: RealEngine, daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            engine.docker("version")
        except subprocess.CalledProcessError:
            assert daemon.poll() is None, f"dockerd has ended\n{log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"dockerd does not answer\n{log.read_text()[-2000:]}"
        else:
            return


def root_file_system(busybox: str, directory: Path) -> Path:
    """An archive with busybox and the names that it goes by."""
    names = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    path = directory / "root.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(busybox, "bin/busybox")
        for name in names:
            if name != "busybox":
                link = tarfile.TarInfo(f"bin/{name}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
    return path
