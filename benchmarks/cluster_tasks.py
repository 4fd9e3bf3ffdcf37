"""(e) Whole lives of tasks: launched, RUNNING, FINISHED, each update acknowledged, by the SDK's own driver.

Simulated tasks show what the cluster itself costs; `true` as real processes stands beside a bare fork/exec/wait loop.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from typing import TYPE_CHECKING

from benchmarks.harness import Row
from pymesoskit.scheduler import OfferPool, Scheduler, SchedulerDriver, command_task
from pymesoskit.testing.cluster.cluster import Cluster
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TASK = "cpus:0.1;mem:32"
AGENT = "cpus:1000;mem:1000000;disk:100000;ports:[31000-32000]"


class Launcher(Scheduler):
    """Launches so many tasks, evenly over the agents, and waits for their ends."""

    def __init__(self, tasks: int, agents: int, command: str) -> None:
        self.left = self.running = tasks
        self.per_agent = -(-tasks // agents)
        self.command = command
        self.finished = 0
        self.ended = threading.Event()

    def offers(self, driver: SchedulerDriver, offers: Sequence[mesos.Offer]) -> None:
        for offer in offers:
            pool = OfferPool(offer)
            tasks = []
            while self.left and len(tasks) < self.per_agent:
                resources = pool.take(TASK)
                if resources is None:
                    break
                tasks.append(command_task(self.command, resources, offer))
                self.left -= 1
            if tasks:
                driver.launch(offer, tasks, refuse_seconds=1e6)
            else:
                driver.decline(offer, refuse_seconds=1e6)

    def update(self, driver: SchedulerDriver, status: mesos.TaskStatus) -> None:
        if status.state == mesos.TASK_FINISHED:
            self.finished += 1
            if self.finished == self.running:
                self.ended.set()
        elif status.state not in {mesos.TASK_STARTING, mesos.TASK_RUNNING}:
            raise AssertionError(status)


def run(quick: bool) -> Iterable[Row]:
    tasks, agents, rounds = (500, 10, 1) if quick else (10_000, 100, 5)
    for http in (False, True):
        rate = statistics.median(simulated(tasks, agents, http=http) for _ in range(rounds))
        way = "HTTP" if http else "in-process"
        yield Row(f"{tasks:,} simulated tasks on {agents} agents, {way}", rate, "tasks/s")
    tasks = 50 if quick else 500
    bare = statistics.median(fork_exec(tasks) for _ in range(rounds))
    rate = statistics.median(real(tasks) for _ in range(rounds))
    yield Row(f"{tasks} × `true` as a real process, HTTP", rate, "tasks/s", bare, "fork/exec loop", "≥ 60 %")


def simulated(tasks: int, agents: int, *, http: bool) -> float:
    """Tasks per second, from the subscription to the last acknowledgement."""
    with Cluster([AGENT] * agents, http=http, simulated={}) as cluster:
        return drive(cluster, Launcher(tasks, agents, "true"), http=http)


def real(tasks: int) -> float:
    """Tasks per second on one agent."""
    with Cluster([AGENT]) as cluster:
        drive(cluster, Launcher(1, 1, "true"), http=True)  # the process that starts processes is there
        return drive(cluster, Launcher(tasks, 1, "true"), http=True)


def drive(cluster: Cluster, launcher: Launcher, *, http: bool) -> float:
    framework = mesos.FrameworkInfo(user="root", name="tasks")
    if http:
        driver = SchedulerDriver(launcher, framework, cluster.address)
    else:
        driver = SchedulerDriver(launcher, framework, cluster.address, transport=cluster.transport)
    begin = time.perf_counter()
    driver.start()
    if not launcher.ended.wait(300):
        raise RuntimeError(f"{launcher.finished} of {launcher.running} tasks finished\n{cluster.story()}")
    took = time.perf_counter() - begin
    driver.stop()
    driver.join()
    return launcher.running / took


def fork_exec(count: int) -> float:
    """Processes per second of a loop that starts `sh -c true` and waits for it."""
    begin = time.perf_counter()
    for _ in range(count):
        child = os.posix_spawn("/bin/sh", ["sh", "-c", "true"], os.environ)
        os.waitpid(child, 0)
    return count / (time.perf_counter() - begin)
