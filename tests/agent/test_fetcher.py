"""What the fetcher brings into a sandbox, and what it refuses (agent-executor.md 8, 5.2)."""

from __future__ import annotations

import gzip
import http.server
import io
import os
import pwd
import tarfile
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.agent.metrics import snapshot
from pymesoskit.testing.engine.machine.credentials import acting_as
from pymesoskit.testing.engine.machine.fetch_cache import FetchCache
from pymesoskit.testing.engine.machine.fetcher import FetchError, Settings, fetch_all, name_of, uris_error
from pymesoskit.wire.v1 import mesos
from tests.agent.world import RealWorld, framework, open_to_all, task

if TYPE_CHECKING:
    from collections.abc import Iterator

URI = mesos.CommandInfo.URI


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    (tmp_path / "sandbox").mkdir()
    return tmp_path / "sandbox"


def names(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def tarball(path: Path, mode: Any, content: str = "inside") -> Path:
    with tarfile.open(path, mode) as tar:
        info = tarfile.TarInfo("in/file")
        info.size, info.mode = len(content), 0o755
        tar.addfile(info, io.BytesIO(content.encode()))
    return path


class Bench:
    """A sandbox of nobody's that nobody may not reach, and a place for files beside it."""

    def __init__(self, directory: Path) -> None:
        open_to_all(directory)  # so that only the directory below is closed
        closed = directory / "closed"
        closed.mkdir(mode=0o700)
        self.sandbox = closed / "sandbox"
        self.sandbox.mkdir()
        self.user = pwd.getpwnam("nobody")
        os.chown(self.sandbox, self.user.pw_uid, self.user.pw_gid)
        self.files = directory / "files"
        self.files.mkdir()
        self.cache = FetchCache(directory / "cache", 1 << 20)

    def file(self, name: str, mode: int, content: str = "secret") -> Path:
        path = self.files / name
        path.write_text(content)
        path.chmod(mode)
        return path

    def fetch(self, value: object, **fields: Any) -> None:
        fetch_all([URI(value=str(value), **fields)], self.sandbox, "nobody", self.cache)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root fetches for others")


# For whom


@as_root
@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o660])
def test_what_the_user_may_not_read_is_not_fetched(bench: Bench, mode: int, cache: bool) -> None:
    path = bench.file("closed", mode)
    with pytest.raises(FetchError, match="Permission denied"):
        bench.fetch(path, cache=cache)
    assert not list(bench.sandbox.iterdir())


@as_root
@pytest.mark.parametrize("cache", [False, True])
@pytest.mark.parametrize(
    "path", ["/etc/shadow", pytest.param(f"/proc/{os.getpid()}/environ", id="own-environ"), "/proc/self/environ"]
)
def test_no_file_of_the_system_that_only_root_may_read_is_fetched(bench: Bench, path: str, cache: bool) -> None:
    for value in (path, f"file://{path}"):
        with pytest.raises(FetchError, match="Permission denied"):
            bench.fetch(value, cache=cache)


@as_root
def test_a_cached_file_of_one_user_is_not_another_users(bench: Bench) -> None:
    path = bench.file("closed", 0o600)
    fetch_all([URI(value=str(path), cache=True)], bench.sandbox, "root", bench.cache)
    with pytest.raises(FetchError, match="Permission denied"):
        bench.fetch(path, cache=True, output_file="again")


@as_root
@pytest.mark.parametrize("cache", [False, True])
def test_what_is_fetched_is_the_users_even_below_directories_that_are_closed_to_it(bench: Bench, cache: bool) -> None:
    bench.fetch(bench.file("plain", 0o644), cache=cache, executable=True, output_file="sub/plain")
    bench.fetch(tarball(bench.files / "a.tgz", "w:gz"), cache=cache)
    found = [path for path in bench.sandbox.rglob("*") if not path.is_symlink()]
    assert {"sub/plain", "in/file"} <= set(names(bench.sandbox))
    assert {path.stat().st_uid for path in found} == {bench.user.pw_uid}
    assert (bench.sandbox / "sub/plain").stat().st_mode & 0o777 == 0o755


@as_root
def test_what_lies_behind_a_link_of_the_users_is_not_written_as_root(bench: Bench) -> None:
    target = bench.file("target", 0o600, "before")
    (bench.sandbox / "link").symlink_to(target)
    with pytest.raises(FetchError):
        fetch_all(
            [URI(value=str(bench.file("plain", 0o644)), output_file="link")],
            bench.sandbox,
            "nobody",
            None,
            Settings(work_dir=bench.sandbox.parents[1]),
        )
    assert target.read_text() == "before"


@as_root
def test_only_the_thread_that_fetches_acts_as_the_user(bench: Bench) -> None:
    path = bench.file("closed", 0o600)
    before = os.getgroups()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(os.getpid).result()  # a thread begins with the credentials of the one that starts it
        with acting_as("nobody"):
            assert pool.submit(path.read_text).result() == "secret"
            with pytest.raises(PermissionError):
                path.read_text()
    assert path.read_text() == "secret"
    assert os.getgroups() == before


@as_root
def test_a_user_that_there_is_not_is_an_error_and_changes_nothing(bench: Bench) -> None:
    path = bench.file("closed", 0o600)
    with pytest.raises(KeyError), acting_as("no-such-user"):
        pass
    assert path.read_text() == "secret"


@as_root
def test_a_task_gets_what_its_user_may_read_and_nothing_else(world: RealWorld, tmp_path: Path) -> None:
    open_to_all(tmp_path)
    for name, mode in (("open", 0o644), ("closed", 0o600)):
        (tmp_path / name).write_text("content")
        (tmp_path / name).chmod(mode)
        info = task(name, f"cat {name}")
        info.command.user = "nobody"
        info.command.uris.add(value=str(tmp_path / name))
        world.run(info)
    world.until_state("open", "TASK_FINISHED", 20)
    status = world.until_state("closed", "TASK_FAILED", 20)
    assert status.reason == mesos.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED
    assert (world.sandbox("open") / "stdout").read_text() == "content"


# The user of a command that the agent does not switch to


@pytest.mark.parametrize("uris", [[], ["/etc/hostname"]])
def test_without_switching_users_the_user_of_a_command_must_be_there(tmp_path: Path, uris: list[str]) -> None:
    world = RealWorld(tmp_path, switch_user="false")
    world.start()
    info = task("t1", "exit 0")
    info.command.user = "no-such-user"
    for uri in uris:
        info.command.uris.add(value=uri)
    world.run(info)
    status = world.until_state("t1", "TASK_FAILED", 20)
    assert status.reason == mesos.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED
    stdout = world.sandbox() / "stdout"
    assert status.message == (
        f"Failed to launch container: Failed to chown '{stdout}' to user 'no-such-user' : No such user 'no-such-user'"
    )
    world.close()


def test_without_switching_users_a_task_runs_as_the_cluster_whoever_its_framework_is(tmp_path: Path) -> None:
    world = RealWorld(tmp_path, switch_user="false")
    world.start()
    info = framework()
    info.user = "no-such-user"
    world.run(task("t1", "id -u"), info=info)
    world.until_state("t1", "TASK_FINISHED", 20)
    assert (world.sandbox() / "stdout").read_text() == f"{os.geteuid()}\n"
    world.close()


# Names


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("/a/b.tgz", "b.tgz"),
        ("file:///a/b", "b"),
        ("http://host/a/b.tar.gz", "b.tar.gz"),
        ("http://host/a/b.tar.gz?token=x/y", "y"),
        ("http://host/b.tar.gz?token=x", "b.tar.gz?token=x"),
        ("relative", "relative"),
    ],
)
def test_a_file_is_called_all_that_is_behind_the_last_slash(uri: str, name: str) -> None:
    assert name_of(uri) == name


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        (URI(value="http://host"), "Malformed URI (missing path): http://host"),
        (URI(value="http://host/"), "Malformed URI (missing path): http://host/"),
        (URI(value="/it's"), "Illegal characters in URI"),
        (URI(value="/a\\b"), "Illegal characters in URI"),
        (URI(value="/a", output_file=""), "URI output file path is empty"),
        (URI(value="/a", output_file="/etc/x"), "URI output file must be within the sandbox directory"),
        (URI(value="/a", output_file="b/c"), None),
    ],
)
def test_uris_that_are_not_even_looked_for(uri: mesos.CommandInfo.URI, error: str | None) -> None:
    assert uris_error(mesos.CommandInfo(uris=[uri])) == error


# Archives


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(".tar", "w"), (".tgz", "w:gz"), (".tar.gz", "w:gz"), (".tbz2", "w:bz2"), (".tar.bz2", "w:bz2"),
     (".txz", "w:xz"), (".tar.xz", "w:xz")],
)  # fmt: skip
def test_archives_are_unpacked_beside_themselves(tmp_path: Path, sandbox: Path, suffix: str, mode: str) -> None:
    fetch_all([URI(value=str(tarball(tmp_path / f"a{suffix}", mode)))], sandbox, None)
    assert names(sandbox) == sorted([f"a{suffix}", "in", "in/file"])
    assert (sandbox / "in/file").read_text() == "inside"
    assert os.access(sandbox / "in/file", os.X_OK)


def test_zip_archives_too(tmp_path: Path, sandbox: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("in/file", "inside")
    fetch_all([URI(value=f"file://{tmp_path}/a.zip")], sandbox, None)
    assert names(sandbox) == ["a.zip", "in", "in/file"]


def test_a_single_packed_file_is_unpacked_under_its_name(tmp_path: Path, sandbox: Path) -> None:
    (tmp_path / "log.gz").write_bytes(gzip.compress(b"text"))
    fetch_all([URI(value=str(tmp_path / "log.gz"))], sandbox, None)
    assert names(sandbox) == ["log", "log.gz"]
    assert (sandbox / "log").read_text() == "text"


@pytest.mark.parametrize("fields", [{"extract": False}, {"executable": True}])
def test_what_is_not_to_be_unpacked_is_not(tmp_path: Path, sandbox: Path, fields: dict[str, bool]) -> None:
    fetch_all([URI(value=str(tarball(tmp_path / "a.tar", "w")), **fields)], sandbox, None)
    assert names(sandbox) == ["a.tar"]
    assert ((sandbox / "a.tar").stat().st_mode & 0o777 == 0o755) is ("executable" in fields)


def test_the_name_that_is_asked_for_decides_whether_it_is_an_archive(tmp_path: Path, sandbox: Path) -> None:
    tarball(tmp_path / "a.tar", "w")
    fetch_all([URI(value=str(tmp_path / "a.tar"), output_file="sub/plain")], sandbox, None)
    assert names(sandbox) == ["sub", "sub/plain"]


def test_from_the_cache_only_what_is_in_an_archive_is_brought(tmp_path: Path, sandbox: Path) -> None:
    cache = FetchCache(tmp_path / "cache", 1 << 20)
    tarball(tmp_path / "a.tar.gz", "w:gz")
    for _ in range(2):
        fetch_all([URI(value=str(tmp_path / "a.tar.gz"), cache=True)], sandbox, None, cache)
    assert names(sandbox) == ["in", "in/file"]
    fetch_all([URI(value=str(tmp_path / "a.tar.gz"), cache=True, extract=False)], sandbox, None, cache)
    assert "a.tar.gz" in names(sandbox)


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip", "a.gz", "a.tar.xz"])
def test_what_is_no_archive_but_called_one_fails(tmp_path: Path, sandbox: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no archive")
    with pytest.raises(FetchError, match=name):
        fetch_all([URI(value=str(tmp_path / name))], sandbox, None)


def test_nothing_in_an_archive_leaves_the_sandbox(tmp_path: Path, sandbox: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    with pytest.raises(FetchError, match=r"evil\.tar"):
        fetch_all([URI(value=str(tmp_path / "evil.tar"))], sandbox, None)
    assert not (tmp_path / "outside").exists()


def test_an_output_file_may_climb_out_of_the_sandbox_but_not_out_of_the_work_directory(tmp_path: Path) -> None:
    sandbox = tmp_path / "work/runs/sandbox"
    sandbox.mkdir(parents=True)
    (tmp_path / "f").write_text("x")
    settings = Settings(work_dir=tmp_path / "work")
    fetch_all([URI(value=str(tmp_path / "f"), output_file="../outside")], sandbox, None, None, settings)
    assert (sandbox.parent / "outside").read_text() == "x"
    with pytest.raises(FetchError, match=r"'\.\./\.\./\.\./outside' is outside"):
        fetch_all([URI(value=str(tmp_path / "f"), output_file="../../../outside")], sandbox, None, None, settings)
    (sandbox / "link").symlink_to(tmp_path)
    with pytest.raises(FetchError, match="'link/outside' is outside"):
        fetch_all([URI(value=str(tmp_path / "f"), output_file="link/outside")], sandbox, None, None, settings)
    assert not (tmp_path / "outside").exists()


def test_a_task_whose_output_file_climbs_runs_without_it(world: RealWorld, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    info = task("t1", "ls")
    info.command.uris.add(value=str(tmp_path / "f"), output_file="../outside")
    world.run(info)
    world.until_state("t1", "TASK_FINISHED", 20)
    assert (world.sandbox() / "stdout").read_text().split() == ["stderr", "stdout"]
    assert (world.sandbox().parent / "outside").read_text() == "x"


# Places


def test_blanks_before_a_uri_do_not_count(tmp_path: Path, sandbox: Path) -> None:
    (tmp_path / "f").write_text("x")
    fetch_all(
        [URI(value=f"  {tmp_path}/f"), URI(value=f"file://localhost{tmp_path}/f", output_file="g")], sandbox, None
    )
    assert names(sandbox) == ["f", "g"]


def test_relative_paths_are_below_frameworks_home(tmp_path: Path, sandbox: Path) -> None:
    (tmp_path / "f").write_text("x")
    fetch_all([URI(value="f")], sandbox, None, None, Settings(frameworks_home=str(tmp_path)))
    assert names(sandbox) == ["f"]
    with pytest.raises(FetchError, match="the Mesos framework home was not specified"):
        fetch_all([URI(value="f")], sandbox, None)


@pytest.mark.parametrize("value", ["file://relative/f", "hdfs://host/f", "/no/such/file", "ftps://host/f"])
def test_places_that_cannot_be_reached(sandbox: Path, value: str) -> None:
    with pytest.raises(FetchError, match=value):
        fetch_all([URI(value=value)], sandbox, None)


@pytest.fixture
def server() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status = int(self.path.rpartition("/")[2].partition(".")[0])
            self.send_response(status)
            body = gzip.compress(b"text")
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_download_is_what_is_sent_byte_for_byte(sandbox: Path, server: str) -> None:
    fetch_all([URI(value=f"{server}/200.gz")], sandbox, None)
    assert gzip.decompress((sandbox / "200.gz").read_bytes()) == b"text"
    assert (sandbox / "200").read_text() == "text"


@pytest.mark.parametrize("status", [202, 404, 500])
def test_only_200_is_a_download(sandbox: Path, server: str, status: int) -> None:
    with pytest.raises(FetchError, match=f"Error downloading resource, received HTTP return code {status}"):
        fetch_all([URI(value=f"{server}/{status}")], sandbox, None)


# Launches


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RealWorld]:
    world = RealWorld(tmp_path / "work")
    world.start()
    yield world
    world.close()


def test_a_uri_that_says_nothing_fails_the_launch_with_its_reason(world: RealWorld) -> None:
    info = task()
    info.command.uris.add(value="http://host")
    world.run(info)
    status = world.until_state("t1", "TASK_FAILED", 20)
    assert status.reason == mesos.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED
    assert status.message == "Failed to launch container: Could not fetch: Malformed URI (missing path): http://host"


@pytest.mark.parametrize("value", ["/no/such/file", "http://host"])
def test_a_task_of_a_group_that_lacks_its_files_exits_with_1_and_never_runs(world: RealWorld, value: str) -> None:
    info = task()
    info.command.uris.add(value=value)
    world.run_group(info, task("t2", "sleep 1000"))
    assert world.until_state("t1", "TASK_FAILED", 20).message == "Command exited with status 1"
    world.until_state("t2", "TASK_KILLED", 20)
    assert world.master.states("t1") == ["TASK_STARTING", "TASK_FAILED"]


def test_fetches_are_counted_also_of_tasks_without_uris(world: RealWorld, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    for name, value in (("t1", str(tmp_path / "data")), ("t2", None), ("t3", "/no/such/file"), ("t4", "http://host")):
        info = task(name)
        if value is not None:
            info.command.uris.add(value=value)
        world.run(info)
        world.actor.run_until(lambda: {"TASK_FINISHED", "TASK_FAILED"} & set(world.master.states(name)))  # noqa: B023
    metrics = snapshot(world.agent.core)
    assert metrics["containerizer/fetcher/task_fetches_succeeded"] == 2
    assert metrics["containerizer/fetcher/task_fetches_failed"] == 2


def test_what_the_cache_holds_is_told(tmp_path: Path, sandbox: Path) -> None:
    (tmp_path / "data").write_text("x" * 100)
    cache = FetchCache(tmp_path / "cache", 1000)
    fetch_all([URI(value=str(tmp_path / "data"), cache=True)], sandbox, None, cache)
    assert cache.used == 100
