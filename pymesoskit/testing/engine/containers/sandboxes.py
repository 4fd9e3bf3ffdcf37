"""The sandboxes that an agent shows under ``/files`` and removes when they are old enough.

The agent remembers nothing of a sandbox. The work directory shows which sandboxes there are and since when each has
been unused, so the agent's memory does not grow with the number of tasks that it has run, and a restarted agent
continues where the one before it stopped. Source: docs/reference/agent-executor.md 12 (gc), operator-api.md 3.4.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from pymesoskit.testing.engine.containers import layout
from pymesoskit.testing.engine.endpoints.files import Root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.containers.layout import RunLayout
    from pymesoskit.testing.engine.containers.store import Store
    from pymesoskit.testing.engine.endpoints.files import FileRoots
    from pymesoskit.testing.engine.machine.remover import Remover
    from pymesoskit.testing.runtime.clock import Clock

#: Directories that become due within so many seconds are removed together.
TOGETHER = 0.25


@define(eq=False)
class Sandboxes:
    """The sandboxes below one work directory.

    A directory is removed ``gc_delay`` seconds after its last use. The use of a run's directory ends with its executor,
    that of an executor's or a framework's directory when nothing of it runs any more, and that of another agent's
    directory before this agent starts. If the disk becomes full, directories are removed earlier: every
    ``watch_interval`` seconds those are removed that have been unused for longer than
    ``gc_delay`` x max(0, 1 - ``headroom`` - used fraction of the disk).

    ``live`` returns the runs that are in use. ``enters`` decides who may look into the sandbox of a run.
    """

    work_dir: Path
    clock: Clock
    files: FileRoots
    store: Store
    remover: Remover
    agent_id: Callable[[], str]
    live: Callable[[], Iterator[RunLayout]]
    enters: Callable[[RunLayout, Permissions], bool]
    gc_delay: float
    headroom: float
    watch_interval: float
    _oldest: float | None = None  # since when the directory that is due next has been unused
    _pending: int = 0
    _removed: int = 0
    _failed: int = 0
    _shared: set[Path] = field(factory=set)

    def start(self) -> None:
        """Shows the sandboxes and begins to remove old ones. The agent must have recovered what is in use before."""
        self.files.provide(self._root, self._entries)
        self.remover.resume()
        self._look_after(self.clock.time())
        self.clock.call_later(self.watch_interval, self._watch)

    def removals(self) -> dict[str, int]:
        """Returns how many directories were removed, could not be, and wait."""
        return {"succeeded": self._removed, "failed": self._failed, "pending": self._pending}

    def share(self, volume: Path) -> None:
        """Makes the files of a persistent volume readable by way of the sandboxes that show it."""
        if volume not in self._shared:
            self._shared.add(volume)
            self.files.share(volume)

    def executor_removed(self, run: RunLayout) -> None:
        """Called when an executor has ended and been removed: its directories become unused."""
        self._unused(self.work_dir / run.sandbox, self._executor(run.framework_id, run.executor_id))

    def framework_removed(self, framework_id: str) -> None:
        """Called when nothing of a framework is left: its directory becomes unused."""
        self._unused(self.work_dir / layout.framework_path(self.agent_id(), framework_id))

    def _unused(self, *directories: Path) -> None:
        now = self.clock.time()
        for directory in directories:
            with contextlib.suppress(OSError):
                os.utime(directory, (now, now), follow_symlinks=False)
                self._pending += 1
        if self._oldest is None:
            self._look_after(now)

    # Removing

    def allowed_age(self, used: float) -> float:
        """Returns how long directories stay, in seconds, if that fraction of the disk is in use."""
        return self.gc_delay * max(0.0, 1.0 - self.headroom - used)

    def _look_after(self, oldest: float) -> None:
        self._oldest = oldest
        remaining = oldest + self.gc_delay - self.clock.time()
        self.clock.call_later(max(TOGETHER, remaining), self._collect_due, oldest)

    def _collect_due(self, oldest: float) -> None:
        if self._oldest == oldest:  # otherwise ``_watch`` has removed it earlier
            self._collect(self.gc_delay)

    def _watch(self) -> None:
        """Removes directories earlier than ``gc_delay`` when the disk becomes full."""
        self.clock.call_later(self.watch_interval, self._watch)
        age = self.allowed_age(disk_usage(self.work_dir))
        if self._oldest is not None and self._oldest + age <= self.clock.time():
            self._collect(age)

    def _collect(self, age: float) -> None:
        """Removes directories that have been unused for ``age`` seconds, and schedules the next removal."""
        now = self.clock.time()
        remaining = []
        for directory, meta in self._unused_directories():
            try:
                since = directory.lstat().st_mtime
            except OSError:
                continue  # it was removed with the one that it is in
            if since + age > now:
                remaining.append(since)
            elif self.remover.remove(directory):
                self.store.remove(meta)
                self._removed += 1
            else:
                self._failed += 1
        self._pending = len(remaining)
        self._oldest = None
        if remaining:
            self._look_after(min(remaining))

    def _unused_directories(self) -> Iterator[tuple[Path, str]]:
        """Yields the unused directories, outer ones first, each with the name of its checkpoints."""
        runs = list(self.live())
        live_runs = {run.container_id for run in runs}
        live_executors = {(run.framework_id, run.executor_id) for run in runs}
        live_frameworks = {run.framework_id for run in runs}
        for agent in _directories(self.work_dir / "slaves"):
            if agent.name != self.agent_id():
                yield agent, f"slaves/{agent.name}"
                continue
            for framework in _directories(agent / "frameworks"):
                if framework.name not in live_frameworks:
                    yield framework, layout.framework_path(agent.name, framework.name)
                for executor in _directories(framework / "executors"):
                    meta = layout.executor_meta(agent.name, framework.name, executor.name)
                    if (framework.name, executor.name) not in live_executors:
                        yield executor, meta
                    for run in _directories(executor / "runs"):
                        if run.name not in live_runs:
                            yield run, f"{meta}/runs/{run.name}"

    # Showing

    def _executor(self, framework_id: str, executor_id: str) -> Path:
        return self.work_dir / layout.executor_path(self.agent_id(), framework_id, executor_id)

    def _root(self, path: str) -> Root | None:
        """Returns the sandbox that the path is in: by its own path, or by that of its executor's latest run."""
        prefix = f"{self.work_dir}/slaves/{self.agent_id()}"
        by_latest = not path.startswith(f"{prefix}/")
        parts = path.removeprefix("" if by_latest else prefix).split("/")
        if len(parts) < 7 or (parts[0], parts[1], parts[3], parts[5]) != ("", "frameworks", "executors", "runs"):
            return None
        framework_id, executor_id, container_id = parts[2], parts[4], parts[6]
        if {framework_id, executor_id, container_id} & {"", ".", ".."} or by_latest != (container_id == "latest"):
            return None
        runs = self._executor(framework_id, executor_id) / "runs"
        if by_latest:
            try:
                container_id = str((runs / "latest").readlink())
            except OSError:
                return None
            if "/" in container_id or container_id in {"", ".", ".."}:
                return None  # a task has replaced the link
        run = layout.RunLayout(self.agent_id(), framework_id, executor_id, container_id)
        virtual = ("" if by_latest else prefix) + "/".join(parts[:7])
        return Root(virtual, runs / container_id, lambda permissions: self.enters(run, permissions))

    def _entries(self) -> Iterator[tuple[str, Path]]:
        """Yields (path under which it is shown, directory) of all sandboxes."""
        for framework in _directories(self.work_dir / "slaves" / self.agent_id() / "frameworks"):
            for executor in _directories(framework / "executors"):
                for run in _directories(executor / "runs"):
                    yield str(run), run
                latest = f"/frameworks/{framework.name}/executors/{executor.name}/runs/latest"
                root = self._root(latest)
                if root is not None:
                    yield latest, root.real


def _directories(directory: Path) -> Iterator[Path]:
    """Yields the directories right below one, without links to directories."""
    try:
        with os.scandir(directory) as entries:
            found = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return
    yield from found


def disk_usage(path: Path) -> float:
    """Returns the used fraction of the disk that holds the path; 0 if that is not known."""
    try:
        use = shutil.disk_usage(path)
    except OSError:
        return 0.0
    return use.used / use.total if use.total else 0.0
