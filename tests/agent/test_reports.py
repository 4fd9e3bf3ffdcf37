"""What the agent makes of updates: what it adds, rewrites, drops, and whom it answers (agent-executor.md 2.5, 3.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.agent import Command, Exit
from pymesoskit.testing.engine.network.messages import DrainAgent, RunTask, RunTaskGroup, ShutdownFramework
from pymesoskit.wire.v1 import mesos
from tests.agent.test_executors import UUID, CustomWorld, events, kinds, status_of
from tests.agent.world import FRAMEWORK_ID, executor, framework, task

if TYPE_CHECKING:
    from pathlib import Path

KILLING = mesos.FrameworkInfo.Capability.TASK_KILLING_STATE


@pytest.fixture
def world(tmp_path: Path) -> CustomWorld:
    world = CustomWorld(tmp_path)
    world.start()
    return world


# The container


def last(world: CustomWorld, task_id: str = "t1") -> mesos.TaskStatus:
    return world.master.statuses(task_id)[-1]


def test_an_update_gets_the_container_of_its_executor_and_the_address_of_the_agent(world: CustomWorld) -> None:
    world.launch("t1")
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    status = last(world).container_status
    ((_, found),) = world.agent.core.executors()
    assert status.container_id.value == found.container_id
    assert status.executor_pid == 4242
    (network,) = status.network_infos
    (address,) = network.ip_addresses
    assert (address.protocol, address.ip_address) == (mesos.NetworkInfo.IPv4, "127.0.0.1")


def test_what_the_executor_says_of_its_networks_stays_alone(world: CustomWorld) -> None:
    world.launch("t1")
    world.subscribe()
    own = {"network_infos": [{"ip_addresses": [{"ip_address": "10.0.0.1"}]}], "executor_pid": 1}
    world.update("t1", "TASK_RUNNING", container_status=own)
    status = last(world).container_status
    assert [network.ip_addresses[0].ip_address for network in status.network_infos] == ["10.0.0.1"]
    assert status.executor_pid == 4242
    assert status.container_id.value


def test_of_a_container_that_the_agent_does_not_know_it_adds_nothing(world: CustomWorld) -> None:
    world.launch("t1")
    world.subscribe()
    named = {"container_id": {"value": "child", "parent": {"value": "nobody"}}}
    world.update("t1", "TASK_RUNNING", container_status=named)
    status = last(world).container_status
    assert status.container_id.value == "child"
    assert not status.HasField("executor_pid")
    assert list(status.network_infos) == []


def test_a_status_may_name_the_executors_own_container(world: CustomWorld) -> None:
    world.launch("t1")
    world.subscribe()
    ((_, found),) = world.agent.core.executors()
    world.update("t1", "TASK_RUNNING", container_status={"container_id": {"value": found.container_id}})
    assert last(world).container_status.executor_pid == 4242


def test_a_nested_container_is_known_while_it_runs(world: CustomWorld) -> None:
    world.launch("t1", "t2")
    world.subscribe()
    ((_, found),) = world.agent.core.executors()
    path = (found.container_id, "child")
    nested = world.host.nested.launch(path, Command(("true",), {}, None), lambda: None, lambda _: None, lambda _: None)
    named = {"container_id": {"value": "child", "parent": {"value": found.container_id}}}
    world.update("t1", "TASK_RUNNING", container_status=named)
    assert last(world).container_status.executor_pid == nested.pid
    assert len(last(world).container_status.network_infos) == 1
    world.actor.run_until(lambda: nested.ended)
    world.update("t2", "TASK_RUNNING", "BBBBBBBBQACAAAAAAAAAAA==", container_status=named)
    assert not last(world, "t2").container_status.HasField("executor_pid")
    assert list(last(world, "t2").container_status.network_infos) == []


def test_the_end_of_an_executor_is_told_without_its_container(world: CustomWorld) -> None:
    world.launch("t1")
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    world.process().on_exit(Exit.of_code(0))
    world.advance(0.1)
    assert last(world).state == mesos.TASK_FAILED
    assert not last(world).HasField("container_status")


# Who and when


def test_fields_that_are_not_set_are_filled_in(world: CustomWorld) -> None:
    world.launch("t1")
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    status = last(world)
    assert status.agent_id.value == "M-S0"
    assert status.source == mesos.TaskStatus.SOURCE_EXECUTOR
    assert status.timestamp == pytest.approx(world.actor.clock.time(), abs=1)
    assert not status.HasField("executor_id")
    world.update("t1", "TASK_FINISHED", "BBBBBBBBQACAAAAAAAAAAA==", timestamp=7.5, executor_id={"value": "custom"})
    assert last(world).timestamp == 7.5
    assert last(world).executor_id.value == "custom"


def test_an_update_that_names_another_agent_is_accepted_and_dropped(world: CustomWorld) -> None:
    world.launch("t1")
    stream = world.subscribe()
    assert status_of(world.update("t1", "TASK_RUNNING", agent_id={"value": "M-S9"})) == (202, "")
    assert world.master.statuses() == []
    assert "ACKNOWLEDGED" not in kinds(stream)


def test_an_update_for_a_framework_that_is_shut_down_is_dropped(world: CustomWorld) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.send(ShutdownFramework(FRAMEWORK_ID))
    assert status_of(world.update("t1", "TASK_KILLED")) == (202, "")
    assert world.master.statuses() == []
    assert kinds(stream)[-1] == "SHUTDOWN"


def test_an_update_for_a_task_that_nobody_has_is_forwarded_and_not_acknowledged_to_the_executor(
    world: CustomWorld,
) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.update("nobody", "TASK_RUNNING")
    assert world.master.states("nobody") == ["TASK_RUNNING"]
    assert "ACKNOWLEDGED" not in kinds(stream)


def test_the_executor_that_has_the_task_is_told_of_the_acknowledgement(world: CustomWorld) -> None:
    """Even if another one has sent the update."""
    world.launch("t1")
    stream = world.subscribe()
    info = task("t2", None)
    info.executor.CopyFrom(executor("other"))
    world.send(RunTask(framework(), info, launch_executor=True))
    other = world.call("SUBSCRIBE", subscribe={}, executor_id={"value": "other"})
    world.update("t2", "TASK_RUNNING")
    assert world.master.states("t2") == ["TASK_RUNNING"]
    assert "ACKNOWLEDGED" not in kinds(stream)
    assert events(other)[-1]["acknowledged"] == {"task_id": {"value": "t2"}, "uuid": UUID}


def test_a_task_that_has_ended_stays_so_whatever_comes(world: CustomWorld) -> None:
    world.launch("t1")
    stream = world.subscribe()
    world.master.acknowledges = False
    world.update("t1", "TASK_FINISHED")
    world.update("t1", "TASK_RUNNING", "BBBBBBBBQACAAAAAAAAAAA==")
    assert world.master.states("t1") == ["TASK_FINISHED"]
    assert kinds(stream).count("ACKNOWLEDGED") == 2
    world.advance(11)
    assert world.master.states("t1") == ["TASK_FINISHED"] * 2


def test_a_task_that_is_still_queued_cannot_begin(world: CustomWorld) -> None:
    world.launch("t1")
    world.subscribe()
    info = task("t2", None)
    info.executor.CopyFrom(executor("other"))
    world.send(RunTask(framework(), info, launch_executor=True))
    world.update("t2", "TASK_RUNNING")
    assert world.master.statuses("t2") == []
    world.update("t2", "TASK_FINISHED", "BBBBBBBBQACAAAAAAAAAAA==")
    assert world.master.states("t2") == ["TASK_FINISHED"]


def test_the_newest_state_is_told_with_each_update(world: CustomWorld) -> None:
    world.master.acknowledges = False
    world.launch("t1")
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    world.update("t1", "TASK_FINISHED", "BBBBBBBBQACAAAAAAAAAAA==")
    world.advance(11)
    updates = [message for message in world.master.received if hasattr(message, "latest_state")]
    assert [message.latest_state for message in updates] == [mesos.TASK_RUNNING, mesos.TASK_FINISHED]


# Draining


@pytest.mark.parametrize("aware", [True, False])
@pytest.mark.parametrize("gone", [True, False])
@pytest.mark.parametrize("state", ["TASK_KILLING", "TASK_KILLED", "TASK_FINISHED", "TASK_FAILED"])
def test_only_the_states_of_being_killed_are_rewritten_while_draining(
    world: CustomWorld, state: str, gone: bool, aware: bool
) -> None:
    info = task("t1", None)
    info.executor.CopyFrom(executor())
    world.send(RunTask(framework(KILLING, partition_aware=aware), info, launch_executor=True))
    world.subscribe()
    world.update("t1", "TASK_RUNNING")
    world.send(DrainAgent(mesos.DrainConfig(mark_gone=gone)))
    world.update("t1", state, "BBBBBBBBQACAAAAAAAAAAA==", reason="REASON_TASK_HEALTH_CHECK_STATUS_UPDATED")
    killed = state.startswith("TASK_KILL")
    expected = "TASK_GONE_BY_OPERATOR" if killed and gone and aware else state
    assert mesos.TaskState.Name(last(world).state) == expected
    draining, own = "REASON_AGENT_DRAINING", "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"
    assert mesos.TaskStatus.Reason.Name(last(world).reason) == (draining if killed else own)


def test_draining_kills_what_is_queued_too(world: CustomWorld) -> None:
    tasks = (task("a"), task("b"))
    world.launch("t1")
    info = executor("g")
    world.send(RunTaskGroup(framework(), info, tasks, launch_executor=True))
    world.send(DrainAgent(mesos.DrainConfig()))
    for each in ("t1", "a", "b"):
        (status,) = world.master.statuses(each)
        assert status.state == mesos.TASK_KILLED
        assert status.reason == mesos.TaskStatus.REASON_AGENT_DRAINING


def policy(seconds: float | None) -> Any:
    found = mesos.KillPolicy()
    if seconds is not None:
        found.grace_period.nanoseconds = int(seconds * 10**9)
    return found


@pytest.mark.parametrize(
    ("own", "allowed", "sent"),
    [(None, None, None), (7.0, None, None), (None, 5.0, 5.0), (3.0, 5.0, None), (5.0, 5.0, None), (7.0, 5.0, 5.0)],
)
def test_a_drain_may_shorten_the_grace_of_a_task(
    world: CustomWorld, own: float | None, allowed: float | None, sent: float | None
) -> None:
    info = task("t1", None)
    info.executor.CopyFrom(executor())
    if own is not None:
        info.kill_policy.CopyFrom(policy(own))
    world.send(RunTask(framework(), info, launch_executor=True))
    stream = world.subscribe()
    config = mesos.DrainConfig()
    if allowed is not None:
        config.max_grace_period.nanoseconds = int(allowed * 10**9)
    world.send(DrainAgent(config))
    kill = events(stream)[-1]["kill"]
    expected = None if sent is None else {"grace_period": {"nanoseconds": int(sent * 10**9)}}
    assert kill.get("kill_policy") == expected


def test_an_agent_with_nothing_to_drain_goes_on_as_it_is(world: CustomWorld) -> None:
    world.send(DrainAgent(mesos.DrainConfig()))
    world.launch("t1")
    assert kinds(world.subscribe()) == ["SUBSCRIBED", "LAUNCH"]


def test_an_agent_that_has_drained_takes_tasks_again(world: CustomWorld) -> None:
    world.launch("t1")
    world.subscribe()
    world.send(DrainAgent(mesos.DrainConfig()))
    world.update("t1", "TASK_KILLED")
    world.process().on_exit(Exit.of_code(0))
    world.advance(0.1)
    world.launch("t2")
    assert kinds(world.subscribe()) == ["SUBSCRIBED", "LAUNCH"]
