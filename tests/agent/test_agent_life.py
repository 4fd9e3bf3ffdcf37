"""Registration, restarts, draining, operations, shutdown (agent-executor.md 2, 5.5; failover.md)."""

from __future__ import annotations

import pytest

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.agent import Outcome, Usage
from pymesoskit.testing.engine.network.messages import (
    AgentReregistered,
    ApplyOperation,
    AskForOperations,
    DrainAgent,
    ExitedExecutor,
    OperationStatusAcknowledgement,
    PingAgent,
    PongAgent,
    RegisterAgent,
    ReregisterAgent,
    ShutdownAgent,
    ShutdownFramework,
    UnregisterAgent,
    UpdateAgent,
    UpdateFramework,
    UpdateOperationStatus,
)
from pymesoskit.wire import to_json_value
from pymesoskit.wire.v1 import mesos
from tests.agent.world import FRAMEWORK_ID, World, framework, resources, task

RUNS = {"*": Outcome.runs()}


def reserve(text: str = "cpus:1", operation_id: str | None = None) -> ApplyOperation:
    operation = mesos.Offer.Operation(type=mesos.Offer.Operation.RESERVE)
    for resource in resources(text):
        resource.reservations.add(type=mesos.Resource.ReservationInfo.DYNAMIC, role="web")
        operation.reserve.resources.append(resource)
    if operation_id is not None:
        operation.id.value = operation_id
    return ApplyOperation(FRAMEWORK_ID, operation, bytes(range(16)))


# Registration


def test_attempts_to_register_back_off_to_one_a_minute() -> None:
    world = World()
    world.master.answers = False
    world.agent.start()
    world.advance(600)
    first = len(world.master.got(RegisterAgent))
    assert 10 < first < 60
    world.advance(3600)
    assert 60 < len(world.master.got(RegisterAgent)) - first < 360


def test_pings_are_answered() -> None:
    world = World().start()
    world.send(PingAgent(connected=True))
    assert isinstance(world.master.received[-1], PongAgent)


def test_an_agent_without_pings_registers_again() -> None:
    world = World().start()
    world.master.pings = False
    world.advance(73)
    assert world.master.got(ReregisterAgent) == []
    world.advance(3)
    assert len(world.master.got(ReregisterAgent)) == 1


def test_an_agent_that_is_held_for_disconnected_registers_again() -> None:
    world = World().start()
    world.send(PingAgent(connected=False))
    world.advance(2)
    assert len(world.master.got(ReregisterAgent)) == 1


def test_completed_tasks_are_told_again_of_frameworks_of_which_nothing_is_left_here() -> None:
    world = World(RUNS).start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    world.send(PingAgent(connected=False))
    world.advance(2)
    assert world.master.got(ReregisterAgent)[-1].completed_tasks == ()
    world.kill("t1")
    world.until_state("t1", "TASK_KILLED")
    world.actor.run_until(lambda: not world.agent.core.frameworks)
    world.send(PingAgent(connected=False))
    world.advance(2)
    (completed,) = world.master.got(ReregisterAgent)[-1].completed_tasks
    assert (completed.task_id.value, completed.state) == ("t1", mesos.TASK_KILLED)


def test_a_task_that_the_agent_does_not_know_is_dropped_by_it() -> None:
    world = World().start()
    info = framework()
    world.send(AgentReregistered("M-S0", 75.0, unknown_tasks=((FRAMEWORK_ID, "lost"),), frameworks=(info,)))
    (status,) = world.master.statuses("lost")
    assert status.state == mesos.TASK_DROPPED
    assert status.reason == mesos.TaskStatus.REASON_RECONCILIATION
    assert status.message == "Reconciliation: task unknown to the agent"
    assert status.HasField("uuid")


# Restarts


def test_a_restarted_agent_keeps_its_id_and_its_checkpointed_tasks() -> None:
    world = World(RUNS, executor_reregistration_timeout="1secs").start()
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.restart()
    world.advance(0.9)
    assert world.master.got(ReregisterAgent) == []
    world.actor.run_until(lambda: world.agent.registered)
    (message,) = world.master.got(ReregisterAgent)
    assert message.agent_info.id.value == "M-S0"
    assert [(t.task_id.value, t.state) for t in message.tasks] == [("t1", mesos.TASK_RUNNING)]
    assert message.executors == ()
    world.kill("t1")
    world.until_state("t1", "TASK_KILLED")


def test_an_agent_without_executors_to_wait_for_registers_at_once() -> None:
    world = World(executor_reregistration_timeout="15secs").start()
    world.restart()
    world.actor.run_until(lambda: world.agent.registered, 1.5)


@pytest.mark.parametrize(
    ("away", "http", "message"),
    [
        (5.5, "false", "Command exited with status 3"),
        (6.5, "false", "Executor terminated"),
        (60.0, "true", "Command exited with status 3"),
        (70.0, "true", "Executor terminated"),
    ],
)
def test_a_command_executor_waits_for_its_agent_a_second_after_the_end_of_its_task_or_a_minute_if_it_speaks_http(
    away: float, http: str, message: str
) -> None:
    flags = {"executor_reregistration_timeout": "1secs", "http_command_executor": http}
    world = World({"*": Outcome.fails(5, 3)}, **flags).start()
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.agent.terminate()
    world.advance(away)
    world.restart()
    assert world.until_state("t1", "TASK_FAILED").message == message


@pytest.mark.parametrize(("http", "stays"), [("false", True), ("true", False)])
def test_a_command_executor_that_speaks_http_ends_with_the_last_acknowledgement_others_after_a_second(
    http: str, stays: bool
) -> None:
    world = World({"*": Outcome.finishes()}, http_command_executor=http).start()
    world.run(task())
    world.until_state("t1", "TASK_FINISHED")
    world.advance(0.9)
    assert bool(world.host.containers()) is stays
    world.advance(0.2)
    assert world.host.containers() == []
    assert world.agent.core.frameworks == {}


def test_an_agent_that_is_shut_down_waits_no_longer_than_its_tasks_take_to_end() -> None:
    world = World(RUNS).start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    world.send(ShutdownAgent("Machine is `DOWN`"))
    world.advance(0.9)
    assert world.ended == []
    world.advance(0.2)
    assert len(world.ended) == 1


def test_an_unacknowledged_update_is_sent_again_after_a_restart_as_it_was() -> None:
    world = World(RUNS, executor_reregistration_timeout="1secs").start()
    world.master.acknowledges = False
    world.run(task(), info=framework(checkpoint=True))
    before = world.until_state("t1", "TASK_STARTING")
    world.restart()
    assert world.until_state("t1", "TASK_STARTING") == before
    world.send(UpdateFramework(framework(checkpoint=True)))
    assert world.master.states("t1") == ["TASK_STARTING", "TASK_STARTING"]


def test_tasks_of_a_framework_that_does_not_checkpoint_are_gone_after_a_restart() -> None:
    world = World(RUNS).start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    world.restart()
    world.advance(10)
    assert world.agent.core.frameworks == {}
    assert world.host.containers() == []
    assert world.master.statuses() == []


def test_an_executor_that_ended_while_the_agent_was_away_is_not_told_but_its_tasks_are() -> None:
    world = World({"*": Outcome.loses_executor(5)}).start()
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.agent.terminate()
    world.advance(10)
    world.restart()
    assert world.until_state("t1", "TASK_FAILED").message == "Executor terminated"
    assert world.master.got(ExitedExecutor) == []


def test_an_agent_with_other_resources_refuses_to_take_up_the_old_one() -> None:
    world = World().start()
    world.agent.terminate()
    world.agent = world.new_agent("cpus:8;mem:4096")
    world.agent.start()
    assert world.ended[-1] is not None
    assert "resources" in world.ended[-1]


def test_a_wiped_machine_gives_a_new_agent() -> None:
    world = World(RUNS).start()
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.agent.terminate()
    world.host.wipe()
    world.agent = world.new_agent()
    world.agent.start()
    world.actor.run_until(lambda: world.agent.registered)
    assert world.agent.agent_id == "M-S1"
    assert world.host.containers() == []


# Shutting down


def test_sigusr1_unregisters_shuts_executors_down_and_ends() -> None:
    world = World(RUNS).start()
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.agent.shutdown()
    world.advance(6)
    assert len(world.master.got(UnregisterAgent)) == 1
    assert world.host.containers() == []
    assert len(world.ended) == 1
    assert "TASK_KILLED" not in world.master.states()


def test_a_refused_agent_ends() -> None:
    world = World().start()
    world.send(ShutdownAgent("Agent has been marked gone"))
    world.advance(1)
    assert world.ended
    assert "Agent has been marked gone" in str(world.ended[0])


def test_a_framework_that_is_shut_down_ends_without_a_word() -> None:
    world = World(RUNS).start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    world.master.received.clear()
    world.send(ShutdownFramework(FRAMEWORK_ID))
    world.advance(6)
    assert world.master.statuses() == []
    (done,) = world.agent.core.completed_frameworks
    assert [executor.info.executor_id.value for executor in done.completed] == ["t1"]


# Draining


@pytest.mark.parametrize(("mark_gone", "state"), [(False, mesos.TASK_KILLED), (True, mesos.TASK_GONE_BY_OPERATOR)])
def test_draining_kills_all_and_says_why(mark_gone: bool, state: int) -> None:
    world = World(RUNS).start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    world.send(DrainAgent(mesos.DrainConfig(mark_gone=mark_gone)))
    world.advance(1)
    last = world.master.statuses("t1")[-1]
    assert last.state == state
    assert last.reason == mesos.TaskStatus.REASON_AGENT_DRAINING


def test_a_task_for_a_draining_agent_is_dropped() -> None:
    world = World({"*": Outcome.runs().ignoring_sigterm()}).start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    world.send(DrainAgent(mesos.DrainConfig()))
    world.run(task("t2"))
    (status,) = world.master.statuses("t2")
    assert status.state == mesos.TASK_DROPPED
    assert status.reason == mesos.TaskStatus.REASON_AGENT_DRAINING
    assert status.message == "Task was received while agent was already draining"


# Operations


def test_an_operation_with_an_id_is_reported_until_it_is_acknowledged() -> None:
    world = World().start()
    world.send(reserve(operation_id="op"))
    world.advance(25)
    reports = world.master.got(UpdateOperationStatus)
    assert [r.status.state for r in reports] == [mesos.OPERATION_FINISHED] * 2
    uuid = reports[0].status.uuid.value
    world.send(OperationStatusAcknowledgement(FRAMEWORK_ID, bytes(range(16)), uuid))
    world.advance(600)
    assert len(world.master.got(UpdateOperationStatus)) == 2
    assert world.agent.core.operations == {}


def test_nobody_knows_an_operation_of_a_resource_provider() -> None:
    world = World().start()
    world.send(AskForOperations(FRAMEWORK_ID, (("a", "p"), ("b", "q"))))
    answers = world.master.got(UpdateOperationStatus)
    assert [(each.framework_id, each.operation_uuid, to_json_value(each.status)) for each in answers] == [
        (
            FRAMEWORK_ID,
            b"",
            {
                "operation_id": {"value": operation_id},
                "state": "OPERATION_UNKNOWN",
                "agent_id": {"value": world.agent.agent_id},
                "resource_provider_id": {"value": provider_id},
            },
        )
        for operation_id, provider_id in (("a", "p"), ("b", "q"))
    ]


@pytest.mark.parametrize("restarts", [False, True])
def test_an_operation_without_an_id_is_reported_until_the_master_acknowledges_it(restarts: bool) -> None:
    world = World().start()
    world.send(reserve())
    if restarts:
        world.restart()
        world.actor.run_until(lambda: world.agent.registered)
        (message,) = world.master.got(ReregisterAgent)
        assert [operation.uuid.value for operation in message.operations] == [bytes(range(16))]
    else:
        world.advance(11)
    reports = world.master.got(UpdateOperationStatus)
    assert len({report.status.uuid.value for report in reports}) == 1
    assert not reports[0].status.HasField("operation_id")
    assert len(reports) == (1 if restarts else 2)
    world.send(OperationStatusAcknowledgement(FRAMEWORK_ID, bytes(range(16)), reports[0].status.uuid.value))
    assert world.agent.core.operations == {}
    world.advance(60)
    assert len(world.master.got(UpdateOperationStatus)) == len(reports)


def test_an_agent_has_not_drained_before_its_operations_are_acknowledged() -> None:
    world = World().start()
    world.send(reserve())
    world.send(DrainAgent(mesos.DrainConfig()))
    world.run(task())
    (status,) = world.master.statuses()
    assert status.reason == mesos.TaskStatus.REASON_AGENT_DRAINING
    uuid = world.master.got(UpdateOperationStatus)[0].status.uuid.value
    world.send(OperationStatusAcknowledgement(FRAMEWORK_ID, bytes(range(16)), uuid))
    world.run(task("t2"))
    world.until_state("t2", "TASK_FINISHED")


def test_reservations_are_part_of_what_a_restarted_agent_brings() -> None:
    world = World().start()
    world.send(reserve("cpus:1.5"))
    world.restart()
    world.actor.run_until(lambda: world.agent.registered)
    (message,) = world.master.got(ReregisterAgent)
    (resource,) = message.checkpointed_resources
    assert resource.scalar.value == 1.5
    assert resource.reservations[0].role == "web"
    assert not resource.HasField("allocation_info")
    total = world.agent.core.total
    assert sum(r.scalar.value for r in total.to_messages() if r.name == "cpus") == 4


def test_a_task_with_reservations_that_the_agent_does_not_know_is_dropped() -> None:
    world = World().start()
    info = task()
    for resource in info.resources:
        resource.reservations.add(type=mesos.Resource.ReservationInfo.DYNAMIC, role="web")
    world.run(info)
    (status,) = world.master.statuses()
    assert status.state == mesos.TASK_DROPPED
    assert status.reason == mesos.TaskStatus.REASON_RESOURCES_UNKNOWN
    world.send(reserve("cpus:0.1;mem:32"))
    world.run(task("t2", resources=()))
    assert Resources.from_messages(info.resources).unallocated() == world.agent.core.total.reserved()


# Oversubscription


class Estimator:
    def __init__(self) -> None:
        self.text = "cpus:2"

    def oversubscribable(
        self, total: Resources, allocated: Resources, usages: dict[tuple[str, str], Usage]
    ) -> Resources:
        return Resources.parse(self.text)


class Controller:
    def __init__(self) -> None:
        self.victims: list[tuple[str, str]] = []

    def corrections(self, usages: dict[tuple[str, str], Usage]) -> list[tuple[str, str]]:
        return self.victims


def test_changes_of_what_can_be_oversubscribed_are_told() -> None:
    world = World(RUNS)
    world.estimator = Estimator()
    world.agent = world.new_agent()
    world.start()
    world.advance(46)
    (message,) = world.master.got(UpdateAgent)
    (resource,) = message.oversubscribed
    assert resource.scalar.value == 2
    assert resource.HasField("revocable")
    world.estimator.text = "cpus:1"
    world.advance(15)
    assert len(world.master.got(UpdateAgent)) == 2


def test_executors_that_have_to_go_are_preempted() -> None:
    world = World(RUNS)
    world.controller = Controller()
    world.agent = world.new_agent()
    world.start()
    world.run(task())
    world.until_state("t1", "TASK_RUNNING")
    world.controller.victims.append((FRAMEWORK_ID, "t1"))
    status = world.until_state("t1", "TASK_GONE", 5)
    assert status.reason == mesos.TaskStatus.REASON_CONTAINER_PREEMPTED
    assert status.message == "Container preempted by QoS correction"
