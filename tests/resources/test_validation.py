"""What tasks and operations may combine."""

from __future__ import annotations

import pytest

from pymesoskit.resources import (
    Disk,
    Persistence,
    Reservation,
    Resource,
    Resources,
    Volume,
    VolumeMode,
    allocation_role_error,
    persistent_volumes_error,
    revocable_mix_error,
    single_provider_error,
    unique_persistence_error,
    used_resources_error,
)

WEB = (Reservation.dynamic("web"),)
MOUNTED = Volume("data")


def volume(
    id_: str = "v", reservations: tuple[Reservation, ...] = WEB, mounted: Volume | None = MOUNTED, **fields: bool
) -> Resource:
    return Resource("disk", "SCALAR", 1, reservations, Disk(Persistence(id_), mounted), **fields)


@pytest.mark.parametrize(
    ("resource", "error"),
    [
        (Resource("gpus", "SCALAR", 1.5), "Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer"),
        (Resource("disk", "SCALAR", 1, disk=Disk()), "Invalid DiskInfo: DiskInfo is set but empty"),
        (
            Resource("disk", "SCALAR", 1, disk=Disk(volume=Volume("c"))),
            "Invalid DiskInfo: Non-persistent volume not supported",
        ),
        (
            volume(reservations=()),
            "Invalid DiskInfo: Persistent volumes cannot be created from unreserved resources",
        ),
        (volume(revocable=True), "Invalid DiskInfo: Persistent volumes cannot be created from revocable resources"),
        (volume(mounted=None), "Invalid DiskInfo: Expecting 'volume' to be set for persistent volume"),
        (
            volume(mounted=Volume("c", host_path="/h")),
            "Invalid DiskInfo: Expecting 'host_path' to be unset for persistent volume",
        ),
        (
            volume(""),
            "Invalid DiskInfo: Invalid persistence ID for persistent volume: ID must not be empty",
        ),
        (
            volume("a/b"),
            "Invalid DiskInfo: Invalid persistence ID for persistent volume: 'a/b' contains invalid characters",
        ),
        (volume(".."), "Invalid DiskInfo: Invalid persistence ID for persistent volume: '..' is disallowed"),
        (
            volume("x" * 256),
            "Invalid DiskInfo: Invalid persistence ID for persistent volume: ID must not be greater than 255 characters",
        ),
        (
            Resource("cpus", "SCALAR", 1, WEB, revocable=True),
            (
                "Invalid ReservationInfo: Dynamically reserved resource cpus(reservations: [(DYNAMIC,web)]){REV}:1 cannot"
                " be created from revocable resources"
            ),
        ),
        (volume(), None),
        (Resource("gpus", "SCALAR", 2), None),
    ],
)
def test_what_may_be_used(resource: Resource, error: str | None) -> None:
    assert used_resources_error(Resources((resource,)).to_messages()) == error


def test_invalid_messages_come_first() -> None:
    messages = Resources.parse("gpus:1.5;cpus:1").to_messages()
    messages[1].scalar.value = -1
    assert used_resources_error(messages) == "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0"


@pytest.mark.parametrize(
    ("resource", "error"),
    [
        (Resource("disk", "SCALAR", 1), "Resource disk:1 does not have DiskInfo"),
        (Resource("disk", "SCALAR", 1, disk=Disk()), "'persistence' is not set in DiskInfo"),
        (volume(mounted=None), "Expecting 'volume' to be set for persistent volume"),
        (volume(mounted=Volume("c", VolumeMode.RO)), "Read-only persistent volume not supported"),
        (volume(), None),
    ],
)
def test_what_is_a_volume(resource: Resource, error: str | None) -> None:
    assert persistent_volumes_error([resource]) == error


def test_a_persistence_id_is_unique_within_a_role() -> None:
    again = volume(mounted=Volume("other"))
    elsewhere = volume(reservations=(Reservation.dynamic("ads"),))
    assert unique_persistence_error([volume(), again]) == "Persistence ID 'v' is not unique"
    assert unique_persistence_error([volume(), elsewhere, volume("w")]) is None
    assert unique_persistence_error(Resources((volume(shared=True), volume(shared=True)))) is None


def test_resources_are_used_under_one_role() -> None:
    web, ads = Resources.parse("cpus:1").allocated("web"), Resources.parse("mem:1").allocated("ads")
    assert allocation_role_error(web) is None
    assert allocation_role_error(web + Resources.parse("mem:1")) == "The resources are not allocated to a role"
    assert allocation_role_error(web + ads) == (
        "The resources have multiple allocation roles ('ads' and 'web') but only one allocation role is allowed"
    )


def test_a_name_is_revocable_as_a_whole() -> None:
    revocable = Resource("cpus", "SCALAR", 1, revocable=True)
    assert revocable_mix_error([revocable, Resource("mem", "SCALAR", 1)]) is None
    assert revocable_mix_error([revocable, Resource("cpus", "SCALAR", 1)]) == (
        "Cannot use both revocable and non-revocable 'cpus' at the same time"
    )


def test_an_operation_is_about_one_provider() -> None:
    ours, theirs = Resource("cpus", "SCALAR", 1), Resource("cpus", "SCALAR", 1, provider_id="rp")
    assert single_provider_error([ours]) is None
    assert single_provider_error([theirs]) is None
    assert single_provider_error([]) == "The resources have multiple resource providers: "
    others = Resource("cpus", "SCALAR", 1, provider_id="rp2")
    assert single_provider_error([ours, theirs]) == "Some resources have a resource provider and some do not"
    assert single_provider_error([theirs, others]) == "The resources have multiple resource providers: rp, rp2"
