"""Tasks through a whole cluster: scheduler, master, agents and back, each update acknowledged.

Real processes stand beside a loop that forks, executes and waits for the same program; simulated ones show that a task
costs the same at 1,000 as at 100,000, and what memory it takes. Simulated clusters run in virtual time in the caller's
thread, so nothing overlaps: the figures are all the work there is.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.flood import Flood, agents, drain
from benchmarks.harness import Row
from benchmarks.peers import ROOT
from pymesoskit.scheduler import SchedulerDriver
from pymesoskit.testing.cluster.cluster import BaseCluster, Cluster, SimulatedCluster
from pymesoskit.testing.engine.agent import Outcome
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable

PATIENCE = 600.0
#: A file system in memory, where there is one: the bare loop makes no files either.
IN_MEMORY = "/dev/shm"
TRUE = mesos.CommandInfo(shell=False, value="true", arguments=["true"])

_BARE_LOOP = """
import os, sys, time
count, way = int(sys.argv[1]), sys.argv[2]
environment = {"PATH": os.environ["PATH"]}
began = time.perf_counter()
for _ in range(count):
    if way == "spawn":
        pid = os.posix_spawnp("true", ["true"], environment, setsid=True)
    else:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            os.execvpe("true", ["true"], environment)
    os.waitpid(pid, 0)
print(count / (time.perf_counter() - began))
"""


def bare(count: int, way: str) -> float:
    """Processes per second of a loop in a small Python that starts ``true`` and waits for it."""
    command = [sys.executable, "-I", "-S", "-c", _BARE_LOOP, str(count), way]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def flood(cluster: BaseCluster, count: int) -> float:
    """Tasks per second from the first offer to the last acknowledgement."""
    states: Counter[str] = Counter()
    load = Flood(count, TRUE, states)
    framework = mesos.FrameworkInfo(user="root", name="flood")
    began = time.perf_counter()
    driver = SchedulerDriver(load, framework, cluster.address, transport=cluster.transport)
    driver.start()
    drain(cluster, driver, load, PATIENCE)
    took = time.perf_counter() - began
    driver.stop()
    if isinstance(cluster, Cluster):
        driver.join()  # in virtual time there is nothing to wait for
    if states["TASK_FINISHED"] != count:
        raise RuntimeError(f"{states['TASK_FINISHED']} of {count} tasks finished: {dict(states)}")
    return count / took


def real(count: int, directory: str | None) -> float:
    """Tasks per second as real processes on 10 agents, with sandboxes below the directory (None: the usual one)."""
    with (
        tempfile.TemporaryDirectory(dir=directory) as work_dir,
        Cluster(agents(10, -(-count // 10)), http=False, work_dir=work_dir) as cluster,
    ):
        return flood(cluster, count)


def simulated(count: int, agent_count: int, run_time: float = 1.0) -> float:
    """Tasks per second, simulated, that each run for that much of virtual time."""
    outcome = Outcome.finishes(run_time)
    with SimulatedCluster(agents(agent_count, -(-count // agent_count)), simulated=lambda _: outcome) as cluster:
        return flood(cluster, count)


_MEASURE = """
import resource, sys
from benchmarks.agent_scale import *
agent_count, count = map(int, sys.argv[1:])
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
outcome = Outcome.finishes(1.0)
room = max(1, -(-count // agent_count))
with SimulatedCluster(agents(agent_count, room), simulated=lambda _: outcome) as cluster:
    ready = peak()
    rate = flood(cluster, count) if count else 0.0
    print(before, ready, peak(), rate)
"""


def measured(agent_count: int, count: int) -> tuple[float, float, float]:
    """Of a process of its own: KiB per agent, KiB per task at the peak, tasks per second."""
    command = [sys.executable, "-c", _MEASURE, str(agent_count), str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    before, ready, peak, rate = map(float, done.stdout.split())
    return (ready - before) / agent_count, (peak - ready) / count, rate


def run(quick: bool) -> Iterable[Row]:
    """The table's rows."""
    count, rounds = (100, 1) if quick else (1000, 5)
    spawn = statistics.median(bare(count, "spawn") for _ in range(rounds))
    fork = statistics.median(bare(count, "fork") for _ in range(rounds))
    for directory, where in ((IN_MEMORY, "sandboxes in memory"), (None, "sandboxes on disk")):
        if directory is None or Path(directory).is_dir():
            rate = statistics.median(real(count, directory) for _ in range(rounds))
            what = f"true as {count:,} tasks on 10 agents, {where}"
            yield Row(what, rate, "tasks/s", fork, "fork, exec, wait", "≥ 0.6×")
            yield Row(what, rate, "tasks/s", spawn, "posix_spawn, wait")
    for tasks, agent_count in ((1_000, 10), (10_000, 100)) if quick else ((10_000, 100),):
        yield Row(f"{tasks:,} simulated tasks on {agent_count:,} agents", simulated(tasks, agent_count), "tasks/s")
    sizes = ((1_000, 100),) if quick else ((1_000, 1_000), (10_000, 1_000), (100_000, 1_000))
    for tasks, agent_count in sizes:
        per_agent, per_task, rate = measured(agent_count, tasks)
        what = f"{tasks:,} simulated tasks at once on {agent_count:,} agents"
        yield Row(what, rate, "tasks/s")
        yield Row(f"{what}: memory at the peak, per task", per_task, "KiB")
        yield Row(f"{what}: memory per agent", per_agent, "KiB")


if __name__ == "__main__":
    print(os.getpid(), simulated(int(sys.argv[1]), int(sys.argv[2])))
