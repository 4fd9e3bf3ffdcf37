"""A real cluster with real processes, a framework that launches what the test says, and a client of its HTTP."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from pymesoskit.scheduler import Scheduler, SchedulerDriver, command_task, is_terminal, state_name
from pymesoskit.testing.cluster.cluster import Cluster
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pymesoskit.testing.cluster.cluster import ClusterAgent

PATIENCE = 60.0


class Launcher(Scheduler):
    """Puts the tasks that wait on the offers that come; keeps all statuses."""

    def __init__(self, most: int) -> None:
        self.most = most  # tasks on one offer
        self.waiting: list[Callable[[mesos.Offer], mesos.TaskInfo]] = []
        self.statuses: dict[str, list[mesos.TaskStatus]] = defaultdict(list)
        self.ended: set[str] = set()

    def offers(self, driver: SchedulerDriver, offers: Sequence[mesos.Offer]) -> None:
        for offer in offers:
            tasks = []
            while self.waiting and len(tasks) < self.most:
                tasks.append(self.waiting.pop(0)(offer))
            if tasks:
                driver.launch(offer, tasks, refuse_seconds=0)
            else:
                driver.decline(offer, refuse_seconds=0)

    def update(self, driver: SchedulerDriver, status: mesos.TaskStatus) -> None:
        self.statuses[status.task_id.value].append(status)
        if is_terminal(status):
            self.ended.add(status.task_id.value)


class World:
    """The cluster of a test with a framework on it."""

    def __init__(self, *, checkpoint: bool = False, most: int = 1000, **options: Any) -> None:
        self.checkpoint = checkpoint
        options.setdefault("agents", ["cpus:64;mem:65536;disk:65536;ports:[31000-32000]"])
        flags = {"allocation_interval": "50ms", **options.pop("master_flags", {})}
        self.cluster = Cluster(master_flags=flags, **options)
        self.launcher = Launcher(most)

    def __enter__(self) -> Self:
        self.cluster.start()
        framework = mesos.FrameworkInfo(user="root", name="limits", checkpoint=self.checkpoint, failover_timeout=60)
        self.driver = SchedulerDriver(self.launcher, framework, self.cluster.address)
        self.driver.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.disconnect()
        self.driver.join(60)  # what it has said is answered, so nothing of it is left
        self.cluster.stop()

    @property
    def agent(self) -> ClusterAgent:
        return self.cluster.agents[0]

    # Tasks

    def launch(
        self,
        name: str,
        command: str | mesos.CommandInfo,
        resources: str = "cpus:0.1;mem:32;disk:1",
        **fields: Any,
    ) -> None:
        def make(offer: mesos.Offer) -> mesos.TaskInfo:
            info = command_task(command, resources, offer, task_id=name)
            info.MergeFrom(mesos.TaskInfo(**fields))
            return info

        self.launcher.waiting.append(make)

    def wait(self, name: str, *states: str) -> mesos.TaskStatus:
        """The status that says so, or the last one."""

        def found() -> mesos.TaskStatus | None:
            statuses = list(self.launcher.statuses.get(name, ()))
            return next((s for s in statuses if state_name(s) in states or is_terminal(s)), None)

        until(found, f"task {name} to be {states}: {self.launcher.statuses.get(name)}")
        status = found()
        assert status is not None
        assert state_name(status) in states, status
        return status

    def end(self, name: str) -> mesos.TaskStatus:
        """The terminal status."""
        until(lambda: name in self.launcher.ended, f"task {name} to end")
        return self.launcher.statuses[name][-1]

    def sandbox(self, name: str) -> Path:
        """The sandbox of a command task."""
        work_dir = self.agent._member.stage.work_dir
        assert work_dir is not None
        pattern = f"agent-*/slaves/*/frameworks/*/executors/{name}/runs/latest"
        until(lambda: any(work_dir.glob(pattern)), f"the sandbox of {name}")
        return next(work_dir.glob(pattern)).resolve()

    def pids(self, name: str, count: int, file: str = "pids") -> list[int]:
        """The pids that the task writes into a file of its sandbox."""
        return pids_in(self.sandbox(name) / file, count)

    # HTTP

    def get(self, endpoint: str, /, **query: object) -> tuple[int, bytes]:
        """GET of the agent."""
        target = endpoint + ("?" + "&".join(f"{k}={quote(str(v), safe='')}" for k, v in query.items()) if query else "")
        return self.request("GET", target)

    def get_json(self, endpoint: str, /, **query: object) -> Any:
        status, body = self.get(endpoint, **query)
        assert status == 200, body
        return json.loads(body)

    def request(self, method: str, target: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.agent._member.host, self.agent.port, timeout=PATIENCE)
        try:
            connection.request(method, target, body, {k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def until(condition: Callable[[], object], what: str = "the condition", patience: float = PATIENCE) -> None:
    """Waits until it holds."""
    deadline = time.monotonic() + patience
    never = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"timed out waiting for {what}"
        never.wait(0.005)  # others are to have the processor meanwhile


def pids_in(file: Path, count: int) -> list[int]:
    """The pids in a file, once there are so many."""

    def read() -> list[int]:
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        return [int(line) for line in lines if line.endswith("\n")]

    until(lambda: len(read()) >= count, f"{count} pids in {file.name}")
    return read()


def alive(pids: Iterable[int]) -> list[int]:
    """Those that are still there and no zombies."""

    def lives(pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    return [pid for pid in pids if lives(pid)]
