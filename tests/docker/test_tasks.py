"""Docker tasks in a real engine: what only one can show. The rules are pinned in tests/agent/test_docker.py."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pymesoskit.wire.v1 import mesos
from tests.agent.world import RealWorld, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.docker.conftest import RealEngine


@pytest.fixture
def world(engine: RealEngine, tmp_path: Path) -> Iterator[RealWorld]:
    world = RealWorld(tmp_path / "work", **engine.flags)
    world.start()
    yield world
    world.close()
    assert engine.containers() == []


def docker_task(engine: RealEngine, command: str) -> mesos.TaskInfo:
    info = task(command=command)
    info.container.type = mesos.ContainerInfo.DOCKER
    info.container.docker.image = engine.image
    return info


def test_a_task_runs_in_a_container_of_its_own(world: RealWorld, engine: RealEngine, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from the host")
    info = docker_task(engine, "echo pid $$; cat /in/given; hostname; echo $OWN > $MESOS_SANDBOX/file; exit 3")
    info.container.docker.network = mesos.ContainerInfo.DockerInfo.NONE
    info.container.hostname = "inside"
    info.container.volumes.add(host_path=str(tmp_path), container_path="/in", mode=mesos.Volume.RO)
    info.command.environment.variables.add(name="OWN", value="mine")
    world.run(info)
    status = world.until_state("t1", "TASK_FAILED")
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"]
    assert status.message == "Container exited with status 3"
    assert (world.sandbox() / "stdout").read_text() == "pid 1\nfrom the hostinside\n"
    assert (world.sandbox() / "file").read_text() == "mine\n"


def test_the_engine_knows_what_the_task_holds(world: RealWorld, engine: RealEngine) -> None:
    info = docker_task(engine, "sleep 1000")
    info.resources[1].scalar.value = 64
    info.container.docker.parameters.add(key="label", value="a=b")
    world.run(info)
    (found,) = json.loads(world.until_state("t1", "TASK_RUNNING").data)
    assert found["HostConfig"]["CpuShares"] == 102
    assert found["HostConfig"]["Memory"] == 64 << 20
    assert found["Config"]["Labels"] == {"a": "b"}
    assert found["State"]["Running"]
    usage = world.host.usage(world.host.containers()[0])
    assert usage is not None
    assert usage.processes >= 1
    (name,) = engine.containers()
    assert found["Name"] == f"/{name}"


def test_a_kill_lets_the_task_clean_up(world: RealWorld, engine: RealEngine) -> None:
    command = "trap 'echo bye; exit 7' TERM; touch $MESOS_SANDBOX/ready; while :; do sleep 0.02; done"
    world.run(docker_task(engine, command))
    world.until_state("t1", "TASK_RUNNING")
    world.actor.run_until((world.sandbox() / "ready").exists)
    world.kill("t1")
    status = world.until_state("t1", "TASK_KILLED")
    assert status.message == "Container exited with status 7"
    assert (world.sandbox() / "stdout").read_text() == "bye\n"


def test_a_health_check_runs_beside_the_task(world: RealWorld, engine: RealEngine) -> None:
    info = docker_task(engine, "touch /alive; sleep 1000")
    info.health_check.CopyFrom(mesos.HealthCheck(type=mesos.HealthCheck.COMMAND, delay_seconds=0, interval_seconds=0.1))
    info.health_check.command.value = "test -e /alive"
    world.run(info)
    world.actor.run_until(lambda: world.master.statuses()[-1:] and world.master.statuses()[-1].healthy)
    world.kill("t1", mesos.KillPolicy(grace_period=mesos.DurationInfo(nanoseconds=0)))
    assert world.until_state("t1", "TASK_KILLED").message == "Container exited with status 137"


def test_an_image_that_nobody_has_fails_the_launch(world: RealWorld, engine: RealEngine) -> None:
    info = docker_task(engine, "true")
    info.container.docker.image = "localhost:1/none"
    world.run(info)
    status = world.until_state("t1", "TASK_FAILED")
    assert status.message.startswith("Failed to launch container: Failed to run '")
    assert "pull localhost:1/none:latest': exited with status 1; stderr='Error response from daemon: " in status.message
