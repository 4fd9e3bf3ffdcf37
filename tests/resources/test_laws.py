"""The laws of the algebra, on whatever hypothesis finds."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from pymesoskit.resources import Format, Reservation, Resource, Resources, ValueType
from tests.resources.strategies import DIVISIBLE, HELD, PLAIN, RESOURCE


def disjoint(a: Resources, b: Resources) -> bool:
    """No port, no item, no exclusive disk is in both: two parts of one agent."""
    for resource in b:
        for other in a:
            if resource.key != other.key:
                continue
            if resource.kind.is_exclusive and not resource.shared:
                return False
            if resource.type is ValueType.SET and not other.measure.isdisjoint(resource.measure):
                return False
            if (
                resource.type is ValueType.RANGES
                and (Resources((other,)) - resource).quantities() != Resources((other,)).quantities()
            ):
                return False
    return True


@given(HELD, HELD)
def test_a_sum_without_one_part_is_the_other(a: Resources, b: Resources) -> None:
    assume(disjoint(a, b))
    assert a + b - b == a


@given(HELD, HELD)
def test_a_sum_contains_both_parts(a: Resources, b: Resources) -> None:
    assert (a + b).contains(a)
    assert (a + b).contains(b)


@given(HELD, HELD)
def test_sums_do_not_depend_on_the_order(a: Resources, b: Resources) -> None:
    assert a + b == b + a
    assert hash(a + b) == hash(b + a)


@given(HELD, HELD, HELD)
def test_sums_do_not_depend_on_grouping(a: Resources, b: Resources, c: Resources) -> None:
    assert (a + b) + c == a + (b + c)


@given(HELD)
def test_nothing_is_neutral(a: Resources) -> None:
    nothing = Resources()
    assert a + nothing == a
    assert nothing + a == a
    assert a - nothing == a
    assert nothing - a == nothing
    assert a - a == nothing
    assert not a - a


@given(HELD)
def test_contains_is_reflexive(a: Resources) -> None:
    assert a.contains(a)


@given(HELD, HELD)
def test_contains_both_ways_is_equality(a: Resources, b: Resources) -> None:
    assert (a.contains(b) and b.contains(a)) == (a == b)
    if a == b:
        assert hash(a) == hash(b)
        assert a - b == Resources()


@given(HELD, HELD, HELD)
def test_contains_is_transitive(a: Resources, b: Resources, c: Resources) -> None:
    big, middle = a + b + c, a + b
    assert big.contains(middle)
    assert middle.contains(a)
    assert big.contains(a)


@given(HELD, HELD)
def test_what_is_contained_can_be_taken_and_put_back(a: Resources, b: Resources) -> None:
    whole = a + b
    assert whole - b + b == whole


@given(HELD, HELD)
def test_a_difference_is_part_of_what_was_there(a: Resources, b: Resources) -> None:
    assert a.contains(a - b)
    if not a.contains(b):
        assert a - b + b != a


@given(DIVISIBLE, DIVISIBLE)
def test_a_difference_has_nothing_left_of_what_was_taken_away(a: Resources, b: Resources) -> None:
    left = a - b
    taken = a - left
    assert b.contains(taken)
    assert left + taken == a


@given(HELD, HELD)
def test_amounts_of_scalars_add_up(a: Resources, b: Resources) -> None:
    # A shared resource counts once, however many copies there are.
    a, b = a.non_shared(), b.non_shared()
    assert (a + b).scalar_quantities() == a.scalar_quantities() + b.scalar_quantities()
    assert (a + b - b).scalar_quantities() == a.scalar_quantities()


@given(HELD, HELD)
def test_amounts_of_parts_of_one_agent_add_up(a: Resources, b: Resources) -> None:
    a, b = a.non_shared(), b.non_shared()
    assume(disjoint(a, b))
    assert (a + b).quantities() == a.quantities() + b.quantities()


@given(HELD, HELD)
def test_more_resources_are_more_in_quantity(a: Resources, b: Resources) -> None:
    if a.contains(b):
        assert a.quantities().contains(b.quantities())


@given(HELD)
def test_messages_bring_back_what_they_were_made_of(a: Resources) -> None:
    single = Resources(resource.with_copies(1) for resource in a)
    for format_ in Format:
        if format_ is Format.PRE_REFINEMENT and any(len(resource.reservations) > 1 for resource in a):
            continue
        again = Resources.from_messages(a.to_messages(format_))
        assert again == single
        assert str(again) == str(single)


@given(HELD)
def test_held_values_survive_messages_unrounded(a: Resources) -> None:
    again = Resources.from_messages(a.to_messages())
    assert [resource.value for resource in again] == [resource.value for resource in a]


@given(st.lists(PLAIN.filter(lambda r: not r.revocable and r.disk is None and r.allocation_role is None), max_size=5))
def test_what_the_text_syntax_can_say_is_read_as_it_was_written(resources: list[Resource]) -> None:
    static = [r for r in resources if all(layer.type == "STATIC" for layer in r.reservations)]
    whole = Resources(static)
    text = ";".join(
        f"{r.name}({r.reservation_role or '*'}):{str(Resource(r.name, r.type, r.value)).split(':', 1)[1]}"
        for r in whole
    )
    assert Resources.parse(text) == whole


@given(HELD)
def test_what_is_printed_of_unreserved_resources_can_be_read(a: Resources) -> None:
    plain = a.filter(lambda r: r.disk is None and not r.revocable).unallocated().to_unreserved()
    assert Resources.parse(str(plain) if plain else "") == plain


@given(HELD)
def test_a_pushed_reservation_can_be_popped(a: Resources) -> None:
    unreserved = a.to_unreserved()
    reservation = Reservation.dynamic("web", "p")
    pushed = unreserved.push_reservation(reservation)
    assert pushed.pop_reservation() == unreserved
    assert all(resource.reservations == (reservation,) for resource in pushed)
    assert pushed.scalar_quantities() == unreserved.scalar_quantities()


@given(HELD, st.sampled_from(["ads", "ads/x", "ads/x/y", "web"]))
def test_views_split_a_collection(a: Resources, role: str) -> None:
    assert a.reserved() + a.unreserved() == a
    assert a.revocable() + a.non_revocable() == a
    assert a.shared() + a.non_shared() == a
    assert sum(a.by_reservation_role().values(), Resources()) == a.reserved()
    assert a.reserved(role) == a.by_reservation_role().get(role, Resources())
    assert a.reserved_to_subtree(role).contains(a.reserved(role))
    assert a.allocatable_to(role).contains(a.unreserved() + a.reserved(role))
    assert len(a.allocatable_to(role)) + len(a.filter(lambda r: not r.is_allocatable_to(role))) == len(a)


@given(HELD, st.sampled_from(["ads", "web"]))
def test_allocation_comes_and_goes(a: Resources, role: str) -> None:
    bare = a.unallocated()
    allocated = bare.allocated(role)
    assert allocated.unallocated() == bare
    assert allocated.allocations() == ({role: allocated} if allocated else {})
    assert bare.allocations() == {}


@given(HELD, HELD)
def test_what_is_found_is_there_and_is_what_was_asked_for(a: Resources, b: Resources) -> None:
    for resource in b:
        found = a.find(resource)
        if found is not None:
            assert a.contains(found)
            assert found.to_unreserved() == Resources((resource.with_copies(1).to_unreserved(),))


@given(HELD)
def test_what_is_there_is_found(a: Resources) -> None:
    """Mesos takes one piece from each of three pools, so among several reservations it can miss what is there."""
    for resource in a.non_shared():
        assert Resources((resource,)).find(resource) is not None


@given(st.lists(RESOURCE, max_size=6), st.randoms())
def test_collections_do_not_depend_on_the_order_of_their_parts(resources: list[Resource], random) -> None:
    shuffled = list(resources)
    random.shuffle(shuffled)
    assert Resources(resources) == Resources(shuffled)
    assert hash(Resources(resources)) == hash(Resources(shuffled))


@given(HELD, HELD)
def test_the_index_of_places_is_always_right(a: Resources, b: Resources) -> None:
    for result in (a + b, a - b, a + b - a, a.filter(lambda r: r.is_reserved)):
        keys = [resource.key for resource in result]
        assert {key: keys[place] for key, place in result._index().items()} == {key: key for key in keys}
        assert all(not resource.is_empty for resource in result)
