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
    with pytest.raises(ValueError, match="name of the program"):
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


VOLUME = mesos.Resource(
    name="disk",
    type=mesos.Value.SCALAR,
    scalar=mesos.Value.Scalar(value=64),
    reservations=[mesos.Resource.ReservationInfo(type="DYNAMIC", role="web")],
)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (operations.reserve, "reserve.resources"),
        (lambda source: operations.reserve((), source), "reserve.source"),
        (operations.unreserve, "unreserve.resources"),
        (operations.create, "create.volumes"),
        (operations.destroy, "destroy.volumes"),
        (lambda given: operations.launch(command_task("true", given, "a")), "launch.task_infos[0].resources"),
        (
            lambda given: operations.launch(executor_task(custom_executor("e", "run", given), given, "a")),
            "launch.task_infos[0].executor.resources",
        ),
        (lambda given: operations.launch_group(default_executor("e", "f", given)), "launch_group.executor.resources"),
    ],
)
def test_resources_are_accepted_as_text_values_and_messages_everywhere(make, field):
    expected = Resources.parse("cpus(web):1;mem:64").to_messages()
    values = Resources.parse("cpus(web):1;mem:64")
    taken = OfferPool(mesos.Offer(resources=expected)).take("cpus(web):1;mem:64")
    for given in ("cpus(web):1;mem:64", values, list(values), expected, taken, iter(expected)):
        found = make(given)
        for step in field.replace("[0]", "").split("."):
            found = getattr(found, step)
            if step == "task_infos":
                (found,) = found
        assert list(found) == expected, given


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda one: operations.grow_volume(one, VOLUME), "grow_volume.volume"),
        (lambda one: operations.grow_volume(VOLUME, one), "grow_volume.addition"),
        (lambda one: operations.shrink_volume(one, 1), "shrink_volume.volume"),
        (lambda one: operations.create_disk(one, mesos.Resource.DiskInfo.Source.MOUNT), "create_disk.source"),
        (operations.destroy_disk, "destroy_disk.source"),
    ],
)
def test_one_resource_is_accepted_in_every_form_and_several_are_refused(make, field):
    name, part = field.split(".")
    (expected,) = DISK
    for given in ("disk:10", Resources.parse("disk:10"), next(iter(Resources.parse("disk:10"))), expected, DISK):
        assert getattr(getattr(make(given), name), part) == expected
    for wrong in ("disk:10;mem:1", "", Resources()):
        with pytest.raises(ResourcesError, match="exactly one resource"):
            make(wrong)


def test_reserve_for_a_role_adds_the_reservation_to_what_was_taken():
    taken = OfferPool(offer()).take("cpus:1;mem:64")
    reserve = operations.reserve(taken, role="web", principal="ops").reserve
    assert str(Resources.from_messages(reserve.resources)) == (
        "cpus(reservations: [(DYNAMIC,web,ops)]):1; mem(reservations: [(DYNAMIC,web,ops)]):64"
    )


@pytest.mark.parametrize(
    ("wrong", "text"), [(None, "take returns None"), (b"cpus:1", "not bytes"), (3, "not int"), (["cpus:1"], "not str")]
)
def test_what_is_no_resources_is_an_error_that_says_what_is_accepted(wrong, text):
    for make in (operations.reserve, lambda given: command_task("true", given, "a")):
        with pytest.raises(TypeError, match=text):
            make(wrong)


def test_a_commands_variables_and_arguments_are_text():
    with pytest.raises(TypeError, match="A=1"):
        command("true", {"A": 1})
    with pytest.raises(TypeError, match="must be text, not int: 10"):
        command(["sleep", 10])
    with pytest.raises(TypeError, match="CommandInfo"):
        command_task(command("true"), "cpus:1", "a", environment={"A": "1"})
