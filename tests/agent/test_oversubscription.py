"""Resources offered beyond what an agent has, and executors that have to go for others (agent-executor.md 5.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.agent import FixedEstimator, Outcome, Usage
from pymesoskit.testing.engine.network.messages import ExitedExecutor, ShutdownExecutor, ShutdownFramework, UpdateAgent
from pymesoskit.wire.v1 import mesos
from tests.agent.test_executors import CustomWorld
from tests.agent.world import FRAMEWORK_ID, World, task

if TYPE_CHECKING:
    from pathlib import Path

RUNS = {"*": Outcome.runs()}


class Controller:
    def __init__(self) -> None:
        self.victims = [(FRAMEWORK_ID, "custom"), (FRAMEWORK_ID, "nobody"), ("nobody", "custom")]

    def corrections(self, usages: dict[tuple[str, str], Usage]) -> list[tuple[str, str]]:
        return self.victims


def revocable_task(task_id: str = "t1") -> mesos.TaskInfo:
    info = task(task_id)
    for resource in info.resources:
        if resource.name == "cpus":
            resource.revocable.SetInParent()
    return info


def estimating(text: str = "cpus:2") -> World:
    world = World(RUNS)
    world.estimator = FixedEstimator(Resources.parse(text))
    world.agent = world.new_agent()
    return world


def told(world: World) -> list[str]:
    return [str(Resources.from_messages(message.oversubscribed)) for message in world.master.got(UpdateAgent)]


def test_the_estimator_is_asked_before_the_agent_registers() -> None:
    world = estimating().start()
    (message,) = world.master.got(UpdateAgent)
    (resource,) = message.oversubscribed
    assert (resource.name, resource.scalar.value) == ("cpus", 2)
    assert resource.HasField("revocable")


def test_what_is_in_use_is_part_of_what_is_offered() -> None:
    world = estimating().start()
    world.run(revocable_task())
    world.until_state("t1", "TASK_RUNNING")
    world.advance(60)
    assert len(told(world)) == 1  # 1.9 more, and 0.1 in use
    world.estimator = None
    metrics = world.http("GET", "/metrics/snapshot")
    assert metrics.response is not None
    assert b'"slave/cpus_revocable_total":2' in metrics.response.body
    assert b'"slave/cpus_revocable_used":0.1' in metrics.response.body


def test_more_may_be_in_use_than_is_left() -> None:
    world = estimating("cpus:0.05").start()
    world.run(revocable_task())
    world.until_state("t1", "TASK_RUNNING")
    world.advance(16)
    first, second = world.master.got(UpdateAgent)
    assert first.oversubscribed[0].scalar.value == 0.05
    assert second.oversubscribed[0].scalar.value == 0.1


def test_a_master_that_takes_the_agent_in_again_hears_it_again() -> None:
    world = estimating().start()
    world.restart()
    world.actor.run_until(lambda: world.agent.registered, 5)
    assert len(world.master.got(UpdateAgent)) == 1
    assert world.master.got(UpdateAgent)[0].oversubscribed[0].scalar.value == 2


def correcting(tmp_path: Path) -> CustomWorld:
    world = CustomWorld(tmp_path)
    world.controller = Controller()
    world.agent = world.new_agent()
    world.start()
    return world


def preempted(world: CustomWorld) -> int:
    return world.agent.core.counters.get("executors_preempted", 0)


def test_an_executor_that_has_to_go_is_killed_without_grace(tmp_path: Path) -> None:
    world = correcting(tmp_path)
    world.launch("t1")
    world.subscribe()
    world.advance(1.1)
    assert world.process().signals == [9]
    assert preempted(world) == 1
    world.advance(5)
    assert preempted(world) == 1


def test_an_executor_that_is_ending_already_is_left_alone(tmp_path: Path) -> None:
    world = correcting(tmp_path)
    world.launch("t1")
    world.subscribe()
    world.send(ShutdownExecutor(FRAMEWORK_ID, "custom"))
    world.advance(2)
    assert world.process().signals == []
    assert preempted(world) == 0


def test_executors_of_a_framework_that_is_shut_down_are_left_alone(tmp_path: Path) -> None:
    world = correcting(tmp_path)
    world.launch("t1")
    world.subscribe()
    world.send(ShutdownFramework(FRAMEWORK_ID))
    world.advance(2)
    assert preempted(world) == 0
    assert world.master.got(ExitedExecutor) == []
