"""Containers that use more than they hold are ended, on agents that are told to see to it.

- Memory: with the isolator ``cgroups/mem`` in ``--isolation``. There are no control groups here: the resident memory of
  the container's processes is measured every ``MEMORY_INTERVAL``, so a container can exceed its limit for that long.
- Disk: with ``disk/du`` (or its old name ``posix/disk``) in ``--isolation`` the sandbox and the persistent volumes are
  measured every ``--container_disk_watch_interval``; with ``--enforce_container_disk_quota`` a container that exceeds
  what it holds is ended.

A limit is that of the executor's container: of all that the executor and its tasks hold. Source:
docs/reference/agent-executor.md 5.2.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.agent import executors
from pymesoskit.testing.engine.agent.state import Ending, Executor
from pymesoskit.testing.engine.agent.transitions import ExecutorState
from pymesoskit.testing.engine.containers import volumes
from pymesoskit.testing.runtime.units import print_size
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.engine.agent.core import Core

#: Seconds between two looks at the memory of containers.
MEMORY_INTERVAL = 0.1

MEMORY_ISOLATORS = frozenset({"cgroups/mem", "cgroups/all"})
DISK_ISOLATORS = frozenset({"disk/du", "posix/disk"})

_MEGABYTE = 1 << 20


@frozen
class Place:
    """A directory with a limit of its own: the sandbox, or a persistent volume."""

    directory: Path
    held: tuple[mesos.Resource, ...]

    @property
    def quota(self) -> int:
        """How many bytes it may take."""
        return round(sum(resource.scalar.value for resource in self.held) * _MEGABYTE)


def limit_of(executor: Executor, name: str) -> float:
    """How much of a scalar the executor's container may use: of each task its limit, or what it holds if it has none;
    ``math.inf`` if a task's limit says so.
    """
    total = sum(item.scalar.value for item in executor.info.resources if item.name == name)
    for task in executor.live():
        if name in task.info.limits:
            total += task.info.limits[name].value
        else:
            total += sum(item.scalar.value for item in task.info.resources if item.name == name)
    return total


def memory_limit(executor: Executor) -> float:
    """How many bytes of memory the executor's container may use; ``math.inf`` if a task's limit says so."""
    limit = limit_of(executor, "mem")
    return limit if limit == math.inf else round(limit * _MEGABYTE)


def places(executor: Executor, work_dir: Path) -> list[Place]:
    """The directories of the executor's container that hold disk; the sandbox first, if it holds any."""
    sandbox: list[mesos.Resource] = []
    found: list[Place] = []
    for resource in executor.resources():
        if resource.name != "disk":
            continue
        if resource.disk.HasField("persistence"):
            found.append(Place(volumes.directory_of(work_dir, resource), (resource,)))
        else:
            sandbox.append(resource)
    if sandbox:
        total = Resources.from_messages(sandbox).unallocated()
        found.insert(0, Place(Path(executor.directory), tuple(total.to_messages())))
    return found


@define(eq=False)
class Limits:
    """Measures what containers use, and ends those that exceed their limits. It knows what is being measured."""

    core: Core
    _measuring: set[Path] = field(factory=set)

    def start(self) -> None:
        """Begins to look, if the agent's flags ask for it."""
        flags = self.core.flags
        isolators = flags.isolators
        if isolators & MEMORY_ISOLATORS:
            self._look_at_memory()
        if isolators & DISK_ISOLATORS and self.core.host.work_dir is not None and not self.core.host.simulates:
            self._look_at_disks()

    # Memory

    def _look_at_memory(self) -> None:
        self.core.lifeline.call_later(MEMORY_INTERVAL, self._look_at_memory)
        for executor in self._running():
            assert executor.container is not None
            usage = self.core.host.usage(executor.container)
            if usage is None:
                continue
            limit = memory_limit(executor)
            if usage.mem_rss_bytes > limit:
                self._exceeded_memory(executor, int(limit), usage.mem_rss_bytes)

    def _exceeded_memory(self, executor: Executor, limit: int, used: int) -> None:
        statistics = f"total_rss {used}\nhierarchical_memory_limit {limit}\n"
        message = (
            f"Memory limit exceeded: Requested: {print_size(limit)} Maximum Used: {print_size(used)}\n"
            f"\nMEMORY STATISTICS: \n{statistics}"
        )
        held = mesos.Resource(name="mem", type=mesos.Value.SCALAR)
        held.scalar.value = used // _MEGABYTE
        reason = mesos.TaskStatus.REASON_CONTAINER_LIMITATION_MEMORY
        self._end(executor, Ending(mesos.TASK_FAILED, reason, message, (held,)))

    # Disk

    def _look_at_disks(self) -> None:
        self.core.lifeline.call_later(self.core.flags.container_disk_watch_interval, self._look_at_disks)
        work_dir = self.core.host.work_dir
        assert work_dir is not None
        for executor in self._running():
            for place in places(executor, work_dir):
                if place.directory not in self._measuring:
                    self._measuring.add(place.directory)
                    self.core.host.meter.measure(place.directory, self._measured_of(executor, place))

    def _measured_of(self, executor: Executor, place: Place) -> Callable[[int | None], None]:
        def measured(used: int | None) -> None:
            self._measuring.discard(place.directory)
            self.core.lifeline.deliver(self._measured, executor, place, used)

        return measured

    def _measured(self, executor: Executor, place: Place, used: int | None) -> None:
        if used is None:
            return
        if str(place.directory) == executor.directory:
            executor.disk_used = used
        if self.core.flags.enforce_container_disk_quota and used > place.quota:
            message = f"Disk usage ({print_size(used)}) exceeds quota ({print_size(place.quota)})"
            reason = mesos.TaskStatus.REASON_CONTAINER_LIMITATION_DISK
            self._end(executor, Ending(mesos.TASK_FAILED, reason, message, place.held))

    def _running(self) -> list[Executor]:
        ending = {ExecutorState.TERMINATING, ExecutorState.TERMINATED}
        return [e for _, e in self.core.executors() if e.container is not None and e.state not in ending]

    def _end(self, executor: Executor, ending: Ending) -> None:
        if executor.container is not None:
            assert ending.message is not None
            self.core.note(f"executor {executor.id!r}: {ending.message.splitlines()[0]}")
            executors.kill(self.core, executor, ending)
