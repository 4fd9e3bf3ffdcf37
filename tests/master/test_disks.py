"""CREATE_DISK and DESTROY_DISK: only disks of resource providers, which agents here have none of (scheduler-api.md 4.5)."""

import pytest

RAW = {"type": "RAW", "profile": "fast"}
MOUNT = {"type": "MOUNT", "id": "v1"}


@pytest.fixture
def refusal(world, amount):
    """What is said of one operation on an offered disk."""
    framework, agent = world.framework(), world.agent()

    def refuse(kind, source, provider=True, disk=None, reservations=(), **payload):
        disk = amount("disk", 100, disk={"source": source, **(disk or {})}, reservations=list(reservations))
        if provider:
            disk["provider_id"] = {"value": "p"}
        offer = world.offer(framework, agent)
        operation = {"type": kind, "id": {"value": "o"}, kind.lower(): {"source": disk, **payload}}
        framework.accept(offer, operations=[operation])
        (event,) = framework.take()
        status = event["update_operation_status"]["status"]
        assert status["state"] == "OPERATION_ERROR"
        return status["message"].partition("; on agent ")[0]

    return refuse


def test_disks_must_be_those_of_a_provider(refusal):
    message = refusal("CREATE_DISK", RAW, provider=False, target_type="MOUNT")
    assert message == "'source' is not managed by a resource provider"


@pytest.mark.parametrize(
    ("source", "fields", "text"),
    [
        (MOUNT, {"target_type": "MOUNT"}, "'source' is not a RAW disk resource"),
        (RAW, {"target_type": "PATH"}, "'target_type' is neither MOUNT or BLOCK"),
        (
            RAW,
            {"target_type": "MOUNT", "target_profile": "x"},
            "'target_profile' must not be set when 'source' has a profile",
        ),
        ({"type": "RAW"}, {"target_type": "BLOCK"}, "'target_profile' must be set when 'source' has no profile"),
    ],
)
def test_what_a_disk_can_be_made_of(refusal, source, fields, text):
    assert refusal("CREATE_DISK", source, **fields) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"type": "PATH"}, "'source' is neither a MOUNT, BLOCK or RAW disk resource"),
        ({"type": "MOUNT"}, "'source' is not backed by a CSI volume"),
    ],
)
def test_which_disks_can_be_destroyed(refusal, source, text):
    assert refusal("DESTROY_DISK", source) == text


def test_a_disk_that_was_not_offered_cannot_be_destroyed(refusal):
    """Nor made; agents have none that could be."""
    pool = "cpus(allocated: web):4; mem(allocated: web):4096; disk(allocated: web):10000; ports(allocated: web):[31000-32000]"
    assert refusal("DESTROY_DISK", MOUNT) == (
        f"Invalid DESTROY_DISK Operation: {pool} does not contain disk(allocated: web)[MOUNT(,v1,)]:100"
    )
    assert refusal("CREATE_DISK", RAW, target_type="MOUNT").startswith("Invalid CREATE_DISK Operation: ")


def test_a_disk_with_a_volume_is_not_destroyed(refusal):
    volume = {"persistence": {"id": "p"}, "volume": {"container_path": "v", "mode": "RW"}}
    reserved = {"reservations": [{"type": "DYNAMIC", "role": "web"}]}
    assert refusal("DESTROY_DISK", MOUNT, disk=volume, **reserved) == (
        "A disk resource containing a persistent volume disk(allocated: web)(reservations: [(DYNAMIC,web)])"
        "[MOUNT(,v1,),p:v]:100 cannot be destroyed directly. Please destroy the persistent volume first then destroy the "
        "disk resource"
    )


def test_an_old_agent_has_no_providers(world, amount):
    framework, agent = world.framework(), world.agent(capabilities=["AGENT_OPERATION_FEEDBACK"])
    offer = world.offer(framework, agent)
    source = amount("disk", 1)
    operations = [
        {"type": "CREATE_DISK", "create_disk": {"source": source, "target_type": "MOUNT"}},
        {"type": "CREATE_DISK", "id": {"value": "o"}, "create_disk": {"source": source, "target_type": "MOUNT"}},
    ]
    framework.accept(offer, operations=operations)
    (event,) = framework.take()
    assert event["update_operation_status"]["status"]["message"] == (
        f"Operation requested feedback, but agent {agent.id} does not have the required RESOURCE_PROVIDER capability"
    )
    assert f"Not supported on agent {agent.id} at " in world.history.story()
