"""Offer operations: what they consume and produce, and why they may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymesoskit.resources import (
    Disk,
    Persistence,
    Reservation,
    Resource,
    Resources,
    ResourcesError,
    Volume,
    consumed,
    conversions,
    operation_error,
    produced,
)
from pymesoskit.wire.v1 import mesos_pb2 as pb
from tests.resources.strategies import HELD

Operation = pb.Offer.Operation
DISK = Resource("disk", "SCALAR", 64, (Reservation.dynamic("web"),))
PORTS = Resource("ports", "RANGES", ((1, 2),))
VOLUME = Resource("disk", "SCALAR", 64, (Reservation.dynamic("web"),), Disk(Persistence("v"), Volume("data")))


def messages(*resources: Resource) -> list[pb.Resource]:
    return [message for resource in resources for message in Resources((resource,)).to_messages()]


def reserve(*resources: Resource, source: tuple[Resource, ...] = ()) -> Operation:
    return Operation(type="RESERVE", reserve={"resources": messages(*resources), "source": messages(*source)})


@given(HELD)
def test_a_reservation_is_made_and_undone(pool: Resources) -> None:
    plain = pool.unreserved().filter(lambda resource: not resource.is_persistent_volume)
    reserved = plain.push_reservation(Reservation.dynamic("web", "p"))
    made = plain.apply(reserve(*reserved))
    assert made == reserved
    undone = made.apply(Operation(type="UNRESERVE", unreserve={"resources": messages(*reserved)}))
    assert undone == plain


@given(HELD, st.integers(1, 1000))
def test_operations_keep_amounts(pool: Resources, share: int) -> None:
    pool = pool.non_revocable().non_shared()
    for resource in pool:
        if resource.type == "SCALAR" and not resource.kind.is_exclusive:
            part = resource.with_value(max(1, resource.measure * share // 1000) / 1000)
            reserved = part.with_pushed_reservation(Reservation.dynamic(f"{resource.reservation_role or 'ads'}/z"))
            after = pool.apply(reserve(reserved))
            assert after.scalar_quantities() == pool.scalar_quantities()
            assert after.contains(reserved)
            undone = after.apply(Operation(type="UNRESERVE", unreserve={"resources": messages(reserved)}))
            assert undone.scalar_quantities() == pool.scalar_quantities()
            assert undone == pool


def test_a_volume_is_made_and_destroyed() -> None:
    pool = Resources((Resource("disk", "SCALAR", 100, DISK.reservations),))
    create = Operation(type="CREATE", create={"volumes": messages(VOLUME)})
    destroy = Operation(type="DESTROY", destroy={"volumes": messages(VOLUME)})
    assert consumed(create) == Resources((DISK,))
    assert produced(create) == Resources((VOLUME,))
    assert consumed(destroy) == Resources((VOLUME,))
    assert produced(destroy) == Resources((DISK,))
    assert str(pool.apply(create)) == (
        "disk(reservations: [(DYNAMIC,web)]):36; disk(reservations: [(DYNAMIC,web)])[v:data]:64"
    )
    assert pool.apply(create).apply(destroy) == pool


def test_a_reservation_may_be_made_of_another() -> None:
    pool = Resources.parse("cpus(a):3")
    moved = Resource("cpus", "SCALAR", 1, (Reservation.dynamic("b"),))
    source = Resource("cpus", "SCALAR", 1, (Reservation.static("a"),))
    assert pool.apply(reserve(moved, source=(source,))) == Resources.parse("cpus(a):2") + moved


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (reserve(Resource("cpus", "SCALAR", 1)), "Resource cpus:1 is not reserved"),
        (
            reserve(
                Resource("cpus", "SCALAR", 2, (Reservation.dynamic("b"),)), source=(Resource("cpus", "SCALAR", 1),)
            ),
            r"the source cpus:1 is not of the size of cpus\(reservations: \[\(DYNAMIC,b\)\]\):2",
        ),
        (
            Operation(type="SHRINK_VOLUME", shrink_volume={"volume": messages(VOLUME)[0], "subtract": {"value": 65}}),
            r"data\]:64 cannot shrink by 65",
        ),
        (
            Operation(
                type="GROW_VOLUME",
                grow_volume={"volume": messages(PORTS)[0], "addition": messages(DISK)[0]},
            ),
            r"ports:\[1-2\] is not a scalar",
        ),
        (Operation(type="LAUNCH", launch={}), "Cannot get conversions: Operation not supported"),
        (Operation(), "Cannot get conversions: Unknown operation"),
    ],
)
def test_what_would_end_a_real_master_is_an_error(operation: Operation, error: str) -> None:
    with pytest.raises(ResourcesError, match=error):
        Resources.parse("cpus:4").apply(operation)


def test_shrinking_frees_disk() -> None:
    shrink = Operation(type="SHRINK_VOLUME", shrink_volume={"volume": messages(VOLUME)[0], "subtract": {"value": 60}})
    result = Resources((VOLUME,)).apply(shrink)
    assert str(result) == "disk(reservations: [(DYNAMIC,web)])[v:data]:4; disk(reservations: [(DYNAMIC,web)]):60"
    grow = Operation(
        type="GROW_VOLUME",
        grow_volume={"volume": messages(VOLUME.with_value(4.0))[0], "addition": messages(DISK.with_value(60.0))[0]},
    )
    assert result.apply(grow) == Resources((VOLUME,))


def test_what_is_no_number_adds_nothing_to_a_volume() -> None:
    operation = Operation(
        type="GROW_VOLUME", grow_volume={"volume": messages(VOLUME)[0], "addition": messages(PORTS)[0]}
    )
    assert Resources((VOLUME, PORTS)).apply(operation) == Resources((VOLUME,))


def test_no_copy_of_a_destroyed_volume_may_be_left() -> None:
    shared = Resource("disk", "SCALAR", 64, VOLUME.reservations, VOLUME.disk, shared=True)
    destroy = Operation(type="DESTROY", destroy={"volumes": messages(shared)})
    with pytest.raises(
        ResourcesError, match=r"\[v:data\]<SHARED>:64 cannot be removed due to additional shared copies"
    ):
        Resources((shared, shared)).apply(destroy)
    assert Resources((shared,)).apply(destroy) == Resources((DISK,))


def invalid() -> pb.Resource:
    return pb.Resource(name="cpus", type="SCALAR", scalar=pb.Value.Scalar(value=-1))


WRAPPED = "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0"
BARE = "Invalid scalar resource: value <= 0"


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (Operation(), "Unknown offer operation"),
        (Operation(type="RESERVE"), "A RESERVE offer operation must have the Offer.Operation.reserve field set."),
        (
            Operation(type="UNRESERVE"),
            "An UNRESERVE offer operation must have the Offer.Operation.unreserve field set.",
        ),
        (Operation(type="GROW_VOLUME"), "A GROW_VOLUME operation must have the Offer.Operation.grow_volume field set"),
        (
            Operation(type="SHRINK_VOLUME"),
            "A SHRINK_VOLUME offer operation must have the Offer.Operation.shrink_volume field set",
        ),
        (Operation(type="RESERVE", reserve={"resources": [invalid()]}), WRAPPED),
        (Operation(type="RESERVE", reserve={"source": [invalid()]}), WRAPPED),
        (Operation(type="CREATE", create={"volumes": [invalid()]}), WRAPPED),
        (Operation(type="DESTROY", destroy={"volumes": [invalid()]}), WRAPPED),
        (Operation(type="UNRESERVE", unreserve={"resources": [invalid()]}), WRAPPED),
        (Operation(type="GROW_VOLUME", grow_volume={"volume": invalid()}), BARE),
        (Operation(type="SHRINK_VOLUME", shrink_volume={"volume": invalid()}), BARE),
        (Operation(type="CREATE_DISK", create_disk={"source": invalid()}), BARE),
        (Operation(type="DESTROY_DISK", destroy_disk={"source": invalid()}), BARE),
        (Operation(type="LAUNCH", launch={"task_infos": [{"resources": [invalid()]}]}), WRAPPED),
        (Operation(type="LAUNCH", launch={"task_infos": [{"executor": {"resources": [invalid()]}}]}), WRAPPED),
        (Operation(type="LAUNCH_GROUP", launch_group={"executor": {"resources": [invalid()]}}), WRAPPED),
        (Operation(type="LAUNCH_GROUP", launch_group={"task_group": {"tasks": [{"resources": [invalid()]}]}}), WRAPPED),
        (reserve(), None),
    ],
)
def test_operations_are_checked_at_first_sight(operation: Operation, error: str | None) -> None:
    assert operation_error(operation) == error


def test_each_volume_is_a_step_of_its_own() -> None:
    other = Resource("disk", "SCALAR", 1, VOLUME.reservations, Disk(Persistence("w"), Volume("data")))
    create = Operation(type="CREATE", create={"volumes": messages(VOLUME, other)})
    assert [str(step.converted) for step in conversions(create)] == [str(VOLUME), str(other)]
