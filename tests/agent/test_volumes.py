"""Where persistent volumes lie, and which volumes containers see (agent-executor.md 12)."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.agent.limits import places
from pymesoskit.testing.engine.network.messages import ApplyOperation, RunTask, RunTaskGroup
from pymesoskit.wire.v1 import mesos
from tests.agent.world import FRAMEWORK_ID, RealWorld, default_executor, executor, framework, open_to_all, task

if TYPE_CHECKING:
    from collections.abc import Callable

Source = mesos.Resource.DiskInfo.Source
SANDBOX_PATH = "posix/cpu,posix/mem,filesystem/posix,volume/sandbox_path"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def make_world(tmp_path: Path) -> Any:
    worlds = []

    def make(disk: mesos.Resource | None = None, **flags: str) -> RealWorld:
        world = RealWorld(tmp_path / "work", **flags)
        if disk is not None:
            world.agent = new_agent_with(world, disk)
        worlds.append(world.start())
        return world

    yield make
    for world in worlds:
        world.close()


def new_agent_with(world: RealWorld, disk: mesos.Resource) -> Any:
    original = Resources.parse

    def parse(text: str) -> Resources:
        return original(text) + Resources.from_messages([disk])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Resources, "parse", parse)
        return world.new_agent()


def disk(kind: str | None = None, root: str = "", size: float = 64) -> mesos.Resource:
    resource = mesos.Resource(name="disk", type=mesos.Value.SCALAR)
    resource.scalar.value = size
    if kind is not None:
        resource.disk.source.type = Source.Type.Value(kind)
        getattr(resource.disk.source, kind.lower()).root = root
    return resource


def applied(world: RealWorld, kind: str, *resources: mesos.Resource) -> None:
    operation = mesos.Offer.Operation(type=mesos.Offer.Operation.Type.Value(kind))
    payload = getattr(operation, kind.lower())
    (payload.resources if kind == "RESERVE" else payload.volumes).extend(resources)
    world.send(ApplyOperation(FRAMEWORK_ID, operation, os.urandom(16)))


def create(
    world: RealWorld, name: str, resource: mesos.Resource | None = None, *, shared: bool = False
) -> mesos.Resource:
    """Creates a persistent volume; ``name`` is its path in sandboxes, too."""
    volume = mesos.Resource()
    volume.CopyFrom(disk() if resource is None else resource)
    volume.reservations.add(type=mesos.Resource.ReservationInfo.DYNAMIC, role="web")
    applied(world, "RESERVE", volume)
    volume.disk.persistence.id = volume.disk.volume.container_path = name
    volume.disk.volume.mode = mesos.Volume.RW
    if shared:
        volume.shared.SetInParent()
    applied(world, "CREATE", volume)
    return volume


def run(world: RealWorld, task_id: str, command: str, *volumes: mesos.Resource) -> None:
    info = task(task_id, command)
    info.resources.extend(volumes)
    world.run(info)
    world.until_state(task_id, "TASK_FINISHED", 20)


# Where they are


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        (None, "work/volumes/roles/web/v"),
        ("PATH", "disk/volumes/roles/web/v"),
        ("MOUNT", "disk"),
    ],
)
def test_a_volume_is_where_its_disk_is_as_soon_as_it_is_created(
    make_world: Callable[..., RealWorld], tmp_path: Path, kind: str | None, where: str
) -> None:
    (tmp_path / "disk").mkdir()
    resource = None if kind is None else disk(kind, str(tmp_path / "disk"))
    world = make_world(resource)
    volume = create(world, "v", resource)
    directory = tmp_path / where
    assert directory.is_dir()
    run(world, "writer", "echo kept > v/file", volume)
    run(world, "reader", "cat v/file", volume)
    assert (directory / "file").read_text() == "kept\n"
    assert (world.sandbox("reader") / "stdout").read_text() == "kept\n"
    applied(world, "DESTROY", volume)
    assert not (directory / "file").exists()
    assert directory.exists() == (kind == "MOUNT")  # the root of a disk stays


@pytest.mark.parametrize("kind", ["PATH", "MOUNT"])
def test_the_root_of_a_disk_may_be_relative_to_the_work_directory(
    make_world: Callable[..., RealWorld], tmp_path: Path, kind: str
) -> None:
    resource = disk(kind, "extra")
    create(make_world(resource), "v", resource)
    assert (tmp_path / "work/extra" / ("" if kind == "MOUNT" else "volumes/roles/web/v")).is_dir()


def test_the_files_of_a_volume_on_another_disk_can_be_read_over_http(
    make_world: Callable[..., RealWorld], tmp_path: Path
) -> None:
    resource = disk("MOUNT", str(tmp_path / "disk"))
    world = make_world(resource)
    info = task("t1", "echo shown > v/file; sleep 1000")
    info.resources.append(create(world, "v", resource))
    world.run(info)
    world.actor.run_until((tmp_path / "disk/file").exists, 20)
    path = f"/frameworks/{FRAMEWORK_ID}/executors/t1/runs/latest/v/file"
    answer = world.http("GET", f"/files/read?path={path}&offset=0")
    assert answer.response is not None
    assert answer.response.status == 200, answer.response.body


def test_a_volume_is_there_again_after_the_agent_was_restarted(
    make_world: Callable[..., RealWorld], tmp_path: Path
) -> None:
    world = make_world()
    create(world, "v")
    (tmp_path / "work/volumes/roles/web/v").rmdir()
    world.restart()
    world.actor.run_until(lambda: world.agent.registered, 20)
    assert (tmp_path / "work/volumes/roles/web/v").is_dir()


@as_root
def test_a_volume_belongs_to_whoever_uses_it(make_world: Callable[..., RealWorld], tmp_path: Path) -> None:
    world = make_world()
    open_to_all(tmp_path)
    volume = create(world, "v")
    info = task("t1", "touch v/file")
    info.command.user = "nobody"
    info.resources.append(volume)
    world.run(info)
    world.until_state("t1", "TASK_FINISHED", 20)
    assert (tmp_path / "work/volumes/roles/web/v").stat().st_uid == pwd.getpwnam("nobody").pw_uid


# Who sees them


def test_a_volume_leaves_the_sandbox_of_an_executor_with_the_task_that_held_it(
    make_world: Callable[..., RealWorld],
) -> None:
    world = make_world(isolation=SANDBOX_PATH)
    common = create(world, "common")
    group_executor = default_executor()
    group_executor.resources.append(common)
    short, long = task("short", "echo 1 > own/file; ls > list; sleep 0.2"), task("long", "sleep 1000")
    short.resources.append(create(world, "own"))
    world.send(RunTaskGroup(framework(), group_executor, (short,), launch_executor=True))
    world.send(RunTaskGroup(framework(), group_executor, (long,), launch_executor=False))
    world.until_state("short", "TASK_RUNNING", 20)
    sandbox = world.sandbox("default")
    assert (sandbox / "own").is_symlink()
    world.until_state("short", "TASK_FINISHED", 20)
    assert sorted(entry.name for entry in sandbox.iterdir()) == ["common", "containers", "stderr", "stdout", "tasks"]
    assert (sandbox / "tasks/short/list").read_text().split() == ["list", "own", "stderr", "stdout"]


def test_a_shared_volume_stays_as_long_as_one_task_holds_it(make_world: Callable[..., RealWorld]) -> None:
    world = make_world(isolation=SANDBOX_PATH)
    volume = create(world, "v", shared=True)
    for name, command in (("short", "exit 0"), ("long", "sleep 1000")):
        info = task(name, command)
        info.resources.append(volume)
        world.run_group(info, launch_executor=name == "short")
    world.until_state("long", "TASK_RUNNING", 20)
    world.until_state("short", "TASK_FINISHED", 20)
    assert (world.sandbox("default") / "v").is_symlink()


@pytest.mark.parametrize(("isolation", "seen"), [(SANDBOX_PATH, True), ("posix/cpu,posix/mem", False)])
def test_a_task_of_a_group_sees_its_volume_only_with_the_isolator_for_paths_in_sandboxes(
    make_world: Callable[..., RealWorld], isolation: str, seen: bool
) -> None:
    world = make_world(isolation=isolation)
    info = task("t1", "test -d v && echo yes || echo no")
    info.resources.append(create(world, "v"))
    world.run_group(info)
    world.until_state("t1", "TASK_FINISHED", 20)
    (sandbox,) = (world.sandbox("default") / "containers").iterdir()
    assert (sandbox / "stdout").read_text() == ("yes\n" if seen else "no\n")


def test_a_task_of_a_group_sees_a_volume_of_its_executor_where_it_asks_for_it(
    make_world: Callable[..., RealWorld], tmp_path: Path
) -> None:
    world = make_world(isolation=SANDBOX_PATH)
    group_executor = default_executor()
    group_executor.resources.append(create(world, "v"))
    info = task("t1", "echo 1 > mine/file")
    add_sandbox_path(info.container, "mine", "v", "PARENT")
    world.send(RunTaskGroup(framework(), group_executor, (info,), launch_executor=True))
    world.until_state("t1", "TASK_FINISHED", 20)
    assert (tmp_path / "work/volumes/roles/web/v/file").read_text() == "1\n"


def test_a_path_with_a_slash_shows_nothing(make_world: Callable[..., RealWorld]) -> None:
    world = make_world()
    volume = create(world, "v")
    volume.disk.volume.container_path = "sub/v"
    run(world, "t1", "ls > list", volume)
    assert "sub" not in (world.sandbox() / "list").read_text()


# Volumes of a ContainerInfo


def add_sandbox_path(container: mesos.ContainerInfo, at: str, path: str, kind: str) -> None:
    container.type = mesos.ContainerInfo.MESOS
    volume = container.volumes.add(container_path=at, mode="RW")
    volume.source.type = mesos.Volume.Source.SANDBOX_PATH
    volume.source.sandbox_path.type = mesos.Volume.Source.SandboxPath.Type.Value(kind)
    volume.source.sandbox_path.path = path


def add_host_path(container: mesos.ContainerInfo) -> None:
    container.type = mesos.ContainerInfo.MESOS
    container.volumes.add(container_path="etc", mode="RO", host_path="/etc")


FORMS: dict[str, Callable[[mesos.ContainerInfo], None]] = {
    "host path": add_host_path,
    "parent": lambda container: add_sandbox_path(container, "x", "y", "PARENT"),
    "self": lambda container: add_sandbox_path(container, "x", "y", "SELF"),
    "absolute": lambda container: add_sandbox_path(container, "x", "/y", "SELF"),
    "climbing": lambda container: add_sandbox_path(container, "x", "../y", "PARENT"),
}


@pytest.mark.parametrize("isolation", ["posix/cpu,posix/mem", SANDBOX_PATH])
@pytest.mark.parametrize("form", FORMS)
def test_a_command_task_cannot_have_volumes(make_world: Callable[..., RealWorld], form: str, isolation: str) -> None:
    world = make_world(isolation=isolation)
    info = task("t1", "exit 0")
    FORMS[form](info.container)
    world.run(info)
    status = world.until_state("t1", "TASK_FAILED", 20)
    assert status.reason == mesos.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED
    assert status.message == "Failed to launch container: Volumes in ContainerInfo is not supported"
    assert status.source == mesos.TaskStatus.SOURCE_AGENT


def test_a_custom_executor_cannot_have_volumes(make_world: Callable[..., RealWorld]) -> None:
    world = make_world()
    info = task("t1", None)
    info.executor.CopyFrom(executor())
    add_host_path(info.executor.container)
    world.send(RunTask(framework(), info, launch_executor=True))
    status = world.until_state("t1", "TASK_FAILED", 20)
    assert status.message == "Failed to launch container: Volumes in ContainerInfo is not supported"


@pytest.mark.parametrize("form", ["host path", "parent", "self", "absolute", "climbing"])
def test_without_the_isolator_a_task_of_a_group_runs_without_its_volumes(
    make_world: Callable[..., RealWorld], form: str
) -> None:
    world = make_world()
    info = task("t1", "ls")
    FORMS[form](info.container)
    world.run_group(info)
    world.until_state("t1", "TASK_FINISHED", 20)
    (sandbox,) = (world.sandbox("default") / "containers").iterdir()
    assert (sandbox / "stdout").read_text().split() == ["stderr", "stdout"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ("absolute", "Path '/y' in SANDBOX_PATH volume is absolute"),
        ("climbing", "The path '../y' is not inside the sandbox"),
    ],
)
def test_with_the_isolator_a_volume_in_a_sandbox_is_inside_it(
    make_world: Callable[..., RealWorld], form: str, error: str
) -> None:
    world = make_world(isolation=SANDBOX_PATH)
    info = task("t1", "exit 0")
    FORMS[form](info.container)
    world.run_group(info)
    assert world.until_state("t1", "TASK_FAILED", 20).message == error


def test_with_linux_file_systems_a_command_task_has_its_volumes(make_world: Callable[..., RealWorld]) -> None:
    world = make_world(isolation="filesystem/linux,volume/host_path")
    info = task("t1", "test -e etc/passwd")
    add_host_path(info.container)
    world.run(info)
    world.until_state("t1", "TASK_FINISHED", 20)


# Quotas


def test_what_shares_a_quota_is_one_resource_in_a_limitation(make_world: Callable[..., RealWorld]) -> None:
    world = make_world()
    tasks = [task(name, "sleep 1000") for name in ("a", "b")]
    for info in tasks:
        info.resources.append(disk(size=10))
    tasks[0].resources.append(create(world, "v"))
    world.run_group(*tasks)
    world.until_state("b", "TASK_RUNNING", 20)
    ((_, found),) = world.agent.core.executors()
    assert world.host.work_dir is not None
    sandbox, volume = places(found, world.host.work_dir)
    assert [resource.scalar.value for resource in sandbox.held] == [32 + 20]  # the executor holds some, too
    assert [resource.disk.persistence.id for resource in volume.held] == ["v"]
