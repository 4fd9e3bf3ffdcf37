"""Single resources: what may be one, what is equal, how it is printed."""

from __future__ import annotations

import pickle

import attrs
import pytest

from pymesoskit.resources import (
    Disk,
    DiskRoot,
    DiskSource,
    Label,
    Persistence,
    Quantities,
    Reservation,
    Resource,
    Resources,
    ResourcesError,
    Volume,
    VolumeMode,
    validation_error,
)
from pymesoskit.wire.v1 import mesos

VOLUME = Disk(Persistence("v1"), Volume("data"))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"name": ""}, "Empty resource name"),
        ({"type": "TEXT"}, "Unsupported resource type"),
        ({"value": -1.0}, "Invalid scalar resource: value <= 0"),
        ({"value": -0.0001}, "Invalid scalar resource: value <= 0"),
        ({"value": float("inf")}, "Invalid scalar resource: value <= 0"),
        ({"type": "RANGES", "value": ((2, 1),)}, "Invalid ranges resource: begin > end"),
        ({"type": "SET", "value": ("a", "a")}, "Invalid set resource: duplicated elements"),
        ({"disk": Disk()}, "DiskInfo should not be set for cpus resource"),
        ({"reservations": (Reservation.static("*"),)}, 'Invalid reservation: role "*" cannot be reserved'),
        ({"reservations": (Reservation.static("a/"),)}, "Role 'a/' cannot end with a slash"),
        (
            {"reservations": (Reservation.static("a"), Reservation.dynamic("b"))},
            "Invalid refined reservation: role 'b' is not a refinement of 'a'",
        ),
        ({"shared": True}, "Resource cpus cannot be shared"),
        ({"name": "disk", "shared": True}, "Only persistent volumes can be shared"),
        ({"copies": 2}, "Only shared resources have copies"),
    ],
)
def test_nothing_invalid_leaves_the_constructor(arguments: dict, error: str) -> None:
    with pytest.raises(ResourcesError) as caught:
        Resource(**{"name": "cpus", "type": "SCALAR", "value": 1.0, **arguments})
    assert str(caught.value) == error


@pytest.mark.parametrize("tiny", [0.0001, 0.0004, 0.00049999])
def test_a_scalar_below_half_a_thousandth_is_a_value_that_counts_as_nothing(tiny: float) -> None:
    some, one = Resource("cpus", "SCALAR", tiny), Resource("cpus", "SCALAR", 1.0)
    assert some.value == tiny
    assert some.is_empty
    assert some == Resource("cpus", "SCALAR", 0)
    assert not Resources([some])
    held = Resources([one])
    assert held + some == held - some == held
    assert held.contains(some)
    assert held.contains(Resources([some]))
    assert str(some) == "cpus:0"
    assert one.with_value(tiny).is_empty


def test_half_a_thousandth_is_the_least_amount() -> None:
    least, one = Resource("cpus", "SCALAR", 0.0005), Resource("cpus", "SCALAR", 1.0)
    assert next(iter(Resources([one]) + least)).value == 1.001
    assert next(iter(Resources([one]) - least)).value == 0.999
    assert not Resources([least]).contains(Resources([one]))
    assert Resources([one]).contains(least)


def test_only_where_mesos_validates_is_a_scalar_below_half_a_thousandth_refused() -> None:
    message = mesos.Resource(name="cpus", type=mesos.Value.SCALAR, scalar=mesos.Value.Scalar(value=0.0004))
    assert validation_error(message) == "Invalid scalar resource: value <= 0"
    with pytest.raises(ResourcesError, match="value <= 0"):
        Resources.from_messages([message])
    with pytest.raises(ResourcesError, match="value <= 0"):
        Resources.parse("cpus:0.0004")


def test_resources_cannot_be_changed() -> None:
    resource = Resource("cpus", "SCALAR", 1.0)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        resource.value = 2.0
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        del resource.value
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Resources()._items = ()


def test_values_can_be_pickled() -> None:
    resources = Resources(
        (Resource("disk", "SCALAR", 1.5, (Reservation.dynamic("a"),), VOLUME, shared=True, copies=2),)
    )
    assert pickle.loads(pickle.dumps(resources)) == resources
    assert str(pickle.loads(pickle.dumps(resources))) == str(resources)


def test_scalars_are_equal_by_thousandths() -> None:
    assert Resource("cpus", "SCALAR", 1.0001) == Resource("cpus", "SCALAR", 1)
    assert Resource("cpus", "SCALAR", 1.0005) != Resource("cpus", "SCALAR", 1)


def test_ranges_and_sets_are_equal_by_what_they_cover() -> None:
    assert Resource("p", "RANGES", ((4, 5), (1, 3))) == Resource("p", "RANGES", ((1, 5),))
    assert Resource("s", "SET", ("a", "b")) == Resource("s", "SET", ("b", "a"))


def test_neither_container_path_nor_creator_tell_volumes_apart() -> None:
    one = Resource("disk", "SCALAR", 1, disk=Disk(Persistence("v", "p"), Volume("a")))
    other = Resource("disk", "SCALAR", 1, disk=Disk(Persistence("v", "q"), Volume("b", VolumeMode.RO)))
    assert one == other
    assert hash(one) == hash(other)
    assert Resources((one,)).contains(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Disk(), None),
        (Disk(source=DiskSource("PATH", path=DiskRoot())), Disk(source=DiskSource("PATH"))),
        (Disk(source=DiskSource("RAW", profile="a")), Disk(source=DiskSource("RAW", profile="b"))),
    ],
)
def test_disks_that_differ(one: Disk, other: Disk | None) -> None:
    assert Resource("disk", "SCALAR", 1, disk=one) != Resource("disk", "SCALAR", 1, disk=other)


def test_labels_are_equal_in_any_order_but_none_is_not_empty() -> None:
    a, b = Label("k", "v"), Label("k")
    assert Reservation.dynamic("r", None, (a, b)) == Reservation.dynamic("r", None, (b, a))
    assert Reservation.dynamic("r", None, ()) != Reservation.dynamic("r", None, None)
    assert Reservation.dynamic("r", "") != Reservation.dynamic("r", None)
    with_labels = Resource("cpus", "SCALAR", 1, (Reservation.dynamic("r", None, (a, b)),))
    assert with_labels == Resource("cpus", "SCALAR", 1, (Reservation.dynamic("r", None, (b, a)),))


@pytest.mark.parametrize(
    ("resource", "printed"),
    [
        (Resource("cpus", "SCALAR", 1.5, allocation_role="web"), "cpus(allocated: web):1.5"),
        (
            Resource("cpus", "SCALAR", 1, (Reservation.dynamic("a", "p", (Label("k", "v"), Label("l"))),)),
            "cpus(reservations: [(DYNAMIC,a,p,{k: v, l})]):1",
        ),
        (Resource("cpus", "SCALAR", 1, revocable=True), "cpus{REV}:1"),
        (Resource("disk", "SCALAR", 1, disk=VOLUME, shared=True, copies=3), "disk[v1:data]<SHARED>:1<3>"),
        (Resource("disk", "SCALAR", 1, disk=Disk(source=DiskSource("PATH", path=DiskRoot("/p")))), "disk[PATH:/p]:1"),
        (
            Resource(
                "disk", "SCALAR", 1, disk=Disk(source=DiskSource("MOUNT", mount=DiskRoot("/m"), id="i", vendor="v"))
            ),
            "disk[MOUNT(v,i,)]:1",
        ),
        (Resource("disk", "SCALAR", 1, disk=Disk(Persistence("i"), None, DiskSource("BLOCK"))), "disk[BLOCK,i]:1"),
        (
            Resource("disk", "SCALAR", 1, disk=Disk(Persistence("i"), Volume("c", VolumeMode.RO, "/h"))),
            "disk[i:/h:c:ro]:1",
        ),
        (Resource("ports", "RANGES", ((4, 5), (1, 2))), "ports:[4-5, 1-2]"),
        (Resource("zones", "SET", ("b", "a")), "zones:{b, a}"),
    ],
)
def test_printed_forms(resource: Resource, printed: str) -> None:
    assert str(resource) == printed
    assert printed in repr(resource)


def test_an_amount_of_nothing_vanishes_in_a_collection() -> None:
    nothing = [Resource("cpus", "SCALAR", 0), Resource("ports", "RANGES", ()), Resource("zones", "SET", ())]
    assert Resources(nothing) == Resources()
    assert str(Resources(nothing)) == "{}"
    assert Resources.parse("cpus:1") + nothing[0] == Resources.parse("cpus:1")
    assert Resources.parse("cpus:1") - nothing[0] == Resources.parse("cpus:1")


def test_what_is_used_up_is_replaced_by_the_last() -> None:
    resources = Resources.parse("cpus:1;mem:2;disk:3;ports:[1-2]")
    assert str(resources - Resources.parse("cpus:1")) == "ports:[1-2]; mem:2; disk:3"


def test_one_copy_of_a_shared_volume_is_taken_at_a_time() -> None:
    volume = Resource("disk", "SCALAR", 1, (Reservation.static("a"),), VOLUME, shared=True)
    two = Resources((volume, volume))
    assert len(two) == 1
    assert next(iter(two)).copies == 2
    assert str(two - volume) == "disk(reservations: [(STATIC,a)])[v1:data]<SHARED>:1<1>"
    assert two - volume - volume == Resources()
    assert two.quantities().get("disk") == 1
    assert len(two.to_messages()) == 1


def test_an_exclusive_disk_is_there_as_a_whole_or_not_at_all() -> None:
    mount = Disk(source=DiskSource("MOUNT", mount=DiskRoot("/m")))
    held = Resources((Resource("disk", "SCALAR", 5, disk=mount),))
    part = Resource("disk", "SCALAR", 3, disk=mount)
    assert not held.contains(part)
    assert held - part == held
    assert len(held + part) == 2


def test_volumes_are_counted_when_contained_but_other_disks_are_not() -> None:
    volume = Resource("disk", "SCALAR", 1, (Reservation.static("a"),), VOLUME)
    mount = Resource("disk", "SCALAR", 1, disk=Disk(source=DiskSource("MOUNT", mount=DiskRoot("/m"))))
    assert not Resources((volume,)).contains(Resources((volume, volume)))
    assert Resources((mount,)).contains(Resources((mount, mount)))
    assert Resources((volume, volume)) - volume == Resources((volume,))


def test_popping_what_is_not_reserved_is_refused() -> None:
    with pytest.raises(ResourcesError, match="Resource cpus:1 is not reserved"):
        Resources.parse("cpus:1").pop_reservation()


def test_pushing_what_is_no_refinement_is_refused() -> None:
    with pytest.raises(ResourcesError, match="role 'web' is not a refinement of 'ads'"):
        Resources.parse("cpus(ads):1").push_reservation(Reservation.dynamic("web"))


def test_resources_are_compared_with_quantities_over_all_metadata() -> None:
    resources = Resources.parse("cpus:1;cpus(a):2;ports:[1-2,5-6];zones:{a,b}")
    assert resources.contains_quantities(Quantities({"cpus": 3, "ports": 4, "zones": 2}))
    assert not resources.contains_quantities(Quantities({"cpus": 3.001}))
    assert not resources.contains_quantities(Quantities({"ports": 5}))
    assert not resources.contains_quantities(Quantities({"mem": 1}))


def test_totals_by_name() -> None:
    resources = Resources.parse("cpus:1.5;cpus(a):2;mem:32;disk:64;gpus:1;ports:[1-2];ports(a):[3-4];zones:{a}")
    assert (resources.cpus(), resources.mem(), resources.disk(), resources.gpus()) == (3.5, 32.0, 64.0, 1.0)
    assert resources.ports() == ((1, 4),)
    assert resources.get_set("zones") == ("a",)
    assert resources.get_scalar("bw") is None
    assert Resources().cpus() == 0.0
    assert Resources().ports() == ()
    assert resources.names() == {"cpus", "mem", "disk", "gpus", "ports", "zones"}
    assert str(resources.named("cpus")) == "cpus:1.5; cpus(reservations: [(STATIC,a)]):2"
    assert Resources.parse("cpus:1") in resources
    assert "cpus" not in resources
