"""A framework that does nothing but launch: many small tasks, as fast as offers come, each update acknowledged."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING

from pymesoskit.resources import Resources
from pymesoskit.scheduler import Scheduler, SchedulerDriver, is_terminal
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from pymesoskit.testing.cluster.cluster import BaseCluster

#: What one task takes: a multiple of this fits into an offer exactly.
CPUS, MEMORY = 0.1, 1.0


def agents(count: int, tasks: int) -> list[str]:
    """So many agents, on each of which that many tasks fit at once."""
    return [f"cpus:{tasks * CPUS:g};mem:{tasks * MEMORY:g};disk:0;ports:[31000-31000]"] * count


class Flood(Scheduler):
    """Launches ``count`` tasks; ``ended`` is set when the last has ended and all have been acknowledged."""

    def __init__(self, count: int, command: mesos.CommandInfo, states: Counter[str]) -> None:
        self.to_launch = count
        self.to_end = count
        self.states = states
        self.ended = threading.Event()
        self._command = command
        self._resources = Resources.parse(f"cpus:{CPUS};mem:{MEMORY}").to_messages()

    def offers(self, driver: SchedulerDriver, offers: Sequence[mesos.Offer]) -> None:
        for offer in offers:
            room = next((math.floor(r.scalar.value / CPUS + 1e-6) for r in offer.resources if r.name == "cpus"), 0)
            number = min(self.to_launch, room)
            if number:
                driver.launch(offer, [self._task(offer) for _ in range(number)], refuse_seconds=0)
            else:
                driver.decline(offer, refuse_seconds=0 if self.to_launch else 1e6)

    def _task(self, offer: mesos.Offer) -> mesos.TaskInfo:
        self.to_launch -= 1
        name = f"t{self.to_launch}"
        return mesos.TaskInfo(
            name=name,
            task_id=mesos.TaskID(value=name),
            agent_id=offer.agent_id,
            resources=self._resources,
            command=self._command,
        )

    def update(self, driver: SchedulerDriver, status: mesos.TaskStatus) -> None:
        self.states[mesos.TaskState.Name(status.state)] += 1
        if is_terminal(status):
            self.to_end -= 1
            if not self.to_end:
                self.ended.set()


def drain(cluster: BaseCluster, driver: SchedulerDriver, flood: Flood, timeout: float) -> None:
    """Waits until all tasks have ended and the master has heard the acknowledgement of each."""

    def all_told() -> bool:
        master = cluster.master._member.process
        return (
            flood.ended.is_set()
            and master is not None
            and not any(framework.tasks for framework in master.core.state.frameworks.values())
        )

    cluster.wait_for(all_told, "all tasks to have ended", timeout)
