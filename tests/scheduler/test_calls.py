"""Every call and every operation has a constructor, and what it makes is complete."""

from __future__ import annotations

import pytest

from pymesoskit.errors import InvalidCall
from pymesoskit.resources import Resources, ResourcesError
from pymesoskit.scheduler import (
    OfferPool,
    calls,
    command,
    command_task,
    custom_executor,
    default_executor,
    executor_task,
    new_task_id,
    operations,
)
from pymesoskit.wire.v1 import mesos, scheduler
from tests.transport.stub import offer

Call = scheduler.Call
Operation = mesos.Offer.Operation

STATUS = mesos.TaskStatus(
    task_id=mesos.TaskID(value="t"), agent_id=mesos.AgentID(value="a"), state=mesos.TASK_RUNNING, uuid=b"u" * 16
)
OPERATION_STATUS = mesos.OperationStatus(
    state=mesos.OPERATION_FINISHED, operation_id=mesos.OperationID(value="op"), uuid=mesos.UUID(value=b"u" * 16)
)
DISK = Resources.parse("disk:10").to_messages()

MADE = [
    calls.subscribe(mesos.FrameworkInfo(user="u", name="n"), ["role"], scheduler.OfferConstraints()),
    calls.teardown(),
    calls.accept("O", [operations.launch()], 1.5),
    calls.decline(["O", mesos.OfferID(value="P"), offer(3)], 0.0),
    calls.accept_inverse_offers("I", 1.0),
    calls.decline_inverse_offers("I"),
    calls.revive(["r"]),
    calls.suppress(),
    calls.kill("t", "a", mesos.KillPolicy()),
    calls.shutdown("e", "a"),
    calls.acknowledge(STATUS),
    calls.acknowledge_operation_status(OPERATION_STATUS),
    calls.reconcile(["t", ("t", "a"), ("t", None), STATUS]),
    calls.reconcile_operations(["op"]),
    calls.message("e", "a", b"\x00"),
    calls.request([mesos.Request(resources=DISK)]),
    calls.update_framework(mesos.FrameworkInfo(user="u", name="n", id=mesos.FrameworkID(value="f"))),
]

OPERATIONS = [
    operations.launch(command_task("true", "cpus:1", "a")),
    operations.launch_group(default_executor("e", "f"), command_task("true", "cpus:1", "a")),
    operations.reserve(DISK, operation_id="op"),
    operations.unreserve(DISK, operation_id="op"),
    operations.create(DISK, operation_id="op"),
    operations.destroy(DISK, operation_id="op"),
    operations.grow_volume(DISK[0], DISK[0], operation_id="op"),
    operations.shrink_volume(DISK[0], 5, operation_id="op"),
    operations.create_disk(DISK[0], mesos.Resource.DiskInfo.Source.MOUNT, "profile", operation_id="op"),
    operations.destroy_disk(DISK[0], operation_id="op"),
]


def test_every_type_of_call_is_made_once():
    assert sorted(call.type for call in MADE) == sorted(set(Call.Type.values()) - {Call.UNKNOWN})
    assert len(MADE) == 17


def test_every_type_of_operation_is_made_once():
    assert sorted(o.type for o in OPERATIONS) == sorted(set(Operation.Type.values()) - {Operation.UNKNOWN})
    assert len(OPERATIONS) == 10


@pytest.mark.parametrize("call", MADE, ids=lambda call: Call.Type.Name(call.type))
def test_a_call_has_its_payload_and_nothing_else(call):
    assert call.IsInitialized()
    name = Call.Type.Name(call.type).lower()
    payloads = {field.name for field, _ in call.ListFields()} - {"type", "framework_id"}
    assert payloads == (set() if name == "teardown" else {name})


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: Operation.Type.Name(operation.type))
def test_an_operation_has_its_payload_and_launches_have_no_id(operation):
    assert operation.IsInitialized()
    name = Operation.Type.Name(operation.type).lower()
    fields = {field.name for field, _ in operation.ListFields()} - {"type"}
    assert fields == ({name} if name.startswith("launch") else {name, "id"})


def test_subscribe_names_the_framework_twice_or_not_at_all():
    assert not MADE[0].HasField("framework_id")
    known = calls.subscribe(mesos.FrameworkInfo(user="u", name="n", id=mesos.FrameworkID(value="f")))
    assert known.framework_id.value == "f" == known.subscribe.framework_info.id.value


def test_filters_are_sent_only_when_they_are_given():
    assert not calls.decline("O").decline.HasField("filters")
    assert calls.decline("O", 0.0).decline.HasField("filters")
    assert calls.accept("O", (), 2.5).accept.filters.refuse_seconds == 2.5


def test_what_is_not_said_twice_is_exactly_what_would_do_harm():
    unsafe = set(Call.Type.values()) - calls.RESENDABLE - {Call.UNKNOWN, Call.SUBSCRIBE}
    assert {Call.Type.Name(kind) for kind in unsafe} == {"ACCEPT", "MESSAGE"}


def test_reconcile_takes_tasks_with_and_without_agents():
    tasks = calls.reconcile(["t", ("u", "a"), ("v", None), STATUS]).reconcile.tasks
    assert [(t.task_id.value, t.agent_id.value if t.HasField("agent_id") else None) for t in tasks] == [
        ("t", None), ("u", "a"), ("v", None), ("t", "a")
    ]  # fmt: skip


def test_commands():
    shell = command("echo $X", {"X": "1"})
    assert (shell.shell, shell.value) == (True, "echo $X")
    assert [(v.name, v.value) for v in shell.environment.variables] == [("X", "1")]
    direct = command(["sleep", "10"])
    assert (direct.shell, direct.value, list(direct.arguments)) == (False, "sleep", ["sleep", "10"])
    assert not direct.HasField("environment")
    with pytest.raises(ValueError, match="program's name"):
        command([])


def test_tasks_have_new_ids_unless_given():
    one, two = command_task("true", "cpus:1", "a"), command_task("true", "cpus:1", offer())
    assert one.task_id.value != two.task_id.value
    assert two.agent_id == offer().agent_id
    named = command_task("true", "cpus:1", "a", task_id="t", name="n")
    assert (named.task_id.value, named.name) == ("t", "n")
    assert new_task_id("web").startswith("web-")
    with pytest.raises(ResourcesError):
        command_task("true", "cpus=1", "a")


def test_a_task_of_a_custom_executor():
    executor = custom_executor("e", "./run", "cpus:0.1;mem:32")
    info = executor_task(executor, "cpus:1", "a", task_id="t", data=b"\x01")
    assert info.executor.executor_id.value == "e"
    assert not info.HasField("command")
    assert info.data == b"\x01"
    assert not executor_task(executor, "cpus:1", "a").HasField("data")


def test_an_offer_is_used_up_piece_by_piece():
    pool = OfferPool(offer())  # cpus:4;mem:1024
    taken = []
    while (piece := pool.take("cpus:1;mem:300")) is not None:
        taken.append(piece)
    assert len(taken) == 3
    assert pool.left == Resources.parse("cpus:1;mem:124")
    assert pool.take("cpus:1") is not None
    assert pool.take("ports:[1-1]") is None


def test_an_offer_that_is_allocated_to_a_role_can_be_used_too():
    allocated = offer()
    for resource in allocated.resources:
        resource.allocation_info.role = "web"
    pool = OfferPool(allocated)
    assert pool.take("cpus:4;mem:1024") is not None
    assert not pool.left


def test_an_incomplete_call_is_not_made_complete_behind_ones_back():
    with pytest.raises((TypeError, ValueError, InvalidCall)):
        calls.message("e", "a", "text")  # type: ignore[arg-type]
