"""Messages in three formats: which are valid, what they stand for, what comes back."""

from __future__ import annotations

import pytest

from pymesoskit.resources import (
    Format,
    Reservation,
    Resources,
    ResourcesError,
    resource_from_message,
    resource_to_message,
    upgrade_message,
    validate,
    validation_error,
)
from pymesoskit.wire.v1 import mesos_pb2 as pb

DYNAMIC = pb.Resource.ReservationInfo.DYNAMIC
STATIC = pb.Resource.ReservationInfo.STATIC


def cpus(value: float = 1.0) -> pb.Resource:
    return pb.Resource(name="cpus", type="SCALAR", scalar=pb.Value.Scalar(value=value))


def test_no_role_and_the_default_role_are_the_same() -> None:
    starred = cpus()
    starred.role = "*"
    assert Resources.from_messages([cpus()]) == Resources.from_messages([starred])


def test_a_role_alone_is_a_static_reservation() -> None:
    message = cpus()
    message.role = "ads"
    assert resource_from_message(message).reservations == (Reservation.static("ads"),)


def test_a_role_with_a_reservation_is_a_dynamic_one() -> None:
    message = cpus()
    message.role = "ads"
    message.reservation.principal = "p"
    assert resource_from_message(message).reservations == (Reservation.dynamic("ads", "p"),)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (
            {"role": "ads", "reservations": [("web", STATIC)]},
            "'Resource.role' field with 'ads' does not match the role 'web'",
        ),
        ({"role": "ads", "reservations": [("ads", DYNAMIC)]}, "must either be both set or both not set"),
        (
            {"role": "ads", "reservation": {"labels": {"labels": [{"key": "k"}]}}, "reservations": [("ads", DYNAMIC)]},
            "'Resource.reservation.labels' field with '{k}' does not match the labels '{}'",
        ),
        (
            {"role": "ads", "reservations": [("ads", STATIC), ("ads/x", DYNAMIC)]},
            "'Resource.role' must not be set if there is",
        ),
        ({"reservation": {"role": "x"}}, "'Resource.ReservationInfo.role' must not be set"),
        ({"reservation": {}}, 'Invalid reservation: role "\\*" cannot be dynamically reserved'),
    ],
)
def test_the_two_formats_must_not_contradict_each_other(fields: dict, error: str) -> None:
    message = cpus()
    if "role" in fields:
        message.role = fields["role"]
    if "reservation" in fields:
        message.reservation.CopyFrom(pb.Resource.ReservationInfo(**fields["reservation"]))
    for role, type_ in fields.get("reservations", ()):
        message.reservations.add(role=role, type=type_)
    with pytest.raises(ResourcesError, match=error):
        validate(message)
    with pytest.raises(ResourcesError, match=error):
        resource_from_message(message)


def test_an_error_on_a_list_names_the_resource() -> None:
    assert validation_error([cpus(), cpus(-1)]) == (
        "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0"
    )
    assert validation_error(cpus(-1)) == "Invalid scalar resource: value <= 0"
    assert validation_error([cpus()]) is None
    with pytest.raises(ResourcesError, match=r"Resource 'cpus:-1' is invalid: "):
        Resources.from_messages([cpus(-1)])


def test_copies_on_the_wire_are_counted() -> None:
    message = pb.Resource(name="disk", type="SCALAR", scalar=pb.Value.Scalar(value=5))
    message.disk.persistence.id = "v"
    message.disk.volume.container_path = "data"
    message.disk.volume.mode = pb.Volume.RW
    message.shared.SetInParent()
    resources = Resources.from_messages([message, message])
    assert next(iter(resources)).copies == 2
    assert resources.to_messages() == [message]


def test_all_that_a_message_says_comes_back() -> None:
    message = pb.Resource(name="disk", type="SCALAR", scalar=pb.Value.Scalar(value=1.00049))
    message.reservations.add(role="a", type=STATIC)
    message.reservations.add(role="a/b", type=DYNAMIC, principal="p").labels.labels.add(key="k")
    message.disk.persistence.id = "v"
    message.disk.persistence.principal = "q"
    message.disk.volume.container_path = "data"
    message.disk.volume.mode = pb.Volume.RO
    message.disk.volume.source.type = pb.Volume.Source.SANDBOX_PATH
    message.disk.source.type = pb.Resource.DiskInfo.Source.PATH
    message.disk.source.path.root = "/r"
    message.disk.source.metadata.labels.add(key="m", value="")
    message.provider_id.value = "rp"
    message.allocation_info.role = "a/b"
    message.revocable.SetInParent()
    assert resource_to_message(resource_from_message(message)) == message


def test_messages_that_are_handed_out_can_be_changed() -> None:
    resources = Resources.parse("cpus:1")
    resources.to_messages()[0].scalar.value = 7
    assert resources.to_messages()[0].scalar.value == 1


def test_the_older_format_has_no_words_for_refined_reservations() -> None:
    refined = Resources.parse("cpus(a):1").push_reservation(Reservation.dynamic("a/b"))
    with pytest.raises(ResourcesError, match="Cannot downgrade resources containing refined reservations"):
        refined.to_messages(Format.PRE_REFINEMENT)


def test_messages_can_be_put_into_the_newer_format() -> None:
    kind = pb.Resource.ReservationInfo
    static = pb.Resource(name="cpus", type=pb.Value.SCALAR, scalar=pb.Value.Scalar(value=1.0004), role="a")
    dynamic = pb.Resource(name="cpus", type=pb.Value.SCALAR, role="a", reservation=kind(principal="p"))
    plain = pb.Resource(name="cpus", type=pb.Value.SCALAR, role="*")
    both = pb.Resource(name="cpus", type=pb.Value.SCALAR, role="a", reservations=[kind(type=kind.STATIC, role="a")])
    for message in (static, dynamic, plain, both):
        upgrade_message(message)
        assert not message.HasField("role")
        assert not message.HasField("reservation")
    assert list(static.reservations) == [kind(type=kind.STATIC, role="a")]
    assert static.scalar.value == 1.0004
    assert list(dynamic.reservations) == [kind(type=kind.DYNAMIC, role="a", principal="p")]
    assert list(plain.reservations) == []
    assert list(both.reservations) == [kind(type=kind.STATIC, role="a")]
