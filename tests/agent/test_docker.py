"""Docker tasks, against an engine whose containers are processes (``docker_engine.py``): agent-executor.md 10."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.agent import Outcome
from pymesoskit.testing.engine.executors.docker import client, container
from pymesoskit.testing.engine.executors.docker import executor as docker_executor
from pymesoskit.testing.engine.network.messages import RunTask
from pymesoskit.wire.v1 import executor as executor_v1
from pymesoskit.wire.v1 import mesos
from tests.agent.docker_engine import FakeEngine
from tests.agent.test_containers import call, nested
from tests.agent.test_executors import status_of
from tests.agent.test_real_tasks import volume_of
from tests.agent.world import RealWorld, World, executor, framework, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TASK_KILLING_STATE = mesos.FrameworkInfo.Capability.TASK_KILLING_STATE
Reason = mesos.TaskStatus


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are as short as real processes bear."""
    monkeypatch.setattr(container, "INSPECT_DELAY", 0.02)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[FakeEngine]:
    engine = FakeEngine(tmp_path)
    yield engine
    engine.close()


def docker_world(engine: FakeEngine, tmp_path: Path, **flags: str) -> RealWorld:
    given = {"containerizers": "docker,mesos", "docker": str(engine.program), "docker_socket": str(engine.socket)}
    world = RealWorld(tmp_path / "work", **{**given, "executor_reregistration_timeout": "100ms", **flags})
    world.start()
    return world


@pytest.fixture
def world(engine: FakeEngine, tmp_path: Path) -> Iterator[RealWorld]:
    world = docker_world(engine, tmp_path)
    yield world
    world.close()
    assert not engine.containers, "containers are left when the cluster has ended"


def docker_task(task_id: str = "t1", command: str | None = "sleep 1000", **fields: Any) -> mesos.TaskInfo:
    info = task(task_id, command, **fields)
    info.container.type = mesos.ContainerInfo.DOCKER
    info.container.docker.image = "alpine"
    return info


def grace(seconds: float) -> mesos.KillPolicy:
    policy = mesos.KillPolicy()
    policy.grace_period.nanoseconds = int(seconds * 1e9)
    return policy


def launch_failure(world: RealWorld, info: mesos.TaskInfo | None = None) -> str:
    world.run(docker_task() if info is None else info)
    status = world.until_state("t1", "TASK_FAILED")
    assert status.reason == Reason.REASON_CONTAINER_LAUNCH_FAILED
    assert world.master.states() == ["TASK_FAILED"]
    assert status.message.startswith("Failed to launch container: ")
    return status.message.removeprefix("Failed to launch container: ")


# The life of a task


@pytest.mark.parametrize(
    ("command", "state", "message"),
    [
        ("true", "TASK_FINISHED", "Container exited with status 0"),
        ("exit 3", "TASK_FAILED", "Container exited with status 3"),
        ("kill -9 $$", "TASK_FAILED", "Container exited with status 137"),
    ],
)
def test_a_task_starts_runs_and_ends_as_its_container(
    world: RealWorld, engine: FakeEngine, command: str, state: str, message: str
) -> None:
    world.run(docker_task(command=command))
    status = world.until_state("t1", state)
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING", state]
    assert status.message == message
    assert status.source == Reason.SOURCE_EXECUTOR
    assert not status.HasField("reason")
    assert status.executor_id.value == "t1"


def test_running_tells_what_inspect_says(world: RealWorld, engine: FakeEngine) -> None:
    engine.address, engine.address6 = "172.17.0.2", "fe80::2"
    info = docker_task()
    info.container.docker.network = mesos.ContainerInfo.DockerInfo.BRIDGE
    info.container.network_infos.add(name="ignored", groups=["g"]).ip_addresses.add(ip_address="1.2.3.4")
    world.run(info)
    status = world.until_state("t1", "TASK_RUNNING")
    (found,) = json.loads(status.data)
    assert found["Name"] == f"/{engine.container.name}"
    assert found["State"]["Pid"] == engine.container.process.pid  # type: ignore[union-attr]
    (network,) = status.container_status.network_infos
    assert (network.name, list(network.groups)) == ("ignored", ["g"])
    addresses = [(address.ip_address, address.protocol) for address in network.ip_addresses]
    assert addresses == [("172.17.0.2", mesos.NetworkInfo.IPv4), ("fe80::2", mesos.NetworkInfo.IPv6)]
    assert engine.container.name == f"mesos-{status.container_status.container_id.value}"
    assert not status.container_status.HasField("executor_pid")


def test_a_container_on_the_hosts_network_has_the_agents_address(world: RealWorld) -> None:
    world.run(docker_task())
    (network,) = world.until_state("t1", "TASK_RUNNING").container_status.network_infos
    assert [address.ip_address for address in network.ip_addresses] == ["127.0.0.1"]


def test_output_and_sandbox_are_the_containers(world: RealWorld) -> None:
    world.run(docker_task(command="echo out; echo err >&2; echo $MESOS_SANDBOX > file"))
    world.until_state("t1", "TASK_FINISHED")
    found = {path.name: path.read_text() for path in world.sandbox().iterdir()}
    assert found == {"stdout": "out\n", "stderr": "err\n", "file": "/mnt/mesos/sandbox\n"}


def test_uris_are_fetched_into_the_sandbox_first(world: RealWorld, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("hello")
    info = docker_task(command="cat data")
    info.command.uris.add(value=str(tmp_path / "data"))
    world.run(info)
    world.until_state("t1", "TASK_FINISHED")
    assert (world.sandbox() / "stdout").read_text() == "hello"


def test_a_command_that_the_image_lacks_is_127_as_docker_says(
    world: RealWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "INSPECT_TIMEOUT", 0.2)  # it is created, but never starts
    info = docker_task(command=None)
    info.command.shell = False
    info.command.value = "/no/such/program"
    world.run(info)
    assert world.until_state("t1", "TASK_FAILED", 20).message == "Container exited with status 127"


def test_options_that_cannot_be_are_told_after_starting(world: RealWorld, engine: FakeEngine) -> None:
    info = docker_task()
    info.container.hostname = "h"
    world.run(info)
    status = world.until_state("t1", "TASK_FAILED")
    assert world.master.states() == ["TASK_STARTING", "TASK_FAILED"]
    assert status.message == "Failed to create docker run options: Unable to set hostname with host network mode"
    assert engine.called("run") == []


def test_a_second_task_is_refused(world: RealWorld) -> None:
    world.run(docker_task())
    world.until_state("t1", "TASK_RUNNING")
    (found,) = world.host.containers()
    event = executor_v1.Event(type=executor_v1.Event.LAUNCH)
    event.launch.task.CopyFrom(docker_task("t2"))
    world.host.deliver(found, event)
    status = world.until_state("t2", "TASK_FAILED")
    assert status.message == 'Attempted to run multiple tasks using a "docker" executor'
    assert world.master.states("t1") == ["TASK_STARTING", "TASK_RUNNING"]


def test_limits_are_the_engines_business(world: RealWorld, engine: FakeEngine) -> None:
    info = docker_task(command="true")
    info.limits["mem"].value = 64
    world.run(info)
    world.until_state("t1", "TASK_FINISHED")
    assert ("--memory", str(64 << 20)) in engine.container.options


def test_the_executor_ends_once_the_last_update_is_acknowledged(world: RealWorld, engine: FakeEngine) -> None:
    world.run(docker_task(command="true"))
    world.until_state("t1", "TASK_FINISHED")
    world.actor.run_until(lambda: not world.host.containers())
    assert engine.called("rm") == []  # only after --docker_remove_delay


def test_a_container_is_removed_after_the_delay(engine: FakeEngine, tmp_path: Path) -> None:
    world = docker_world(engine, tmp_path, docker_remove_delay="50ms")
    world.run(docker_task(command="true"))
    world.until_state("t1", "TASK_FINISHED")
    world.actor.run_until(lambda: not world.launcher._remains)
    assert not engine.containers
    world.close()
    (removal,) = engine.called("rm")  # and there is nothing left to do at the end
    assert removal[:2] == ["-f", "-v"]


def test_the_sandbox_is_where_the_agent_says_it_is(engine: FakeEngine, tmp_path: Path) -> None:
    world = docker_world(engine, tmp_path, sandbox_directory="/sandbox")
    world.run(docker_task(command="echo $MESOS_SANDBOX"))
    world.until_state("t1", "TASK_FINISHED")
    assert (world.sandbox() / "stdout").read_text() == "/sandbox\n"
    assert ("-v", f"{world.sandbox()}:/sandbox") in engine.container.options
    world.close()


@pytest.mark.parametrize(("flags", "limited"), [({}, False), ({"cgroups_enable_cfs": "true"}, True)])
def test_cpus_are_a_limit_if_the_agent_says_so(
    engine: FakeEngine, tmp_path: Path, flags: dict[str, str], limited: bool
) -> None:
    world = docker_world(engine, tmp_path, **flags)
    world.run(docker_task(command="true"))
    world.until_state("t1", "TASK_FINISHED")
    assert (("--cpu-quota", "10000") in engine.container.options) == limited
    world.close()


# The engine and its images


def test_without_an_engine_the_launch_fails_and_says_so(engine: FakeEngine, tmp_path: Path) -> None:
    world = docker_world(engine, tmp_path, docker_socket=str(tmp_path / "none.sock"))
    message = launch_failure(world)
    host = f"unix://{tmp_path}/none.sock"
    assert message.startswith(f"No Docker engine answers at {host}: start one, or say where it is (--docker_socket)")
    assert f"Cannot connect to the Docker daemon at {host}" in message
    world.close()


def test_without_dockers_program_the_launch_fails_and_names_it(engine: FakeEngine, tmp_path: Path) -> None:
    world = docker_world(engine, tmp_path, docker="no-such-docker")
    message = launch_failure(world)
    assert message.startswith("No Docker engine answers at ")
    assert f"Failed to run 'no-such-docker -H unix://{engine.socket} version': exited with status 1" in message
    world.close()


def test_an_engine_that_hangs_does_not_answer(
    world: RealWorld, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER_TIMEOUT", 0.3)
    engine.hangs.add("version")
    message = launch_failure(world)
    assert message.startswith(f"No Docker engine answers at unix://{engine.socket}")
    assert message.endswith("version': no answer within 300ms")


@pytest.mark.parametrize("custom", [False, True])
def test_agents_that_are_not_told_to_use_docker_say_so(engine: FakeEngine, tmp_path: Path, custom: bool) -> None:
    world = docker_world(engine, tmp_path, containerizers="mesos")
    info = docker_task()
    if custom:
        info.executor.CopyFrom(executor())
        info.executor.container.CopyFrom(info.container)
        info.ClearField("command")
    message = launch_failure(world, info)
    assert message.startswith("None of the enabled containerizers (mesos) could create a container for the provided")
    assert "this agent uses no Docker engine (start it with --containerizers=docker,mesos" in message
    assert engine.calls == []
    world.close()


def test_an_image_that_is_there_is_not_pulled(world: RealWorld, engine: FakeEngine) -> None:
    world.run(docker_task(command="true"))
    world.until_state("t1", "TASK_FINISHED")
    assert engine.called("inspect")[0] == ["alpine:latest"]
    assert engine.called("pull") == []


def test_a_missing_image_is_pulled_with_the_sandbox_as_home(world: RealWorld, engine: FakeEngine) -> None:
    engine.registry.add("registry:5000/app:latest")
    info = docker_task(command="true")
    info.container.docker.image = "registry:5000/app"
    world.run(info)
    world.until_state("t1", "TASK_FINISHED")
    assert engine.called("pull") == [["registry:5000/app:latest"]]
    assert engine.environments[engine.calls.index(["pull", "registry:5000/app:latest"])]["HOME"] == str(world.sandbox())


def test_an_image_is_pulled_again_if_the_task_says_so(world: RealWorld, engine: FakeEngine) -> None:
    engine.registry.add("alpine")
    info = docker_task(command="true")
    info.container.docker.force_pull_image = True
    world.run(info)
    world.until_state("t1", "TASK_FINISHED")
    assert engine.called("pull") == [["alpine"]]


def test_an_image_that_cannot_be_pulled_fails_the_launch(world: RealWorld, engine: FakeEngine) -> None:
    info = docker_task()
    info.container.docker.image = "nobody/has:it"
    command = f"{engine.program} -H unix://{engine.socket} pull nobody/has:it"
    error = "Error response from daemon: pull access denied for nobody/has:it\n"
    assert launch_failure(world, info) == f"Failed to run '{command}': exited with status 1; stderr='{error}'"


@pytest.mark.parametrize("killed", [False, True])
def test_a_pull_that_takes_too_long_is_given_up(engine: FakeEngine, tmp_path: Path, killed: bool) -> None:
    world = docker_world(engine, tmp_path, executor_registration_timeout="3secs")
    engine.hangs.add("pull")
    info = docker_task()
    info.container.docker.image = "slow"
    world.run(info)
    world.actor.run_until(lambda: engine.called("pull"))
    if killed:
        world.kill("t1")
        status = world.until_state("t1", "TASK_KILLED")
        assert status.reason == Reason.REASON_TASK_KILLED_DURING_LAUNCH
    else:
        status = world.until_state("t1", "TASK_FAILED")
        assert status.reason == Reason.REASON_CONTAINER_LAUNCH_FAILED
        assert status.message == "Failed to launch container: discarded"
    world.actor.run_until(lambda: not world.host.containers())
    assert engine.called("run") == []
    world.close()


# Killing


@pytest.mark.parametrize(
    ("own", "asked", "used"), [(None, None, "5"), (2.5, None, "2"), (2.5, 1.0, "1"), (None, 0.0, "0")]
)
def test_a_kill_is_docker_stop_with_the_grace_period(
    world: RealWorld, engine: FakeEngine, own: float | None, asked: float | None, used: str
) -> None:
    info = docker_task(**({} if own is None else {"kill_policy": grace(own)}))
    world.run(info)
    world.until_state("t1", "TASK_RUNNING")
    world.kill("t1", None if asked is None else grace(asked))
    status = world.until_state("t1", "TASK_KILLED")
    assert status.message == "Container exited with status 143"
    name = engine.container.name
    expected = used if own is None or asked is not None else "2"
    assert engine.called("stop") == [["-t", expected, name]]
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"]


def test_a_task_that_ignores_sigterm_is_killed_after_the_grace_period(world: RealWorld, engine: FakeEngine) -> None:
    world.run(docker_task(command="trap '' TERM; touch ready; while :; do sleep 0.02; done", kill_policy=grace(1)))
    world.until_state("t1", "TASK_RUNNING")
    world.actor.run_until((world.sandbox() / "ready").exists)
    world.kill("t1")
    assert world.until_state("t1", "TASK_KILLED").message == "Container exited with status 137"


def test_killing_is_told_to_frameworks_that_want_it(world: RealWorld) -> None:
    world.run(docker_task(), info=framework(TASK_KILLING_STATE))
    world.until_state("t1", "TASK_RUNNING")
    world.kill("t1")
    world.kill("t1")
    world.until_state("t1", "TASK_KILLED")
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLING", "TASK_KILLED"]


def test_a_killed_task_that_exits_with_0_is_killed_all_the_same(world: RealWorld) -> None:
    world.run(docker_task(command="trap 'exit 0' TERM; touch ready; while :; do sleep 0.02; done"))
    world.until_state("t1", "TASK_RUNNING")
    world.actor.run_until((world.sandbox() / "ready").exists)
    world.kill("t1")
    assert world.until_state("t1", "TASK_KILLED").message == "Container exited with status 0"


def test_another_kill_replaces_a_stop_that_hangs(world: RealWorld, engine: FakeEngine) -> None:
    engine.hangs.add("stop")
    world.run(docker_task())
    world.until_state("t1", "TASK_RUNNING")
    world.kill("t1")
    world.actor.run_until(lambda: len(engine.called("stop")) == 1)
    engine.hangs.clear()
    world.kill("t1", grace(1))
    world.until_state("t1", "TASK_KILLED")
    assert [call[:2] for call in engine.called("stop")] == [["-t", "5"], ["-t", "1"]]


def test_a_kill_waits_until_the_engine_knows_the_container(world: RealWorld, engine: FakeEngine) -> None:
    engine.holds()
    world.run(docker_task())
    world.actor.run_until(lambda: len(engine.called("inspect")) > 2)
    world.kill("t1")
    assert engine.called("stop") == []
    engine.let_go()
    world.until_state("t1", "TASK_KILLED")
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"]


def test_a_shutdown_stops_the_task_with_what_is_left_of_the_grace_period(world: RealWorld, engine: FakeEngine) -> None:
    world.run(docker_task())
    world.until_state("t1", "TASK_RUNNING")
    (found,) = world.host.containers()
    world.host.deliver(found, executor_v1.Event(type=executor_v1.Event.SHUTDOWN))
    world.until_state("t1", "TASK_KILLED")
    assert [call[:2] for call in engine.called("stop")] == [["-t", "3"]]


def test_the_older_stop_timeout_counts_if_it_is_longer(engine: FakeEngine, tmp_path: Path) -> None:
    world = docker_world(engine, tmp_path, docker_stop_timeout="9secs")
    world.run(docker_task())
    world.until_state("t1", "TASK_RUNNING")
    world.kill("t1")
    world.until_state("t1", "TASK_KILLED")
    assert [call[:2] for call in engine.called("stop")] == [["-t", "9"]]
    world.close()


def test_a_task_that_takes_too_long_is_stopped_without_grace(world: RealWorld, engine: FakeEngine) -> None:
    info = docker_task(kill_policy=grace(60))
    info.max_completion_time.nanoseconds = 300_000_000
    world.run(info, info=framework(TASK_KILLING_STATE))
    status = world.until_state("t1", "TASK_FAILED")
    assert status.reason == Reason.REASON_MAX_COMPLETION_TIME_REACHED
    assert status.message.startswith("Container exited with status ")
    assert [call[:2] for call in engine.called("stop")] == [["-t", "0"]]
    assert "TASK_KILLING" not in world.master.states()


# Inspecting


def test_running_comes_only_when_the_container_has_started(world: RealWorld, engine: FakeEngine) -> None:
    engine.holds()
    world.run(docker_task())
    world.actor.run_until(lambda: len(engine.called("inspect")) > 3)
    assert world.master.states() == ["TASK_STARTING"]
    engine.let_go()
    world.until_state("t1", "TASK_RUNNING")


def test_an_inspect_that_hangs_is_begun_again(
    world: RealWorld, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "INSPECT_TIMEOUT", 0.2)
    engine.holds()
    world.run(docker_task())
    world.actor.run_until(lambda: engine.containers)
    engine.hangs.add("inspect")
    engine.let_go()
    before = len(engine.called("inspect"))
    world.actor.run_until(lambda: len(engine.called("inspect")) > before + 2)
    assert world.master.states() == ["TASK_STARTING"]
    engine.hangs.clear()
    monkeypatch.setattr(container, "INSPECT_TIMEOUT", 20.0)
    world.until_state("t1", "TASK_RUNNING")


def test_a_container_that_is_never_inspected_ends_without_running(
    world: RealWorld, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "INSPECT_TIMEOUT", 0.3)
    engine.images.add("alpine")
    engine.fails["run"] = (125, "docker: Error response from daemon: out of luck")
    world.run(docker_task())
    status = world.until_state("t1", "TASK_FAILED")
    assert world.master.states() == ["TASK_STARTING", "TASK_FAILED"]
    assert status.message == "Container exited with status 125"
    assert "out of luck" in (world.sandbox() / "stderr").read_text()


def test_an_answer_of_inspect_that_makes_no_sense_leaves_out_running(world: RealWorld, engine: FakeEngine) -> None:
    engine.holds()
    world.run(docker_task(command="true"))
    world.actor.run_until(lambda: engine.containers)
    engine.fails["inspect"] = (0, "")
    engine.let_go()
    world.until_state("t1", "TASK_FINISHED")
    assert "TASK_RUNNING" not in world.master.states()


def test_the_exit_that_an_engine_misses_is_unknown(
    world: RealWorld, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "MISSED_EXIT_TIMEOUT", 0.1)
    monkeypatch.setattr(container, "PROCESS_INTERVAL", 0.05)
    engine.deaf = True
    world.run(docker_task(command="sleep 0.5"))
    status = world.until_state("t1", "TASK_FAILED")
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"]
    assert status.message == "Failed to get exit status of container"


# Health


def health(**fields: Any) -> mesos.HealthCheck:
    return mesos.HealthCheck(
        delay_seconds=0, interval_seconds=0.05, grace_period_seconds=0, consecutive_failures=2, **fields
    )


def test_the_command_of_a_health_check_runs_in_the_container(world: RealWorld, engine: FakeEngine) -> None:
    info = docker_task()
    info.health_check.CopyFrom(health(type=mesos.HealthCheck.COMMAND))
    info.health_check.command.value = 'test "$MESOS_SANDBOX" = /mnt/mesos/sandbox'
    world.run(info)
    world.actor.run_until(lambda: len(world.master.statuses()) == 3)
    status = world.master.statuses()[-1]
    assert status.state == mesos.TASK_RUNNING
    assert status.healthy
    assert status.reason == Reason.REASON_TASK_HEALTH_CHECK_STATUS_UPDATED
    assert not status.data
    name = engine.container.name
    assert engine.called("exec")[0] == [name, "sh", "-c", info.health_check.command.value]


def test_health_updates_tell_the_addresses_again(world: RealWorld, engine: FakeEngine) -> None:
    engine.address = "172.17.0.2"
    info = docker_task()
    info.container.docker.network = mesos.ContainerInfo.DockerInfo.BRIDGE
    info.health_check.CopyFrom(health(type=mesos.HealthCheck.COMMAND))
    info.health_check.command.shell = False
    info.health_check.command.value = "true"
    world.run(info)
    world.actor.run_until(lambda: len(world.master.statuses()) == 3)
    running, healthy = world.master.statuses()[1:]
    assert healthy.container_status.network_infos == running.container_status.network_infos
    assert healthy.container_status.network_infos[0].ip_addresses[0].ip_address == "172.17.0.2"
    assert engine.called("exec")[0][1:] == ["true"]


@pytest.mark.parametrize(("network", "asked"), [("HOST", "127.0.0.1"), ("BRIDGE", "172.17.0.2")])
def test_ports_are_looked_at_where_the_container_is(
    engine: FakeEngine, tmp_path: Path, network: str, asked: str
) -> None:
    class Prober:
        def __init__(self) -> None:
            self.urls: list[str] = []

        def http(self, url: str, timeout: float, on_result: Any) -> None:
            self.urls.append(url)
            on_result(200)

        def close(self) -> None: ...

    class ProbedWorld(RealWorld):
        def make_prober(self) -> Any:
            return Prober()

    engine.address = "" if network == "HOST" else asked
    given = {"containerizers": "docker,mesos", "docker": str(engine.program), "docker_socket": str(engine.socket)}
    world = ProbedWorld(tmp_path / "work", **given)
    world.start()
    info = docker_task()
    info.container.docker.network = mesos.ContainerInfo.DockerInfo.Network.Value(network)
    info.health_check.CopyFrom(health(type=mesos.HealthCheck.HTTP))
    info.health_check.http.port = 8080
    info.health_check.http.path = "/up"
    world.run(info)
    world.actor.run_until(lambda: len(world.master.statuses()) == 3)
    assert world.prober.urls[0] == f"http://{asked}:8080/up"
    world.close()


def test_a_task_that_is_not_healthy_is_stopped_until_it_ends(
    world: RealWorld, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_executor, "KILL_RETRY_INTERVAL", 0.1)
    engine.fails["stop"] = (1, "Error response from daemon: not now")
    info = docker_task()
    info.health_check.CopyFrom(health(type=mesos.HealthCheck.COMMAND))
    info.health_check.command.value = "false"
    world.run(info)
    world.actor.run_until(lambda: len(engine.called("stop")) > 1)
    engine.fails.clear()
    status = world.until_state("t1", "TASK_KILLED")
    assert status.HasField("healthy")
    assert not status.healthy
    told = [each.healthy for each in world.master.statuses() if each.state == mesos.TASK_RUNNING][1:]
    assert told == [False, False]


# What is mounted


def test_a_persistent_volume_is_mounted_below_the_sandbox(world: RealWorld, engine: FakeEngine) -> None:
    volume = volume_of(world, "data")
    info = docker_task(command="true")
    info.resources.append(volume)
    world.run(info)
    world.until_state("t1", "TASK_FINISHED")
    assert world.host.work_dir is not None
    where = world.host.work_dir / "volumes/roles/web/data"
    assert ("-v", f"{where}:/mnt/mesos/sandbox/data") in engine.container.options
    assert where.is_dir()
    assert not (world.sandbox() / "data").exists()


def test_a_sandbox_with_colons_in_its_path_is_mounted_by_a_link(world: RealWorld, engine: FakeEngine) -> None:
    world.run(docker_task("a:b", "echo x > file"))
    world.until_state("a:b", "TASK_FINISHED")
    (mounted,) = [value for option, value in engine.container.options if option == "-v"]
    assert mounted.count(":") == 1
    assert "/docker/links/" in mounted
    assert (world.sandbox("a:b") / "file").exists()


# Agents and clusters that end


def test_a_container_runs_on_while_its_agent_is_away(world: RealWorld) -> None:
    world.run(docker_task(command="until [ -e go ]; do sleep 0.02; done; exit 4"), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.restart()
    world.actor.run_until(lambda: world.agent.registered)
    (world.sandbox() / "go").touch()
    assert world.until_state("t1", "TASK_FAILED").message == "Container exited with status 4"


def test_the_container_of_an_executor_that_is_destroyed_is_stopped(world: RealWorld, engine: FakeEngine) -> None:
    world.run(docker_task())
    world.until_state("t1", "TASK_RUNNING")
    (found,) = world.host.containers()
    world.host.destroy(found.id)
    status = world.until_state("t1", "TASK_FAILED")
    assert status.reason == Reason.REASON_EXECUTOR_TERMINATED
    assert not engine.container.running
    assert engine.called("stop") == [["-t", "0", engine.container.name]]


def test_a_container_that_is_about_to_start_when_its_executor_is_destroyed_is_stopped_once_it_has(
    world: RealWorld, engine: FakeEngine
) -> None:
    engine.holds()
    world.run(docker_task())
    world.actor.run_until(lambda: engine.containers)
    (found,) = world.host.containers()
    world.host.destroy(found.id)
    world.actor.run_until(lambda: engine.called("stop"))
    engine.let_go()
    world.actor.run_until(lambda: not world.host.containers())
    world.actor.run_until(lambda: not engine.container.running)


def test_an_executor_is_given_up_although_the_engine_hangs(
    world: RealWorld, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "FORCE_KILL_TIMEOUT", 0.2)
    world.run(docker_task())
    world.until_state("t1", "TASK_RUNNING")
    engine.hangs.add("stop")
    (found,) = world.host.containers()
    world.host.destroy(found.id)
    world.until_state("t1", "TASK_FAILED")
    engine.hangs.clear()


def test_the_end_of_the_cluster_removes_running_and_ended_containers_at_one_stroke(
    engine: FakeEngine, tmp_path: Path
) -> None:
    world = docker_world(engine, tmp_path)
    world.run(docker_task("t1"), docker_task("t2", "true"))
    world.until_state("t1", "TASK_RUNNING")
    world.until_state("t2", "TASK_FINISHED")
    names = set(engine.containers)
    world.close()
    (removal,) = engine.called("rm")
    assert set(removal[2:]) == names
    assert not engine.containers


def test_a_container_that_starts_while_the_cluster_ends_is_removed_too(engine: FakeEngine, tmp_path: Path) -> None:
    world = docker_world(engine, tmp_path)
    engine.holds()
    world.run(docker_task())
    world.actor.run_until(lambda: engine.containers)
    engine.fails["inspect"] = (1, "")
    original = engine._rm

    def late(arguments: list[str], answer: Any) -> None:
        if len(engine.called("rm")) == 1:  # the first comes too early: the engine knows of nothing yet
            engine.let_go()
            answer.exit(0)
        else:
            original(arguments, answer)

    engine._rm = late  # type: ignore[method-assign]
    world.close()
    assert not engine.containers


@pytest.mark.skipif(sys.platform != "linux", reason="finds the supervisor in /proc")
def test_a_task_fails_and_its_container_ends_when_the_supervisor_is_killed(
    world: RealWorld, engine: FakeEngine
) -> None:
    world.run(docker_task())
    world.until_state("t1", "TASK_RUNNING")
    os.kill(world.launcher._connection.program.pid, signal.SIGKILL)
    status = world.until_state("t1", "TASK_FAILED")
    assert status.message == "Container terminated with signal Killed"
    world.actor.run_until(lambda: not engine.container.running)


def test_containers_of_the_engine_have_none_nested_in_them(world: RealWorld) -> None:
    world.run(docker_task())
    status = world.until_state("t1", "TASK_RUNNING")
    answer = call(
        world,
        "LAUNCH_NESTED_CONTAINER",
        container_id=nested(status.container_status.container_id.value),
        command={"value": "true"},
    )
    assert status_of(answer) == (500, "Nested containers are not supported")


# Custom executors in containers


def custom_task(command: str = "sleep 1000") -> mesos.TaskInfo:
    info = task("t1", None)
    info.executor.CopyFrom(executor(command=command))
    info.executor.container.type = mesos.ContainerInfo.DOCKER
    info.executor.container.docker.image = "alpine"
    return info


def test_a_custom_executor_runs_in_a_container_with_its_environment(world: RealWorld, engine: FakeEngine) -> None:
    world.send(RunTask(framework(), custom_task(), launch_executor=True))
    world.actor.run_until(lambda: world.host.containers() and world.host.containers()[0].launched)
    environment = engine.container.environment
    assert environment["MESOS_AGENT_ENDPOINT"] == "127.0.0.1:5051"
    assert environment["MESOS_EXECUTOR_ID"] == "custom"
    assert environment["MESOS_SANDBOX"] == "/mnt/mesos/sandbox"
    assert environment["MESOS_CONTAINER_NAME"] == engine.container.name
    (found,) = world.host.containers()
    assert found.pid == engine.container.process.pid  # type: ignore[union-attr]
    world.host.destroy(found.id)
    world.until_state("t1", "TASK_FAILED")
    assert not engine.container.running


def test_a_custom_executor_that_exits_is_terminated(world: RealWorld) -> None:
    world.send(RunTask(framework(), custom_task("until [ -e go ]; do sleep 0.02; done"), launch_executor=True))
    world.actor.run_until(lambda: world.host.containers() and world.host.containers()[0].launched)
    (world.sandbox("custom") / "go").touch()
    status = world.until_state("t1", "TASK_FAILED")
    assert (status.reason, status.message) == (Reason.REASON_EXECUTOR_TERMINATED, "Executor terminated")


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda engine, info: engine.fails.update(run=(125, "no")), "Container exited with status 125"),
        (
            lambda engine, info: setattr(info.executor.container, "hostname", "h"),
            "Unable to set hostname with host network mode",
        ),
    ],
)
def test_a_custom_executor_whose_container_does_not_start_fails_at_launch(
    world: RealWorld, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, break_it: Any, why: str
) -> None:
    monkeypatch.setattr(container, "INSPECT_TIMEOUT", 0.2)
    info = custom_task()
    break_it(engine, info)
    assert launch_failure(world, info) == why


# Simulated agents


@pytest.mark.parametrize("containerizers", ["mesos", "docker,mesos"])
def test_simulated_agents_take_docker_tasks_as_any_other(containerizers: str) -> None:
    world = World({"t1": Outcome.fails(after=60, code=7)}, containerizers=containerizers)
    world.start()
    world.run(docker_task())
    status = world.until_state("t1", "TASK_FAILED")
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"]
    assert status.message == "Command exited with status 7"


# Variables


def processes_with(text: str) -> list[str]:
    """The command lines of the processes on this machine that show the text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if text in line:
                found.append(line)
    return found


@pytest.mark.parametrize("name", ["PASSWORD", "DOCKER_PASSWORD"])
def test_the_value_of_a_variable_is_in_no_list_of_processes(world: RealWorld, engine: FakeEngine, name: str) -> None:
    info = docker_task(command=f'test "${name}" = "hush $((40 + 2))" && touch seen; sleep 1000')
    info.command.environment.variables.add(name=name, value="hush 42")
    world.run(info)
    world.until_state("t1", "TASK_RUNNING", 20)
    world.actor.run_until((world.sandbox() / "seen").exists, 20)
    assert processes_with("hush 42") == []
    assert world.host.work_dir is not None
    assert not [path for path in (world.host.work_dir / "docker").glob("*") if path.is_file()]


def test_the_file_of_variables_is_only_for_the_cluster_and_goes_with_a_container_that_fails(
    world: RealWorld, engine: FakeEngine
) -> None:
    engine.fails["run"] = (125, "no such thing")
    info = docker_task(command="true")
    info.command.environment.variables.add(name="DOCKER_PASSWORD", value="hush")
    world.run(info)
    world.until_state("t1", "TASK_FAILED", 30)
    assert world.host.work_dir is not None
    assert (world.host.work_dir / "docker").stat().st_mode & 0o777 == 0o700
    assert not list((world.host.work_dir / "docker").glob("mesos-*"))
