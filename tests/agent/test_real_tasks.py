"""Tasks as real processes: sandbox, environment, URIs, volumes, checks, restarts (agent-executor.md 7, 8, 11, 12)."""

from __future__ import annotations

import http.server
import os
import signal
import socket
import sys
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.network.messages import ExitedExecutor, RunTask
from pymesoskit.wire.v1 import mesos
from tests.agent.test_agent_life import reserve
from tests.agent.world import RealWorld, executor, framework, open_to_all, task

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RealWorld]:
    world = RealWorld(tmp_path / "work", executor_reregistration_timeout="100ms")
    world.start()
    yield world
    world.close()


def run(world: RealWorld, each: mesos.TaskInfo, state: str = "TASK_FINISHED", **fields: Any) -> mesos.TaskStatus:
    world.run(each, **fields)
    return world.until_state(each.task_id.value, state, 20)


def test_output_is_in_the_sandbox_and_can_be_read_over_http(world: RealWorld) -> None:
    run(world, task(command="echo out; echo err >&2"))
    assert (world.sandbox() / "stdout").read_text() == "out\n"
    answer = world.http("GET", "/files/read?path=/frameworks/M-0000/executors/t1/runs/latest/stderr&offset=0")
    assert answer.response is not None
    assert answer.response.body == b'{"data": "err\\n", "offset": 0}'


def test_a_command_task_sees_its_executors_environment_and_its_own(world: RealWorld) -> None:
    info = task(command="env")
    info.command.environment.variables.add(name="OWN", value="x y")
    run(world, info)
    env = dict(line.split("=", 1) for line in (world.sandbox() / "stdout").read_text().splitlines())
    assert env["MESOS_SANDBOX"] == env["MESOS_DIRECTORY"] == str(world.sandbox())
    assert env["MESOS_AGENT_ENDPOINT"] == "127.0.0.1:5051"
    assert env["MESOS_SLAVE_PID"] == "slave(1)@127.0.0.1:5051"
    assert env["MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD"] == "5secs"
    assert env["MESOS_CHECKPOINT"] == "0"
    assert "MESOS_RECOVERY_TIMEOUT" not in env
    assert env["MESOS_ALLOCATION_ROLE"] == "web"
    assert env["OWN"] == "x y"


def test_checkpointing_frameworks_get_the_variables_of_recovery(world: RealWorld) -> None:
    run(world, task(command="env"), info=framework(checkpoint=True))
    env = (world.sandbox() / "stdout").read_text().splitlines()
    assert "MESOS_RECOVERY_TIMEOUT=15mins" in env
    assert "MESOS_SUBSCRIPTION_BACKOFF_MAX=100ms" in env


def test_a_command_without_shell_has_all_its_arguments(world: RealWorld) -> None:
    info = task()
    info.command.shell = False
    info.command.value = "printf"
    info.command.arguments.extend(["printf", "%s|%s", "a b", "$HOME"])
    run(world, info)
    assert (world.sandbox() / "stdout").read_text() == "a b|$HOME"


def test_files_archives_and_executables_are_fetched(world: RealWorld, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("hello")
    (tmp_path / "program").write_text("#!/bin/sh\ncat data inside renamed\n")
    (tmp_path / "inside").write_text("packed")
    with tarfile.open(tmp_path / "archive.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "inside", "inside")
    info = task(command="./program")
    info.command.uris.add(value=str(tmp_path / "data"))
    info.command.uris.add(value=f"file://{tmp_path}/program", executable=True)
    info.command.uris.add(value=str(tmp_path / "archive.tar.gz"))
    info.command.uris.add(value=str(tmp_path / "data"), output_file="renamed", extract=False)
    run(world, info)
    assert (world.sandbox() / "stdout").read_text() == "hellopackedhello"


def test_a_uri_over_http(world: RealWorld, tmp_path: Path) -> None:
    (tmp_path / "served").write_text("over http")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *args: Any) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        info = task(command="cat served")
        info.command.uris.add(value=f"http://127.0.0.1:{server.server_address[1]}/served")
        run(world, info)
        server.shutdown()
    assert (world.sandbox() / "stdout").read_text() == "over http"


def test_a_uri_that_cannot_be_fetched_fails_the_launch(world: RealWorld) -> None:
    info = task()
    info.command.uris.add(value="/no/such/file")
    status = run(world, info, "TASK_FAILED")
    assert status.reason == mesos.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED
    container = world.sandbox().name
    fetch = f"Failed to fetch all URIs for container '{container}': exited with status 1"
    assert status.message == f"Failed to launch container: {fetch}"
    assert "/no/such/file" in (world.sandbox() / "stderr").read_text()


def test_mesos_containers_with_images_fail_at_launch(world: RealWorld) -> None:
    info = task()
    info.container.type = mesos.ContainerInfo.MESOS
    info.container.mesos.image.type = mesos.Image.DOCKER
    info.container.mesos.image.docker.name = "busybox"
    status = run(world, info, "TASK_FAILED")
    assert status.reason == mesos.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED
    assert "Unsupported container image type" in status.message


def test_nothing_of_a_task_is_left_when_it_has_ended(world: RealWorld) -> None:
    run(world, task(command="setsid sleep 1000 & echo $! > pid; sleep 0.05"))
    pid = int((world.sandbox() / "pid").read_text())
    world.actor.run_until(lambda: not Path(f"/proc/{pid}").exists())


def test_a_persistent_volume_outlives_its_task(world: RealWorld) -> None:
    operation = reserve("disk:64")
    world.send(operation)
    create = mesos.Offer.Operation(type=mesos.Offer.Operation.CREATE)
    volume = create.create.volumes.add()
    volume.CopyFrom(operation.operation.reserve.resources[0])
    volume.disk.persistence.id = "v1"
    volume.disk.volume.container_path = "data"
    volume.disk.volume.mode = mesos.Volume.RW
    operation.operation.CopyFrom(create)
    world.send(operation)
    first, second = task("t1", "echo kept > data/file"), task("t2", "cat data/file")
    for info in (first, second):
        info.resources.append(volume)
        run(world, info)
    assert (world.sandbox("t2") / "stdout").read_text() == "kept\n"
    assert world.host.work_dir is not None
    directory = world.host.work_dir / "volumes/roles/web/v1"
    assert (directory / "file").exists()
    destroy = mesos.Offer.Operation(type=mesos.Offer.Operation.DESTROY)
    destroy.destroy.volumes.append(volume)
    operation.operation.CopyFrom(destroy)
    world.send(operation)
    assert not directory.exists()


def volume_of(world: RealWorld, name: str, *, shared: bool = False) -> mesos.Resource:
    """A persistent volume that the agent has made; ``name`` is its path, too."""
    operation = reserve("disk:64")
    world.send(operation)
    create = mesos.Offer.Operation(type=mesos.Offer.Operation.CREATE)
    volume = create.create.volumes.add()
    volume.CopyFrom(operation.operation.reserve.resources[0])
    volume.disk.persistence.id = volume.disk.volume.container_path = name
    volume.disk.volume.mode = mesos.Volume.RW
    if shared:
        volume.shared.SetInParent()
    operation.operation.CopyFrom(create)
    world.send(operation)
    return volume


def test_a_persistent_volume_survives_its_agent_and_is_at_the_same_path_again(world: RealWorld) -> None:
    volume = volume_of(world, "v")
    for name, command in (("t1", "echo kept > v/file; pwd -P; cd v; pwd -P"), ("t2", "cat v/file; cd v; pwd -P")):
        info = task(name, command)
        info.resources.append(volume)
        run(world, info)
        world.restart()
        world.actor.run_until(lambda: world.agent.registered)
    before, after = ((world.sandbox(name) / "stdout").read_text().split() for name in ("t1", "t2"))
    assert after == ["kept", before[1]]


def test_tasks_share_a_volume_at_the_same_time(world: RealWorld) -> None:
    volume = volume_of(world, "v", shared=True)
    reader = task("reader", "until test -e v/word; do sleep 0.01; done; cat v/word")
    writer = task("writer", "echo hello > v/new; mv v/new v/word; sleep 1000")
    for info in (reader, writer):
        info.resources.append(volume)
        world.run(info)
    world.until_state("reader", "TASK_FINISHED", 20)
    assert (world.sandbox("reader") / "stdout").read_text() == "hello\n"
    assert world.master.states("writer")[-1] == "TASK_RUNNING"


def test_a_volume_that_cannot_be_added_ends_the_executor(world: RealWorld) -> None:
    world.run_group(task("a", "sleep 1000"))
    world.until_state("a", "TASK_RUNNING", 20)
    (world.sandbox("default") / "taken").write_text("in the way")
    info = task("b")
    info.resources.append(volume_of(world, "taken"))
    world.run_group(info, launch_executor=False)
    for task_id in ("a", "b"):
        status = world.until_state(task_id, "TASK_GONE", 20)
        assert status.reason == mesos.TaskStatus.REASON_CONTAINER_UPDATE_FAILED
        assert status.message.startswith("Failed to update resources for container: ")


def test_http_and_tcp_checks_look_at_real_ports(world: RealWorld) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        info = task(command="sleep 1000")
        info.check.type = mesos.CheckInfo.TCP
        info.check.tcp.port = listener.getsockname()[1]
        info.check.delay_seconds = 0
        world.run(info)
        world.actor.run_until(lambda: len(world.master.statuses("t1")) == 3)
    assert world.master.statuses("t1")[-1].check_status.tcp.succeeded


def test_a_command_check_runs_in_the_tasks_sandbox(world: RealWorld) -> None:
    info = task(command="sleep 1000")
    info.check.type = mesos.CheckInfo.COMMAND
    info.check.command.command.value = 'touch "$MESOS_SANDBOX/checked"; exit 7'
    info.check.delay_seconds = 0
    world.run(info)
    world.actor.run_until(lambda: len(world.master.statuses("t1")) == 3)
    assert world.master.statuses("t1")[-1].check_status.command.exit_code == 7
    assert (world.sandbox() / "checked").exists()


def test_a_task_runs_on_while_its_agent_is_away(world: RealWorld) -> None:
    run(world, task(command="echo $$ > pid; sleep 1000"), "TASK_RUNNING", info=framework(checkpoint=True))
    world.restart()
    world.actor.run_until(lambda: world.agent.registered)
    pid = int((world.sandbox() / "pid").read_text())
    os.kill(pid, 0)
    world.kill("t1")
    assert world.until_state("t1", "TASK_KILLED", 20).message == "Command terminated with signal Terminated"


def test_a_custom_executor_is_a_process_with_a_wait_status(world: RealWorld) -> None:
    info = task("t1", None)
    info.executor.CopyFrom(executor(command="kill -9 $$"))
    world.send(RunTask(framework(), info, launch_executor=True))
    status = world.until_state("t1", "TASK_FAILED", 20)
    assert status.message == "Executor terminated"
    assert world.master.got(ExitedExecutor)[0].status == signal.SIGKILL


def test_a_group_has_a_sandbox_for_each_task_and_only_three_variables_of_mesos(world: RealWorld) -> None:
    world.run_group(task("a", "env | grep ^MESOS_ | cut -d= -f1 | sort"), task("b", "pwd"))
    world.until_state("a", "TASK_FINISHED", 20)
    world.until_state("b", "TASK_FINISHED", 20)
    tasks = world.sandbox("default") / "tasks"
    assert (tasks / "a" / "stdout").read_text().split() == [
        "MESOS_ALLOCATION_ROLE",
        "MESOS_CONTAINER_IP",
        "MESOS_SANDBOX",
    ]
    assert (tasks / "b" / "stdout").read_text().strip() == str((tasks / "b").resolve())


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root switches users")
def test_a_task_runs_as_its_user(world: RealWorld, tmp_path: Path) -> None:
    open_to_all(tmp_path)
    info = task(command="id -un")
    info.command.user = "nobody"
    run(world, info)
    assert (world.sandbox() / "stdout").read_text() == "nobody\n"


def test_many_tasks_at_once_are_all_accounted_for(world: RealWorld) -> None:
    kinds = {
        "true": "TASK_FINISHED",
        "exit 3": "TASK_FAILED",
        "trap '' TERM; setsid sleep 1000 & while :; do sleep 1000; done": "TASK_KILLED",
    }
    tasks = {f"{i}-{j}": (command, state) for i, (command, state) in enumerate(kinds.items()) for j in range(20)}
    for task_id, (command, state) in tasks.items():
        info = task(task_id, command)
        info.kill_policy.grace_period.nanoseconds = 10**8
        world.run(info)
        if state == "TASK_KILLED":
            world.until_state(task_id, "TASK_RUNNING", 20)
            world.kill(task_id)
    for task_id, (_, state) in tasks.items():
        world.until_state(task_id, state, 60)
    world.actor.run_until(lambda: not world.host.containers())
