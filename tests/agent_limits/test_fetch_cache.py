"""The fetcher's cache: what asks for it is brought once, whoever fails leaves nothing, the oldest goes first."""

from __future__ import annotations

import http.server
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.scheduler import state_name
from pymesoskit.testing.engine.machine.fetch_cache import FetchCache
from pymesoskit.wire.v1 import mesos
from tests.agent_limits.world import World

if TYPE_CHECKING:
    from collections.abc import Callable


class Source:
    """Makes files, and counts."""

    def __init__(self, size: int = 10) -> None:
        self.size = size
        self.brought: list[str] = []

    def __call__(self, name: str) -> Callable[[Path], None]:
        def bring(path: Path) -> None:
            self.brought.append(name)
            path.write_bytes(name.encode() * self.size)

        return bring


def copy(cache: FetchCache, key: tuple[str, str | None], bring: Callable[[Path], None], target: Path) -> None:
    with cache.file(key, key[0], bring) as file:
        shutil.copy(file, target)


def test_a_file_is_brought_once_for_each_user(tmp_path: Path) -> None:
    cache, source = FetchCache(tmp_path / "cache", 1000), Source()
    for number, user in enumerate((None, None, "a", None, "a")):
        copy(cache, ("x", user), source("x"), tmp_path / str(number))
        assert (tmp_path / str(number)).read_text() == "x" * 10
    assert source.brought == ["x", "x"]


def test_many_who_want_the_same_wait_for_one(tmp_path: Path) -> None:
    cache, source = FetchCache(tmp_path / "cache", 1000), Source()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: copy(cache, ("x", None), source("x"), tmp_path / str(n)), range(50)))
    assert source.brought == ["x"]


def test_the_least_recently_used_makes_room(tmp_path: Path) -> None:
    cache, source = FetchCache(tmp_path / "cache", 25), Source()
    for name in "abac" + "a" + "b":
        copy(cache, (name, None), source(name), tmp_path / "target")
    assert source.brought == ["a", "b", "c", "b"]
    assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) <= 25


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    cache = FetchCache(tmp_path / "cache", 25)

    def fails(path: Path) -> None:
        path.write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        copy(cache, ("x", None), fails, tmp_path / "target")
    assert list((tmp_path / "cache").iterdir()) == []
    copy(cache, ("x", None), Source()("x"), tmp_path / "target")


def test_a_file_that_somebody_has_removed_is_brought_again(tmp_path: Path) -> None:
    cache, source = FetchCache(tmp_path / "cache", 1000), Source()
    copy(cache, ("x", None), source("x"), tmp_path / "target")
    for path in (tmp_path / "cache").iterdir():
        path.unlink()
    copy(cache, ("x", None), source("x"), tmp_path / "target")
    assert source.brought == ["x", "x"]


@pytest.mark.parametrize(("flags", "downloads"), [({}, 2), ({"fetcher_cache_size": "1B"}, 3)])
def test_tasks_of_one_agent_share_what_is_to_be_cached(tmp_path: Path, flags: dict[str, str], downloads: int) -> None:
    (tmp_path / "served").write_text("over http")
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_: Any) -> None:
            asked.append(self.path)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, World(agent_flags=flags) as world:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/served"
        for name, cached in (("a", True), ("b", True), ("c", False)):
            command = mesos.CommandInfo(value="cat served")
            command.uris.add(value=url, cache=cached)
            world.launch(name, command)
            assert state_name(world.end(name)) == "TASK_FINISHED"
            assert (world.sandbox(name) / "stdout").read_text() == "over http"
        server.shutdown()
    assert asked == ["/served"] * downloads


def test_a_download_that_stalls_fails_its_task() -> None:
    flags = {"fetcher_stall_timeout": "200ms"}
    with socket.create_server(("127.0.0.1", 0)) as silent, World(agent_flags=flags) as world:
        command = mesos.CommandInfo(value="true")
        command.uris.add(value=f"http://127.0.0.1:{silent.getsockname()[1]}/never")
        world.launch("a", command)
        status = world.end("a")
    assert status.reason == mesos.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED
    assert "Failed to fetch all URIs for container" in status.message


def test_a_relative_path_is_below_the_frameworks_home(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("at home")
    with World(agent_flags={"frameworks_home": str(tmp_path)}) as world:
        command = mesos.CommandInfo(value="cat data")
        command.uris.add(value="data")
        world.launch("a", command)
        assert state_name(world.end("a")) == "TASK_FINISHED"
        assert (world.sandbox("a") / "stdout").read_text() == "at home"
