"""The order of the resources in an offer: what does not count for quota first, and what is left of the total as C++'s
subtractions leave it.
"""

from __future__ import annotations

import pytest

from pymesoskit.testing.allocator.playground import Held, Playground


def world_of(total: str, role: str = "web") -> Playground:
    world = Playground()
    world.add_framework("F", [role])
    world.add_agent("A", total)
    world.advance(1)
    return world


def names(offer: Held) -> str:
    return " ".join(
        resource.name + (f"({resource.reservation_role})" if resource.is_reserved else "")
        for resource in offer.resources
    )


@pytest.mark.parametrize(
    ("total", "offered"),
    [
        ("cpus:4;mem:64;disk:10;ports:[1-9]", "ports cpus mem disk"),
        ("disk:10;ports:[1-9];mem:64;zones:{a};cpus:4", "ports zones disk mem cpus"),
        ("cpus:4;mem(web):64;mem:64;cpus(web):1;ports:[1-9]", "mem(web) cpus(web) ports cpus mem"),
        ("mem:64;cpus:4", "mem cpus"),
    ],
)
def test_a_fresh_agent_is_offered_in_the_order_of_its_resources_scalars_last(total: str, offered: str) -> None:
    assert names(world_of(total).offered[0]) == offered


def test_where_nothing_is_left_of_a_resource_the_last_one_takes_its_place() -> None:
    world = world_of("cpus:4;mem:64;disk:10;bw:1")
    world.launch(world.offered[0], "cpus:4")
    world.advance(1)
    assert names(world.offered[0]) == "bw mem disk"


def test_when_everything_has_come_back_the_order_is_that_of_the_agent_again() -> None:
    world = world_of("cpus:4;mem:64;disk:10;ports:[1-9]")
    used = world.launch(world.offered[0], "cpus:4;ports:[1-9]", refuse_seconds=0)
    world.advance(1)
    assert names(world.offered[0]) == "disk mem"
    world.decline(world.offered[0], refuse_seconds=0)
    world.finish(used)
    world.advance(1)
    assert names(world.offered[0]) == "ports cpus mem disk"


def test_ranges_and_sets_keep_what_is_left_in_order() -> None:
    world = world_of("mem:64;ports:[10-20];zones:{c,a,b}")
    world.launch(world.offered[0], "ports:[12-13];zones:{a}")
    world.advance(1)
    assert str(world.offered[0].resources) == "ports:[10-11, 14-20]; zones:{c, b}; mem:64"
