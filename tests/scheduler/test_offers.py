"""What ``OfferPool.take`` takes, from which reservations, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pymesoskit.resources import Disk, Label, Persistence, Reservation, Resource, Resources, ResourcesError, Volume
from pymesoskit.scheduler import OfferPool
from pymesoskit.wire.v1 import mesos


def offer(resources: str | Resources, role: str = "web", agent: str = "a") -> mesos.Offer:
    if isinstance(resources, str):
        resources = Resources.parse(resources)
    return mesos.Offer(
        id=mesos.OfferID(value="o"),
        framework_id=mesos.FrameworkID(value="f"),
        agent_id=mesos.AgentID(value=agent),
        hostname="h",
        allocation_info=mesos.Resource.AllocationInfo(role=role),
        resources=resources.allocated(role).to_messages(),
    )


def take(resources: str | Resources, wanted: str | Resources) -> str | None:
    taken = OfferPool(offer(resources)).take(wanted)
    return None if taken is None else str(Resources.from_messages(taken))


@pytest.mark.parametrize(
    ("resources", "wanted", "taken"),
    [
        ("cpus:1;cpus(web):2", "cpus:2.5", "cpus:1; cpus(reservations: [(STATIC,web)]):1.5"),
        ("cpus:1;cpus(web):2", "cpus(web):2.5", "cpus(reservations: [(STATIC,web)]):2; cpus:0.5"),
        (
            "ports:[1025-9159,9161-65535];ports(web):[9160-9160]",
            "ports:[9159-9161]",
            "ports:[9159-9159, 9161-9161]; ports(reservations: [(STATIC,web)]):[9160-9160]",
        ),
        ("zones:{a,b};zones(web):{c}", "zones:{a,c}", "zones:{a}; zones(reservations: [(STATIC,web)]):{c}"),
    ],
)
def test_what_no_single_reservation_holds_is_split(resources: str, wanted: str, taken: str) -> None:
    assert take(resources, wanted) == taken


def labelled(amount: float, label: str) -> Resource:
    return Resource("cpus", "SCALAR", amount, (Reservation.dynamic("web", "p", (Label("id", label),)),))


def test_labelled_reservations_keep_their_labels_when_a_task_needs_several() -> None:
    pool = OfferPool(offer(Resources([labelled(1, "one"), labelled(2, "two")])))
    taken = pool.take("cpus:2.5")
    assert taken is not None
    amounts = {resource.reservations[0].labels.labels[0].value: resource.scalar.value for resource in taken}
    assert amounts == {"one": 1.0, "two": 1.5}
    assert pool.left.cpus() == 0.5


def test_one_reservation_that_has_all_of_it_is_better_than_two() -> None:
    taken = OfferPool(offer(Resources([labelled(1, "one"), labelled(2, "two")]))).take("cpus:1.5")
    assert taken is not None
    assert [resource.reservations[0].labels.labels[0].value for resource in taken] == ["two"]


@pytest.mark.parametrize(
    "wanted", ["cpus:2;cpus(web):2", "cpus(web):1.5;cpus:1", "ports:[8000-8000];ports(web):[8000-8000]"]
)
def test_nothing_is_handed_out_twice(wanted: str) -> None:
    pool = OfferPool(offer("cpus:2;ports:[8000-8001]"))
    assert pool.take(wanted) is None
    assert pool.left == Resources.parse("cpus:2;ports:[8000-8001]")


def test_what_is_wanted_plain_leaves_the_reservation_to_what_is_wanted_for_the_role() -> None:
    assert take("cpus(web):1;cpus(eng):1", "cpus:1;cpus(eng):1") == (
        "cpus(reservations: [(STATIC,eng)]):1; cpus(reservations: [(STATIC,web)]):1"
    )


def test_revocable_resources_are_taken_on_demand_only_and_never_mixed_with_regular_ones() -> None:
    revocable = Resources([Resource("cpus", "SCALAR", 2, revocable=True)])
    both = Resources.parse("cpus:1") + revocable
    assert take(both, "cpus:2") is None
    assert take(both, revocable) == "cpus{REV}:2"


def test_a_volume_is_taken_as_a_whole_or_not_at_all() -> None:
    volume = Resource("disk", "SCALAR", 64, (Reservation.dynamic("web"),), Disk(Persistence("id"), Volume("data")))
    assert take(Resources([volume]), "disk:64") is None
    assert take(Resources([volume]), Resources([volume])) == str(volume)


def test_resources_may_be_wanted_as_messages_of_the_offer_itself() -> None:
    it = offer("cpus:1;cpus(web):2")
    pool = OfferPool(it)
    taken = pool.take(it.resources)
    assert taken is not None
    assert not pool.left
    assert not any(resource.HasField("allocation_info") for resource in taken)


@pytest.mark.parametrize("wanted", ["gpus:1", "ports:[1-1]", "disk:1"])
def test_a_resource_that_mesos_knows_and_the_offer_lacks_is_a_shortage(wanted: str) -> None:
    assert take("cpus:1;mem:1", wanted) is None


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ("cpu:1", "no resource 'cpu', only cpus, mem; did you mean 'cpus'"),
        ("memory:1", "no resource 'memory'"),
        ("fpga:1", r"OfferPool\(offer, optional=\['fpga'\]\)"),
        ("ports:1", r"'ports' is of type RANGES, not SCALAR: write ports:\[8000-8001\]"),
        ("cpus:[1-2]", "'cpus' is of type SCALAR, not RANGES: write cpus:1"),
    ],
)
def test_a_resource_that_no_offer_can_have_is_an_error(wanted: str, text: str) -> None:
    pool = OfferPool(offer("cpus:1;mem:1"))
    with pytest.raises(ResourcesError, match=text):
        pool.take(wanted)
    assert pool.left == Resources.parse("cpus:1;mem:1")


def test_a_resource_that_only_some_agents_have_is_a_shortage_when_it_is_declared() -> None:
    assert OfferPool(offer("cpus:1"), optional=["fpga"]).take("fpga:1") is None
    with pytest.raises(TypeError, match="list of names"):
        OfferPool(offer("cpus:1"), optional="fpga")


def test_a_pool_holds_offers_of_one_agent_and_one_role() -> None:
    both = OfferPool(offer("cpus:1"), offer("cpus:2"))
    assert both.left.cpus() == 3
    with pytest.raises(ResourcesError, match="several agents: a, b"):
        OfferPool(offer("cpus:1"), offer("cpus:1", agent="b"))
    with pytest.raises(ResourcesError, match="several roles: ads, web"):
        OfferPool(offer("cpus:1"), offer("cpus:1", role="ads"))


def test_a_list_of_offers_is_an_error_that_says_how_it_is_meant() -> None:
    with pytest.raises(TypeError, match=r"OfferPool\(\*offers\)"):
        OfferPool([offer("cpus:1")])  # type: ignore[arg-type]


AMOUNTS = st.dictionaries(
    st.sampled_from(["cpus", "cpus(web)", "cpus(eng)", "mem", "mem(web)"]),
    st.integers(1, 4000).map(lambda units: units / 1000),
    min_size=1,
)


@given(AMOUNTS, AMOUNTS)
def test_take_gives_what_was_asked_for_if_and_only_if_there_is_so_much(
    held: dict[str, float], wanted: dict[str, float]
) -> None:
    there, target = (Resources.parse(";".join(f"{n}:{v}" for n, v in amounts.items())) for amounts in (held, wanted))
    pool = OfferPool(offer(there))
    taken = pool.take(target)
    assert (taken is not None) == there.scalar_quantities().contains(target.scalar_quantities())
    if taken is not None:
        parts = Resources.from_messages(taken)
        assert parts.to_unreserved() == target.to_unreserved()
        assert parts + pool.left == there
