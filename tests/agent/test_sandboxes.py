"""Which sandboxes an agent shows and when it removes them (agent-executor.md 12, operator-api.md 3.4)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.containers import sandboxes
from pymesoskit.testing.engine.machine.launcher import Exit
from tests.agent.test_executors import CustomWorld, status_of
from tests.agent.world import FRAMEWORK_ID

if TYPE_CHECKING:
    from collections.abc import Callable


def make_world(tmp_path: Path, **flags: str) -> CustomWorld:
    world = CustomWorld(tmp_path, **{"gc_delay": "3secs", "gc_disk_headroom": "0", **flags})
    world.start()
    return world


def start(world: CustomWorld, task_id: str = "t1") -> Path:
    """Runs a task in an executor, and returns its sandbox."""
    world.launch(task_id)
    world.subscribe()
    (found,) = [executor for _, executor in world.agent.core.executors()]
    return Path(found.directory)


def end(world: CustomWorld, task_id: str = "t1") -> None:
    """Ends the executor, and waits until the agent has nothing more to do with it."""
    world.process().on_exit(Exit.of_code(0))
    world.until_state(task_id, "TASK_FAILED")
    assert not list(world.agent.core.executors())


def removed(world: CustomWorld) -> dict[str, int]:
    assert world.agent.core.sandboxes is not None
    return world.agent.core.sandboxes.removals()


def browse(world: CustomWorld, path: str) -> int:
    return status_of(world.http("GET", f"/files/browse?path={path}"))[0]


def latest() -> str:
    return f"/frameworks/{FRAMEWORK_ID}/executors/custom/runs/latest"


def test_the_directories_of_a_run_an_executor_and_a_framework_are_removed_after_the_gc_delay(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    sandbox = start(world)
    end(world)
    assert removed(world) == {"succeeded": 0, "failed": 0, "pending": 3}
    world.advance(2.9)
    assert sandbox.is_dir()
    assert browse(world, latest()) == browse(world, str(sandbox)) == 200
    world.advance(0.5)
    frameworks = tmp_path / "slaves" / world.agent.agent_id / "frameworks"
    assert frameworks.is_dir()
    assert not list(frameworks.iterdir())
    assert browse(world, latest()) == browse(world, str(sandbox)) == 404
    assert removed(world)["pending"] == 0
    assert removed(world)["failed"] == 0


def test_what_is_in_use_again_is_not_removed(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    old = start(world)
    end(world)
    world.advance(2)
    new = start(world, "t2")
    world.advance(60)
    assert new.is_dir()
    assert not old.exists()
    assert browse(world, latest()) == 200


def test_each_directory_has_its_own_time(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first = start(world)
    end(world)
    world.advance(2)
    second = start(world, "t2")
    end(world, "t2")
    world.advance(1.5)
    assert not first.exists()
    assert second.is_dir()
    world.advance(2)
    assert not second.exists()


@pytest.mark.parametrize(("used", "headroom", "age"), [(0.25, "0.25", 1800), (0.5, "0.5", 0), (0.0, "0", 3600)])
def test_directories_stay_the_longer_the_more_room_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: float, headroom: str, age: float
) -> None:
    monkeypatch.setattr(sandboxes, "disk_usage", lambda path: used)
    world = make_world(tmp_path, gc_delay="1hrs", gc_disk_headroom=headroom, disk_watch_interval="10secs")
    sandbox = start(world)
    end(world)
    if age:
        world.advance(age - 11)
        assert sandbox.is_dir()
    world.advance(22)
    assert not sandbox.exists()


def test_an_agent_that_starts_again_removes_what_the_one_before_it_has_left(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    sandbox = start(world)
    end(world)
    world.restart()
    world.advance(4)
    assert not sandbox.exists()


def test_directories_of_earlier_agents_are_removed(tmp_path: Path) -> None:
    old = tmp_path / "slaves/older-S7/frameworks/f/executors/e/runs/r"
    old.mkdir(parents=True)
    os.utime(tmp_path / "slaves/older-S7", (0, 0))
    world = make_world(tmp_path)
    world.advance(4)
    assert not (tmp_path / "slaves/older-S7").exists()


def test_a_directory_that_cannot_be_removed_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(tmp_path)
    sandbox = start(world)
    end(world)
    assert world.host.remover is not None
    monkeypatch.setattr(world.host.remover, "remove", lambda directory: False)
    world.advance(3.5)
    assert sandbox.is_dir()
    assert removed(world)["failed"] == 3


def test_an_agent_keeps_nothing_in_memory_of_sandboxes_that_nobody_uses(tmp_path: Path) -> None:
    world = make_world(tmp_path, gc_delay="1weeks")

    def size_of(*things: Any) -> int:
        return sum(len(thing) for thing in things)

    sandboxes_, roots = world.agent.core.sandboxes, world.agent._files
    assert sandboxes_ is not None
    sizes = []
    for number in range(3):
        start(world, f"t{number}")
        end(world, f"t{number}")
        sizes.append(size_of(roots._roots, roots._access, sandboxes_._shared))
    assert sizes == [sizes[0]] * 3
    shown = json.loads(status_of(world.http("GET", "/files/debug"))[1])
    assert len([path for path in shown if path.startswith(str(tmp_path / "slaves"))]) == 3


def replaced_by_a_link(sandbox: Path, elsewhere: Path) -> None:
    sandbox.rmdir()
    sandbox.symlink_to(elsewhere)


def latest_points_elsewhere(sandbox: Path, elsewhere: Path) -> None:
    link = sandbox.parent / "latest"
    link.unlink()
    link.symlink_to(elsewhere)


def latest_climbs(sandbox: Path, _elsewhere: Path) -> None:
    link = sandbox.parent / "latest"
    link.unlink()
    link.symlink_to("..")


@pytest.mark.parametrize("trick", [replaced_by_a_link, latest_points_elsewhere, latest_climbs])
def test_a_task_that_moves_its_sandbox_shows_nothing_else(tmp_path: Path, trick: Callable[[Path, Path], None]) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret").write_text("hidden")
    world = make_world(tmp_path / "work")
    sandbox = start(world)
    trick(sandbox, elsewhere)
    assert browse(world, latest()) in {400, 404}
    assert status_of(world.http("GET", f"/files/read?path={latest()}/secret&offset=0"))[0] in {400, 404}
