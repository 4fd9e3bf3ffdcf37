"""Flags of agents that no other page of tests is about (agent-executor.md 1, 2, 5, 7, 12)."""

from __future__ import annotations

import getpass
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.resources import Resources
from pymesoskit.testing.cluster.cluster import AgentSpec, SimulatedCluster
from pymesoskit.testing.engine.agent import Outcome
from pymesoskit.testing.engine.containers.environment import DEFAULT_PATH
from pymesoskit.testing.engine.flags.flags import AgentFlags
from pymesoskit.testing.engine.network.messages import RunTask, ShutdownExecutor
from pymesoskit.testing.runtime import system
from pymesoskit.wire import RecordDecoder
from pymesoskit.wire.v1 import mesos
from tests.agent.test_agent_life import Controller, Estimator
from tests.agent.test_containers import RECORDIO, call
from tests.agent.test_executors import CustomWorld, kinds
from tests.agent.world import FRAMEWORK_ID, World, executor, framework, task

if TYPE_CHECKING:
    from pymesoskit.testing.engine.machine.launcher import Usage

RUNS = {"*": Outcome.runs()}


def environment(world: CustomWorld) -> dict[str, str]:
    """What the newest executor was started with."""
    return dict(world.launcher.commands[-1].environment)  # type: ignore[attr-defined]


# Executors


@pytest.mark.parametrize(
    ("given", "others", "path"),
    [
        (None, {}, DEFAULT_PATH),
        ('{"A": "b"}', {"A": "b"}, DEFAULT_PATH),
        ('{"A": "b", "PATH": "/there"}', {"A": "b"}, "/there"),
    ],
)
def test_executors_inherit_nothing_of_the_agents_environment(
    tmp_path: Path, given: str | None, others: dict[str, str], path: str
) -> None:
    world = CustomWorld(tmp_path, **({} if given is None else {"executor_environment_variables": given}))
    world.host.environment = {"INHERITED": "1", "HOME": "/root", "PATH": "/here"}
    world.start()
    world.launch("t1")
    seen = environment(world)
    assert seen.pop("PATH") == path
    assert {name: seen[name] for name in seen if not name.startswith(("MESOS_", "LIBPROCESS_"))} == others


@pytest.mark.parametrize(
    ("name", "seen"), [("LIBPROCESS_IP", "mine"), ("LIBPROCESS_PORT", "0"), ("MESOS_EXECUTOR_ID", "custom")]
)
def test_of_mesos_variables_only_the_libprocess_ip_can_be_replaced_by_the_flag(
    tmp_path: Path, name: str, seen: str
) -> None:
    world = CustomWorld(tmp_path, executor_environment_variables=json.dumps({name: "mine"}))
    world.start()
    world.launch("t1")
    assert environment(world)[name] == seen


def test_the_grace_period_of_executors_is_told_and_kept(tmp_path: Path) -> None:
    world = CustomWorld(tmp_path, executor_shutdown_grace_period="1500ms")
    world.start()
    world.launch("t1")
    assert environment(world)["MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD"] == "1500ms"
    world.subscribe()
    world.send(ShutdownExecutor(FRAMEWORK_ID, "custom"))
    world.advance(1.4)
    assert world.process().signals == []
    world.advance(0.2)
    assert world.process().signals == [9]


def test_executors_are_told_how_long_to_wait_for_an_agent_that_restarts(tmp_path: Path) -> None:
    world = CustomWorld(tmp_path, recovery_timeout="3mins", executor_reregistration_timeout="4secs")
    world.start()
    custom = task("t1", None)
    custom.executor.CopyFrom(executor())
    world.send(RunTask(framework(checkpoint=True), custom, launch_executor=True))
    assert environment(world)["MESOS_RECOVERY_TIMEOUT"] == "3mins"
    assert environment(world)["MESOS_SUBSCRIPTION_BACKOFF_MAX"] == "4secs"


@pytest.mark.parametrize(("flags", "shown"), [({}, "0"), ({"http_command_executor": "true"}, "1")])
def test_executors_are_told_whether_command_executors_speak_http(
    tmp_path: Path, flags: dict[str, str], shown: str
) -> None:
    world = CustomWorld(tmp_path, **flags)
    world.start()
    world.launch("t1")
    assert environment(world)["MESOS_HTTP_COMMAND_EXECUTOR"] == shown


@pytest.mark.parametrize(("flags", "switches"), [({}, True), ({"switch_user": "false"}, False)])
def test_executors_run_as_their_user_or_as_the_agents(tmp_path: Path, flags: dict[str, str], switches: bool) -> None:
    world = CustomWorld(tmp_path, **flags)
    world.start()
    info = framework()
    info.user = getpass.getuser()
    custom = task("t1", None)
    custom.executor.CopyFrom(executor())
    world.send(RunTask(info, custom, launch_executor=True))
    (command,) = world.launcher.commands  # type: ignore[attr-defined]
    assert command.user == (info.user if switches else None)


# Streams


def test_streams_of_output_have_heartbeats_as_often_as_wanted() -> None:
    world = World(RUNS, http_heartbeat_interval="10secs").start()
    info = task()
    info.container.type = mesos.ContainerInfo.MESOS
    info.container.tty_info.SetInParent()
    world.run(info)
    ((_, found),) = world.agent.core.executors()
    attached = call(world, "ATTACH_CONTAINER_OUTPUT", RECORDIO, container_id={"value": found.container_id})
    world.advance(31)
    assert attached.opened is not None
    records = [json.loads(record) for record in RecordDecoder().feed(attached.opened.data)]
    assert [record["control"]["type"] for record in records] == ["HEARTBEAT"] * 3


@pytest.mark.parametrize(("flags", "status"), [({}, 200), ({"authenticate_http_executors": "true"}, 401)])
def test_executors_need_a_token_only_where_one_is_asked_for(tmp_path: Path, flags: dict[str, str], status: int) -> None:
    (tmp_path / "key").write_bytes(b"0123456789abcdef")
    world = CustomWorld(tmp_path / "work", jwt_secret_key=str(tmp_path / "key"), **flags)
    world.start()
    world.launch("t1")
    assert ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN" in environment(world)) == bool(flags)
    answer = world.subscribe()
    assert answer.response is not None
    assert answer.response.status == status
    if status == 200:
        assert kinds(answer) == ["SUBSCRIBED", "LAUNCH"]


# Resources


def test_resources_without_a_role_belong_to_the_default_role() -> None:
    with SimulatedCluster(["cpus:4;mem(ads):512"], agent_flags={"default_role": "web"}) as cluster:
        process = cluster.master._member.process
        assert process is not None
        (agent,) = process.core.state.agents.values()
        assert str(agent.total_resources) == (
            "cpus(reservations: [(STATIC,web)]):4; mem(reservations: [(STATIC,ads)]):512"
        )


class CountingEstimator(Estimator):
    """How often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def oversubscribable(self, total: Any, allocated: Any, usages: dict[tuple[str, str], Usage]) -> Any:
        self.asked += 1
        return super().oversubscribable(total, allocated, usages)


class CountingController(Controller):
    """How often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def corrections(self, usages: dict[tuple[str, str], Usage]) -> list[tuple[str, str]]:
        self.asked += 1
        return super().corrections(usages)


def test_estimators_and_controllers_are_asked_as_often_as_wanted() -> None:
    world = World(oversubscribed_resources_interval="5secs", qos_correction_interval_min="10secs")
    world.estimator, world.controller = CountingEstimator(), CountingController()
    world.agent = world.new_agent()
    world.start()
    before = world.estimator.asked, world.controller.asked
    world.advance(60)
    assert (world.estimator.asked - before[0], world.controller.asked - before[1]) == (12, 6)


@pytest.mark.parametrize(
    ("policy", "resources", "accepted"),
    [
        ("equal", "cpus:8;mem:4096;disk:10000;ports:[31000-32000]", False),
        ("additive", "cpus:8;mem:4096;disk:10000;ports:[31000-32000];gpus:1", True),
        ("additive", "cpus:2;mem:4096;disk:10000;ports:[31000-32000]", False),
        ("additive", "cpus:8", False),
    ],
)
def test_an_agent_may_come_back_with_more_if_the_policy_lets_it(policy: str, resources: str, accepted: bool) -> None:
    world = World(RUNS, reconfiguration_policy=policy).start()
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.agent.terminate()
    world.agent = world.new_agent(resources)
    world.agent.start()
    world.advance(30)
    assert world.agent.registered == accepted
    if accepted:
        assert world.agent.agent_id == "M-S0"
        assert "TASK_RUNNING" in world.master.states("t1")
    else:
        assert "Old agent info" in str(world.ended[-1]) or "not permitted" in str(world.ended[-1])


# Resources that the agent finds out itself (agent-executor.md 14)


@pytest.mark.parametrize(
    ("memory", "disk", "mem", "expected_disk"),
    [(8192, 100000, 7168, 94880), (2048, 10240, 1024, 5120), (2000, 10000, 1000, 5000), (0, 0, 1024, 10240)],
)
def test_an_agent_leaves_a_little_of_what_it_finds_to_the_machine(
    monkeypatch: pytest.MonkeyPatch, memory: int, disk: int, mem: int, expected_disk: int
) -> None:
    monkeypatch.setattr(system, "_memory", lambda: (float(memory << 20), 0.0))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(total=disk << 20))
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    found = AgentSpec("auto").total(AgentFlags.from_texts({}))
    assert found == Resources.parse(f"cpus:3;mem:{mem};disk:{expected_disk};ports:[31000-32000]")


def test_what_an_agent_is_told_it_does_not_find_out() -> None:
    flags = AgentFlags.from_texts({"default_role": "web"})
    told = AgentSpec("auto; cpus:2 ;mem(ads):100;ports:[1-5];disk:0;gpus:1").total(flags)
    assert told == Resources.parse("cpus:2;mem(ads):100;ports:[1-5];disk:0;gpus:1", "web")
    assert AgentSpec("cpus:2").total(flags) == Resources.parse("cpus:2", "web")
    found = AgentSpec("auto;disk:0;mem:1").total(flags)
    assert {(item.name, item.reservations[-1].role) for item in found.to_messages()} == {
        ("cpus", "web"),
        ("mem", "web"),
        ("ports", "web"),
    }
