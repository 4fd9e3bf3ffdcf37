"""What `make demo` shows: a cluster of three agents in this process, and a framework that runs 30 real tasks on it.

Against another cluster: `python examples/demo.py --master HOST:PORT`.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import time
from collections.abc import Iterator, Sequence

from attrs import define

from pymesoskit import OfferPool, Scheduler, SchedulerDriver, command_task, is_terminal, mesos, state_name
from pymesoskit.testing import Cluster

TASKS = 30
AGENTS = [f"cpus:2;mem:2048;disk:10000;ports:[31000-32000]@rack:r{n}" for n in (1, 2, 3)]


@define
class Row:
    """What became of a task."""

    name: str
    command: str
    agent: str = ""
    state: str = "waiting"
    message: str = ""
    launched: float = 0.0
    began: float = 0.0
    ended: float = 0.0


class Demo(Scheduler):
    """Puts tasks on offers until all have run."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = {row.name: row for row in rows}
        self.waiting = [row.name for row in rows]
        self.ended = 0
        self.shown = 0

    def offers(self, driver: SchedulerDriver, offers: Sequence[mesos.Offer]) -> None:
        for offer in offers:
            pool, tasks = OfferPool(offer), []
            while self.waiting and (resources := pool.take("cpus:0.5;mem:64")):
                row = self.rows[self.waiting.pop(0)]
                row.agent, row.launched = offer.agent_id.value.rpartition("-")[2], time.monotonic()
                tasks.append(command_task(row.command, resources, offer, task_id=row.name))
            if tasks:
                driver.launch(offer, tasks, refuse_seconds=0)
            else:
                driver.decline(offer, refuse_seconds=60 if not self.waiting else 0)

    def update(self, driver: SchedulerDriver, status: mesos.TaskStatus) -> None:
        row = self.rows[status.task_id.value]
        row.state, row.message = state_name(status).removeprefix("TASK_").lower(), status.message
        if status.state == mesos.TASK_RUNNING:
            row.began = time.monotonic()
        elif is_terminal(status):
            row.ended = time.monotonic()
            self.ended += 1
        self.progress()
        if self.ended == len(self.rows):
            driver.stop()

    def progress(self) -> None:
        running = sum(row.state == "running" for row in self.rows.values())
        width = 30
        done = self.ended * width // len(self.rows)
        line = f"[{'#' * done}{'.' * (width - done)}] {self.ended:2}/{len(self.rows)} ended, {running} running"
        if sys.stdout.isatty():
            print(f"\r{line}", end="\n" if self.ended == len(self.rows) else "", flush=True)
        elif self.ended % 5 == 0 and self.ended != self.shown:
            self.shown = self.ended
            print(line, flush=True)


def plan(seed: int) -> list[Row]:
    """30 commands: most do something short, some fail, because that is shown too."""
    rng = random.Random(seed)
    rows = []
    for n in range(TASKS):
        seconds = round(rng.uniform(0.05, 0.6), 2)
        end = "exit 3" if n % 10 == 9 else f"echo done with {n}"
        rows.append(Row(f"task-{n:02}", f"sleep {seconds}; {end}"))
    return rows


@contextlib.contextmanager
def master(address: str | None) -> Iterator[str]:
    """The master to use: the one given, or that of a cluster in this process."""
    if address is not None:
        yield address
        return
    with Cluster(agents=AGENTS, master_flags={"allocation_interval": "200ms"}) as cluster:
        print(f"a Mesos cluster of {len(AGENTS)} agents in this process: master at {cluster.master_url}")
        yield cluster.master_url.removeprefix("http://")


def table(rows: list[Row]) -> str:
    heads = ("task", "agent", "waited", "ran", "outcome", "message")
    lines = [
        (
            row.name,
            row.agent,
            f"{row.began - row.launched:.2f} s",
            f"{row.ended - row.began:.2f} s",
            row.state,
            row.message,
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in [heads, *lines]) for i in range(len(heads))]
    shown = [heads, tuple("-" * width for width in widths), *lines]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in shown
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--master", metavar="HOST:PORT", help="a Mesos master (default: a cluster in this process)")
    options = parser.parse_args()
    demo = Demo(plan(seed=1))
    framework = mesos.FrameworkInfo(user="root", name="demo")
    with master(options.master) as address:
        begin = time.monotonic()
        SchedulerDriver(demo, framework, address).run()
        took = time.monotonic() - begin
    print()
    print(table(list(demo.rows.values())))
    outcomes = sorted(row.state for row in demo.rows.values())
    counts = ", ".join(f"{outcomes.count(state)} {state}" for state in dict.fromkeys(outcomes))
    print(
        f"\n{len(demo.rows)} tasks on {len({row.agent for row in demo.rows.values()})} agents in {took:.1f} s: {counts}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
