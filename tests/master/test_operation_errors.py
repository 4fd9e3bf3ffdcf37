"""Why operations of an ACCEPT are dropped, in Mesos's words (docs/reference/scheduler-api.md 4.2 and 4.6)."""

import json

import pytest

from pymesoskit.resources import Reservation, ReservationType, Resources
from pymesoskit.testing.engine.network.messages import ApplyOperation, RunTask
from pymesoskit.wire import from_json
from pymesoskit.wire.v1 import mesos

ON_AGENT = "; on agent {id} at slave(1)@127.0.0.1:5051 (127.0.0.1)"
CAPABILITIES = [
    {"type": kind} for kind in ("MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE", "SHARED_RESOURCES")
]


def reservation(role="web", **fields):
    return {"type": "DYNAMIC", "role": role, **fields}


def cpus(value=1, *layers, **fields):
    resource = {"name": "cpus", "type": "SCALAR", "scalar": {"value": value}, **fields}
    return {**resource, "reservations": list(layers)} if layers else resource


def disk(value=10, *, persistence=None, volume=None, layers=None, **fields):
    layers = [reservation()] if layers is None else layers
    resource = {"name": "disk", "type": "SCALAR", "scalar": {"value": value}, "reservations": layers, **fields}
    if persistence is not None:
        resource["disk"] = {
            "persistence": persistence,
            "volume": {"container_path": "v", "mode": "RW", **(volume or {})},
        }
    return resource


def volume(value=10, name="p", **fields):
    return disk(value, persistence={"id": name}, **fields)


def reserve(*resources):
    return {"type": "RESERVE", "reserve": {"resources": list(resources)}}


def unreserve(*resources):
    return {"type": "UNRESERVE", "unreserve": {"resources": list(resources)}}


def create(*volumes):
    return {"type": "CREATE", "create": {"volumes": list(volumes)}}


def destroy(*volumes):
    return {"type": "DESTROY", "destroy": {"volumes": list(volumes)}}


def grow(volume, addition):
    return {"type": "GROW_VOLUME", "grow_volume": {"volume": volume, "addition": addition}}


def shrink(volume, subtract):
    return {"type": "SHRINK_VOLUME", "shrink_volume": {"volume": volume, "subtract": {"value": subtract}}}


@pytest.fixture
def agent(world):
    return world.agent()


@pytest.fixture
def framework(world):
    return world.framework(capabilities=CAPABILITIES)


def carry_out(world, framework, agent, *operations):
    """What becomes of each operation: the reason why it is dropped, or None."""
    offer = world.offer(framework, agent, "cpus:4;mem:4096;disk:1000")
    framework.accept(
        offer, operations=[{**operation, "id": {"value": str(n)}} for n, operation in enumerate(operations)]
    )
    fates = dict.fromkeys(range(len(operations)))
    for event in framework.take():
        status = event["update_operation_status"]["status"]
        assert set(status) == {"operation_id", "state", "message"}
        assert status["state"] == "OPERATION_ERROR"
        fates[int(status["operation_id"]["value"])] = status["message"]
    applied = [int(apply.operation.id.value) for apply in agent.take(ApplyOperation)]
    assert applied == [n for n, fate in fates.items() if fate is None]
    return list(fates.values())


@pytest.mark.parametrize("kind", ["RESERVE", "UNRESERVE", "CREATE", "DESTROY", "SHRINK_VOLUME", "CREATE_DISK"])
def test_the_payload_must_be_there(world, framework, agent, kind):
    article, end = ("An" if kind == "UNRESERVE" else "A"), ("" if kind == "SHRINK_VOLUME" else ".")
    assert carry_out(world, framework, agent, {"type": kind}) == [
        (
            "Operation attempted with invalid resources: "
            f"{article} {kind} offer operation must have the Offer.Operation.{kind.lower()} field set{end}"
        )
    ]


def test_grow_volume_has_words_of_its_own(world, framework, agent):
    assert carry_out(world, framework, agent, {"type": "GROW_VOLUME"}) == [
        (
            "Operation attempted with invalid resources: "
            "A GROW_VOLUME operation must have the Offer.Operation.grow_volume field set"
        )
    ]


def test_what_is_dropped_is_counted_as_an_error(world, framework, agent):
    carry_out(world, framework, agent, reserve(cpus()), reserve(cpus(1, reservation())), {"type": "CREATE"})
    framework.accept({"id": {"value": "x"}}, operations=[destroy(), {"type": "UNKNOWN"}])
    metrics = world.get("/metrics/snapshot")
    errors = {
        name: value
        for name, value in metrics.items()
        if name.startswith("master/operations/") and value and "error" in name
    }
    assert errors == {
        "master/operations/reserve/error": 1.0,
        "master/operations/create/error": 1.0,
        "master/operations/destroy/error": 1.0,
        "master/operations/error": 3.0,
    }
    assert metrics["master/operations/reserve/pending"] == 1.0


def test_operations_of_an_unknown_type_are_ignored(world, framework, agent):
    offer = world.offer(framework, agent)
    framework.accept(offer, operations=[{"type": "UNKNOWN", "id": {"value": "u"}}, {"type": "NEVER_HEARD_OF"}, {}])
    assert framework.take() == []
    assert agent.take(ApplyOperation) == []


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (
            reserve(cpus(1, reservation("*"))),
            (
                "Resource 'cpus(reservations: [(DYNAMIC,*)]):1' is invalid: Invalid reservation: role \"*\" cannot be "
                "reserved"
            ),
        ),
        (
            create({**volume(), "name": "mem"}),
            (
                "Resource 'mem(reservations: [(DYNAMIC,web)])[p:v]:10' is invalid: DiskInfo should not be set for mem "
                "resource"
            ),
        ),
        # The two operations on one resource each do not name it.
        (grow(volume(-1), disk()), "Invalid scalar resource: value <= 0"),
        (shrink({**volume(), "scalar": None}, 1), "Invalid scalar resource"),
    ],
)
def test_resources_must_be_valid_by_themselves(world, framework, agent, operation, error):
    assert carry_out(world, framework, agent, operation) == [f"Operation attempted with invalid resources: {error}"]


NOT_DYNAMIC = "Resource {} is not dynamically reserved"
RESERVED = [
    (reserve(), "Invalid resources: The resources have multiple resource providers: "),
    (reserve(cpus()), NOT_DYNAMIC.format("cpus(allocated: web):1")),
    (
        reserve(cpus(1, {"type": "STATIC", "role": "web"})),
        NOT_DYNAMIC.format("cpus(allocated: web)(reservations: [(STATIC,web)]):1"),
    ),
    (
        reserve(cpus(1, reservation(), allocation_info={})),
        (
            "A reserve operation was attempted on unallocated resource cpus(allocated: )(reservations: "
            "[(DYNAMIC,web)]):1, but frameworks can only perform reservations on allocated resources"
        ),
    ),
    (
        reserve(cpus(1, reservation("other"))),
        (
            "A reserve operation was attempted for a resource with role 'other', but the resource was allocated to role "
            "'web'"
        ),
    ),
    (
        reserve(cpus(1, reservation("other"), allocation_info={"role": "other"})),
        (
            "A reserve operation was attempted for a resource allocated to role 'other', but the framework only has roles "
            "'{ web }'"
        ),
    ),
    (
        reserve(cpus(1, reservation(), reservation("web/a"), allocation_info={"role": "web/a"})),
        (
            "A reserve operation was attempted for a resource allocated to role 'web/a', but the framework only has "
            "roles '{ web }'"
        ),
    ),
    (
        reserve(cpus(1, reservation(), provider_id={"value": "x"}), cpus(1, reservation())),
        "Invalid resources: Some resources have a resource provider and some do not",
    ),
    (
        reserve(*(cpus(1, reservation(), provider_id={"value": name}) for name in "xy")),
        "Invalid resources: The resources have multiple resource providers: x, y",
    ),
    (
        reserve(cpus(1, reservation(), revocable={})),
        (
            "Invalid resources: Invalid ReservationInfo: Dynamically reserved resource cpus(allocated: web)(reservations: "
            "[(DYNAMIC,web)]){REV}:1 cannot be created from revocable resources"
        ),
    ),
]

UNRESERVED = [
    (unreserve(cpus()), NOT_DYNAMIC.format("cpus(allocated: web):1")),
    (
        unreserve(volume()),
        (
            "A dynamically reserved persistent volume disk(allocated: web)(reservations: [(DYNAMIC,web)])[p:v]:10 cannot be "
            "unreserved directly. Please destroy the persistent volume first then unreserve the resource"
        ),
    ),
]

CREATED = [
    (create(), "Invalid resources: The resources have multiple resource providers: "),
    (
        create(disk()),
        "Not a persistent volume: Resource disk(allocated: web)(reservations: [(DYNAMIC,web)]):10 does not have DiskInfo",
    ),
    (
        create(disk(disk={"source": {"type": "PATH", "path": {"root": "/x"}}})),
        "Not a persistent volume: 'persistence' is not set in DiskInfo",
    ),
    (
        create(disk(persistence={"id": "p"}, volume={"mode": "RO"})),
        "Not a persistent volume: Read-only persistent volume not supported",
    ),
    (
        create(disk(disk={"persistence": {"id": "p"}})),
        "Invalid resources: Invalid DiskInfo: Expecting 'volume' to be set for persistent volume",
    ),
    (
        create(disk(persistence={"id": ""})),
        "Invalid resources: Invalid DiskInfo: Invalid persistence ID for persistent volume: ID must not be empty",
    ),
    (
        create(volume(layers=[])),
        "Invalid resources: Invalid DiskInfo: Persistent volumes cannot be created from unreserved resources",
    ),
    (create(volume(1), volume(2)), "Persistence ID 'p' is not unique"),
]

DESTROYED = [
    (
        destroy(disk()),
        "Not a persistent volume: Resource disk(reservations: [(DYNAMIC,web)]):10 does not have DiskInfo",
    ),
    (destroy(volume()), "Persistent volumes not found"),
]

GROWN = [
    (grow(volume(), disk(0)), "The size of 'GrowVolume.addition' field must be greater than zero"),
    (
        grow(volume(), {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 2}]}}),
        "The size of 'GrowVolume.addition' field must be greater than zero",
    ),
    (
        grow(volume(provider_id={"value": "x"}), disk()),
        "Growing a volume from a resource provider is not supported",
    ),
    (
        grow(disk(), disk()),
        (
            "Invalid persistent volume in the 'GrowVolume.volume' field: Resource disk(allocated: web)(reservations: "
            "[(DYNAMIC,web)]):10 does not have DiskInfo"
        ),
    ),
    (grow(volume(shared={}), disk()), "Growing a shared persistent volume is not supported"),
    (
        grow(volume(), disk(layers=[])),
        "Incompatible resources in the 'GrowVolume.volume' and 'GrowVolume.addition' fields",
    ),
]

MOUNT = {"source": {"type": "MOUNT", "mount": {"root": "/x"}}}

SHRUNK = [
    (shrink(volume(), 0), "Value of 'ShrinkVolume.subtract' must be greater than zero"),
    (shrink(volume(), -1), "Value of 'ShrinkVolume.subtract' must be greater than zero"),
    (
        shrink(volume(), 10),
        "Value of 'ShrinkVolume.subtract' must be smaller than the size of 'ShrinkVolume.volume'",
    ),
    (
        shrink(volume(provider_id={"value": "x"}), 1),
        "Shrinking a volume from a resource provider is not supported",
    ),
    (shrink(disk(disk=MOUNT), 1), "Shrinking a volume on a MOUNT disk is not supported"),
    (
        shrink(disk(), 1),
        (
            "Invalid persistent volume in the 'ShrinkVolume.volume' field: Resource disk(allocated: web)(reservations: "
            "[(DYNAMIC,web)]):10 does not have DiskInfo"
        ),
    ),
    (shrink(volume(shared={}), 1), "Shrinking a shared persistent volume is not supported"),
]


@pytest.mark.parametrize(("operation", "error"), [*RESERVED, *UNRESERVED, *CREATED, *DESTROYED, *GROWN, *SHRUNK])
def test_what_is_wrong_is_told_with_the_agent(world, framework, agent, operation, error):
    assert carry_out(world, framework, agent, operation) == [error + ON_AGENT.format(id=agent.id)]


POOL = "cpus(allocated: web):4; mem(allocated: web):4096; disk(allocated: web):1000"
RESERVED_DISK = "disk(allocated: web)(reservations: [(DYNAMIC,web)])"


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (reserve(cpus(5, reservation())), f"{POOL} does not contain cpus(allocated: web):5"),
        (
            unreserve(cpus(1, reservation())),
            f"{POOL} does not contain cpus(allocated: web)(reservations: [(DYNAMIC,web)]):1",
        ),
        (create(volume()), f"{POOL} does not contain {RESERVED_DISK}:10"),
        (
            grow(volume(), disk(5)),
            f"Invalid GROW_VOLUME operation: {POOL} does not contain {RESERVED_DISK}[p:v]:10; {RESERVED_DISK}:5",
        ),
        (
            shrink(volume(), 5),
            f"Invalid SHRINK_VOLUME operation: {POOL} does not contain {RESERVED_DISK}[p:v]:10",
        ),
    ],
)
def test_what_was_not_offered_cannot_be_used(world, framework, agent, operation, error):
    assert carry_out(world, framework, agent, operation) == [error]


def test_reservations_are_those_of_the_framework_s_principal(world, agent):
    framework = world.framework(capabilities=CAPABILITIES, principal="ops")
    mine, others, nobodys = (
        reserve(cpus(1, reservation(**fields))) for fields in ({"principal": "ops"}, {"principal": "x"}, {})
    )
    assert carry_out(world, framework, agent, mine, others, nobodys) == [
        None,
        "A reserve operation was attempted by authenticated principal 'ops', which does not match a reserved resource "
        "in the request with principal 'x'" + ON_AGENT.format(id=agent.id),
        "A reserve operation was attempted by principal 'ops', but there is a reserved resource in the request with no "
        "principal set" + ON_AGENT.format(id=agent.id),
    ]


def test_volumes_are_those_of_the_framework_s_principal(world, agent):
    framework = world.framework(capabilities=CAPABILITIES, principal="ops")
    layer = reservation(principal="ops")
    volumes = (
        disk(1, persistence={"id": name, **fields}, layers=[layer])
        for name, fields in (("a", {"principal": "ops"}), ("b", {"principal": "x"}), ("c", {}))
    )
    assert carry_out(world, framework, agent, reserve(disk(3, layers=[layer])), *map(create, volumes)) == [
        None,
        None,
        "Create volume operation attempted by authenticated principal 'ops', which does not match a volume in the "
        "operation with principal 'x' set in 'disk.persistence'" + ON_AGENT.format(id=agent.id),
        "Create volume operation attempted by principal 'ops', but there is a volume in the operation with no principal "
        "set in 'disk.persistence'" + ON_AGENT.format(id=agent.id),
    ]


def test_without_a_principal_any_will_do(world, framework, agent):
    assert carry_out(world, framework, agent, reserve(cpus(1, reservation(principal="x")))) == [None]


def test_shared_volumes_need_the_capability(world, agent):
    framework = world.framework()
    assert carry_out(world, framework, agent, reserve(disk()), create(volume(shared={}))) == [
        None,
        f"Create volume operation for '{RESERVED_DISK}[p:v]<SHARED>:10' has been attempted by framework "
        f"'{framework.id}' with no SHARED_RESOURCES capability" + ON_AGENT.format(id=agent.id),
    ]


FEEDBACK = ["RESOURCE_PROVIDER", "AGENT_OPERATION_FEEDBACK"]


def test_what_an_old_agent_cannot_do_is_not_asked_of_it(world, framework):
    agent = world.agent(capabilities=FEEDBACK)
    suffix = ON_AGENT.format(id=agent.id)
    refined = cpus(1, reservation(), reservation("web/a"), allocation_info={"role": "web/a"})
    hierarchical = cpus(1, reservation("web/a"))
    assert carry_out(
        world, framework, agent, reserve(hierarchical), reserve(disk()), grow(volume(), disk(1)), shrink(volume(), 1)
    ) == [
        (
            "Resource cpus(allocated: web)(reservations: [(DYNAMIC,web/a)]):1 with reservation for hierarchical role 'web/a' "
            f"cannot be reserved on an agent without HIERARCHICAL_ROLE capability{suffix}"
        ),
        None,
        f"Volume {RESERVED_DISK}[p:v]:10 cannot be grown on an agent without RESIZE_VOLUME capability{suffix}",
        f"Volume {RESERVED_DISK}[p:v]:10 cannot be shrunk on an agent without RESIZE_VOLUME capability{suffix}",
    ]
    flat = world.agent(port=5052, capabilities=[*FEEDBACK, "HIERARCHICAL_ROLE"])
    (said,) = carry_out(world, framework, flat, reserve(refined))
    assert said.startswith(
        "Resource cpus(allocated: web/a)(reservations: [(DYNAMIC,web),(DYNAMIC,web/a)]):1 with reservation refinement "
        "cannot be reserved on an agent without RESERVATION_REFINEMENT capability; on agent "
    )


def test_disks_of_providers_need_an_agent_that_has_them(world, framework):
    agent = world.agent(capabilities=["MULTI_ROLE"])
    offer = world.offer(framework, agent)
    source = {"name": "disk", "type": "SCALAR", "scalar": {"value": 1}}
    framework.accept(
        offer,
        operations=[{"type": "DESTROY_DISK", "id": {"value": "d"}, "destroy_disk": {"source": source}}],
    )
    (event,) = framework.take()
    assert event["update_operation_status"]["status"]["message"] == (
        f"Operation requested feedback, but agent {agent.id} does not have the required RESOURCE_PROVIDER capability"
    )


# Several operations


def test_each_operation_finds_what_those_before_it_left(world, framework, agent):
    """A long chain: reserve, create, destroy, unreserve, and each a second time, which fails."""
    chain = [reserve(disk()), create(volume()), destroy(volume()), unreserve(disk())]
    suffix = ON_AGENT.format(id=agent.id)
    assert carry_out(world, framework, agent, *chain, *chain[1:]) == [
        None,
        None,
        None,
        None,
        (
            "cpus(allocated: web):4; mem(allocated: web):4096; disk(allocated: web):1000 does not contain "
            f"{RESERVED_DISK}:10"
        ),
        f"Persistent volumes not found{suffix}",
        (
            "cpus(allocated: web):4; mem(allocated: web):4096; disk(allocated: web):1000 does not contain "
            f"{RESERVED_DISK}:10"
        ),
    ]


def offered(world, framework, agent, resources, role="web"):
    """An offer of resources that have no text of their own."""
    world.allocator.listener.offers(framework.id, {role: {agent.id: resources}})
    world.settle()
    (event,) = [event for event in framework.take() if event["type"] == "OFFERS"]
    (offer,) = event["offers"]["offers"]
    return offer


def test_a_reservation_can_be_refined_by_a_role_beneath(world, agent):
    framework = world.framework(capabilities=CAPABILITIES, roles=["web", "web/a"])
    assert carry_out(world, framework, agent, reserve(cpus(1, reservation()))) == [None]
    outer = Resources.parse("cpus:1").push_reservation(Reservation(ReservationType.DYNAMIC, "web"))
    offer = offered(world, framework, agent, outer, "web/a")
    refined = cpus(1, reservation(), reservation("web/a"))
    framework.accept(
        offer,
        operations=[
            {**reserve(refined), "id": {"value": "r"}},
            {**unreserve(refined), "id": {"value": "u"}},
            {**unreserve(refined), "id": {"value": "v"}},
        ],
    )
    (event,) = framework.take()
    status = event["update_operation_status"]["status"]
    assert status["operation_id"] == {"value": "v"}
    assert status["message"] == (
        "cpus(allocated: web/a)(reservations: [(DYNAMIC,web)]):1 does not contain "
        "cpus(allocated: web/a)(reservations: [(DYNAMIC,web),(DYNAMIC,web/a)]):1"
    )
    assert [apply.operation.id.value for apply in agent.take(ApplyOperation)] == ["r", "u"]


def test_volumes_in_use_cannot_be_destroyed(world, framework, agent, task):
    shared = volume(shared={})
    assert carry_out(world, framework, agent, reserve(disk()), create(shared)) == [None, None]
    first = world.offer(framework, agent, "cpus:1;mem:32")
    volumes = Resources.from_messages([from_json(json.dumps(shared), mesos.Resource)])
    second = offered(world, framework, agent, volumes)
    launch = {"type": "LAUNCH", "launch": {"task_infos": [task("t", first, resources=[cpus(0.1), shared])]}}
    framework.accept(first, second, operations=[launch, {**destroy(shared), "id": {"value": "d"}}])
    (event,) = framework.take()
    assert event["update_operation_status"]["status"]["message"] == (
        "Persistent volumes in use" + ON_AGENT.format(id=agent.id)
    )


def test_shared_volumes_are_counted_anew_after_each_create(world, framework, agent, task):
    """A task may use a volume that another task of the call uses, but not if a volume was created in between."""
    a, b = volume(10, "a", shared={}), volume(10, "b", shared={})
    offer = world.offer(framework, agent, "cpus:4;mem:4096;disk:1000")

    def launch(name):
        return {"type": "LAUNCH", "launch": {"task_infos": [task(name, offer, resources=[cpus(0.1), a])]}}

    framework.accept(
        offer,
        operations=[reserve(disk(20)), create(a), launch("t1"), launch("t2"), create(b), launch("t3")],
    )
    (status,) = framework.take_statuses()
    assert status["task_id"] == {"value": "t3"}
    assert status["message"].startswith("Total resources ")


def test_resources_of_the_older_format_are_kept_in_the_newer_one(world, framework, agent, task):
    """Whatever a framework writes, operators see the newer format, and so do agents."""
    offer = world.offer(framework, agent)
    old = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}, "role": "web"}
    framework.accept(
        offer,
        operations=[
            {"type": "RESERVE", "reserve": {"resources": [{**old, "reservation": {"principal": "x"}}]}},
            {
                "type": "LAUNCH",
                "launch": {
                    "task_infos": [
                        task(
                            "t",
                            offer,
                            resources=[
                                {**old, "reservation": {"principal": "x"}, "scalar": {"value": 0.5}},
                                {**old, "name": "mem", "role": "*", "scalar": {"value": 32}},
                            ],
                        )
                    ]
                },
            },
        ],
    )
    assert framework.take() == []
    reserved = [{"type": "DYNAMIC", "role": "web", "principal": "x"}]
    (seen,) = world.query("GET_TASKS")["tasks"]
    assert [(one.get("role"), one.get("reservation"), one.get("reservations")) for one in seen["resources"]] == [
        (None, None, reserved),
        (None, None, None),
    ]
    (run,) = agent.take(RunTask)
    assert [resource.HasField("role") for resource in run.task.resources] == [False, False]
    (applied,) = agent.take(ApplyOperation)
    (resource,) = applied.operation.reserve.resources
    assert not resource.HasField("role")
    assert resource.reservations[0].role == "web"
