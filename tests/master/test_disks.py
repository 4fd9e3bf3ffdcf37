"""CREATE_DISK and DESTROY_DISK: only disks of resource providers, which agents here have none of (scheduler-api.md 4.5)."""

import pytest

RAW = {"type": "RAW", "profile": "fast"}
MOUNT = {"type": "MOUNT", "id": "v1"}


@pytest.fixture
def refusal(world, amount):
    """What is said of one operation on an offered disk."""
    framework, agent = world.framework(), world.agent()
    offer = world.offer(framework, agent)

    def refuse(kind, source, provider=True, **payload):
        disk = amount("disk", 100, disk={"source": source})
        if provider:
            disk["provider_id"] = {"value": "p"}
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
    assert refusal("DESTROY_DISK", MOUNT), "an error, and a reason"
