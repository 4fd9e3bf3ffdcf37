"""Resources that hypothesis makes up: what a master can hold, of a few names, roles and disks so that they meet often."""

from __future__ import annotations

from hypothesis import strategies as st

from pymesoskit.resources import (
    Disk,
    DiskRoot,
    DiskSource,
    Label,
    Persistence,
    Reservation,
    Resource,
    Resources,
    Volume,
)

LABELS = st.none() | st.lists(
    st.builds(Label, st.sampled_from(["k", "l"]), st.none() | st.sampled_from(["", "v"])), max_size=2
).map(tuple)

PRINCIPALS = st.none() | st.sampled_from(["", "p", "q"])

STACKS = st.one_of(
    st.just(()),
    st.builds(lambda role: (Reservation.static(role),), st.sampled_from(["ads", "web"])),
    st.builds(lambda p, labels: (Reservation.dynamic("ads", p, labels),), PRINCIPALS, LABELS),
    st.builds(
        lambda p: (Reservation.static("ads"), Reservation.dynamic("ads/x", p), Reservation.dynamic("ads/x/y")),
        PRINCIPALS,
    ),
)

SOURCES = st.sampled_from(
    [
        DiskSource("PATH", path=DiskRoot("/mnt/p")),
        DiskSource("PATH", path=DiskRoot()),
        DiskSource("PATH"),
        DiskSource("RAW", profile="fast"),
    ]
)

EXCLUSIVE_SOURCES = st.sampled_from(
    [
        DiskSource("MOUNT", mount=DiskRoot("/mnt/a")),
        DiskSource("MOUNT", mount=DiskRoot("/mnt/b")),
        DiskSource("BLOCK", id="b1", vendor="v"),
        DiskSource("RAW", id="r1", metadata=(Label("m"),)),
    ]
)

THOUSANDTHS = st.integers(1, 20_000).map(lambda units: units // 1000 + (units % 1000) / 1000.0)
UNROUNDED = st.floats(0.0005, 50_000, allow_nan=False)
SCALARS = THOUSANDTHS | UNROUNDED

RANGES = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 5)), min_size=1, max_size=4, unique_by=lambda r: r[0]
).map(lambda pairs: _apart([(begin, begin + length) for begin, length in pairs]))
"""Ranges that do not overlap, in any order, some of them adjacent."""

ITEMS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True).map(tuple)


def _apart(pieces: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    taken: set[int] = set()
    result = []
    for begin, end in pieces:
        numbers = set(range(begin, end + 1))
        if taken.isdisjoint(numbers):
            taken |= numbers
            result.append((begin, end))
    return tuple(result)


ROLES = st.none() | st.sampled_from(["ads", "web"])

PLAIN = st.one_of(
    st.builds(
        lambda name, value, stack, revocable, role: Resource(
            name, "SCALAR", value, stack, revocable=revocable, allocation_role=role
        ),
        st.sampled_from(["cpus", "mem", "disk", "bw"]),
        SCALARS,
        STACKS,
        st.booleans(),
        ROLES,
    ),
    st.builds(lambda value, stack: Resource("ports", "RANGES", value, stack), RANGES, STACKS),
    st.builds(lambda value, stack: Resource("zones", "SET", value, stack), ITEMS, STACKS),
    st.builds(
        lambda value, stack, source: Resource("disk", "SCALAR", value, stack, Disk(source=source)),
        SCALARS,
        STACKS,
        SOURCES,
    ),
)
"""Resources that merge and split."""

EXCLUSIVE = st.one_of(
    st.builds(
        lambda value, stack, source: Resource("disk", "SCALAR", value, stack, Disk(source=source), provider_id="rp"),
        st.sampled_from([1.0, 2.5]),
        STACKS,
        EXCLUSIVE_SOURCES,
    ),
    st.builds(
        lambda value, stack, id_, path, shared: Resource(
            "disk", "SCALAR", value, stack, Disk(Persistence(id_), Volume(path)), shared=shared
        ),
        st.sampled_from([1.0, 2.5]),
        STACKS,
        st.sampled_from(["v1", "v2"]),
        st.sampled_from(["data", "other"]),
        st.booleans(),
    ),
)
"""Resources that are there as a whole or not at all."""

RESOURCE = PLAIN | EXCLUSIVE


def _held(resources: list[Resource]) -> Resources:
    # A master never holds one exclusive thing twice.
    seen: set[str] = set()
    kept = []
    for resource in resources:
        if resource.kind.is_exclusive and not resource.shared:
            if resource.key in seen:
                continue
            seen.add(resource.key)
        kept.append(resource)
    return Resources(kept)


HELD = st.lists(RESOURCE, max_size=6).map(_held)
"""Collections that a master can hold."""

DIVISIBLE = st.lists(PLAIN, max_size=6).map(Resources)
"""Collections of which any part may be taken."""
