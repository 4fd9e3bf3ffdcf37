"""Who loses which offers when, and that what comes back is offered again (docs/reference/allocator.md 9)."""

from __future__ import annotations

from typing import Any

import pytest

from pymesoskit.resources import Resource, Resources
from pymesoskit.testing.engine.network.messages import UnregisterAgent, UpdateAgent

ELSEWHERE = [{"hostname": "elsewhere", "ip": "10.0.0.9"}]


class Scene:
    """Two frameworks with an agent each offered; the first uses some of its own, and is asked to leave it."""

    def __init__(self, make_real_world, task, **flags: str) -> None:
        self.world = make_real_world(**flags)
        self.web = self.world.framework(roles=["web"], failover_timeout=1000.0, checkpoint=True)
        self.db = self.world.framework(roles=["db"], failover_timeout=1000.0, checkpoint=True)
        self.agents = [self.world.agent(port=port) for port in (5051, 5052)]
        self.world.advance(0)
        offers = {one: self.offers(one) for one in (self.web, self.db)}
        assert [len(offered) for offered in offers.values()] == [1, 1]
        (self.offer,) = offers[self.web]
        self.agent = next(one for one in self.agents if one.id == self.offer["agent_id"]["value"])

    def offers(self, framework) -> list[dict[str, Any]]:
        return [offer for event in framework.take() if event["type"] == "OFFERS" for offer in event["offers"]["offers"]]

    def rescinded(self) -> tuple[int, int]:
        """How many offers the frameworks have lost (first the agent's, then the other), and been given back by now."""
        self.world.settle()
        return self.lost(self.web), self.lost(self.db)

    @staticmethod
    def lost(framework) -> int:
        return sum(event["type"] == "RESCIND" for event in framework.events)

    def new_offers(self) -> int:
        """How many have come by the end of the next run: what was rescinded is not filtered."""
        self.world.advance(1.1)
        return len(self.offers(self.web)) + len(self.offers(self.db))


@pytest.fixture
def scene(make_real_world, task):
    return Scene(make_real_world, task)


def agent_id(scene: Scene) -> dict[str, Any]:
    return {"agent_id": {"value": scene.agent.id}}


def test_all_offers_of_an_agent_whose_link_breaks(scene):
    scene.agent.die()
    assert scene.rescinded() == (1, 0)


@pytest.mark.parametrize("kind", ["DEACTIVATE_AGENT", "DRAIN_AGENT", "MARK_AGENT_GONE"])
def test_all_offers_of_an_agent_that_operators_take_out(scene, kind):
    assert scene.world.operator(kind, agent_id(scene)).status == 200
    assert scene.rescinded() == (1, 0)


def test_all_offers_of_an_agent_that_unregisters(scene):
    scene.agent.send(UnregisterAgent(scene.agent.id))
    assert scene.rescinded() == (1, 0)


def test_all_offers_of_an_unreachable_agent(make_real_world, task):
    scene = Scene(make_real_world, task, agent_ping_timeout="1secs", max_agent_ping_timeouts="2")
    scene.agent.answers_pings = False
    scene.world.advance(5)
    assert scene.rescinded() == (1, 0)


def test_all_offers_of_a_framework_that_is_disconnected(scene):
    scene.web.stream.close_by_peer()
    scene.world.advance(1.1)
    assert len(scene.world.state.offers) == 2  # both are the other's now
    assert {offer.framework_id for offer in scene.world.state.offers.values()} == {scene.db.id}


def test_an_offer_that_is_held_for_too_long(make_real_world, task):
    scene = Scene(make_real_world, task, offer_timeout="3secs")
    scene.world.advance(2.9)
    assert scene.rescinded() == (0, 0)
    scene.world.advance(0.1)
    assert scene.rescinded() == (1, 1)
    assert scene.new_offers() == 2


def test_no_offer_however_long_it_is_held_without_the_flag(scene):
    scene.world.advance(10_000)
    assert scene.rescinded() == (0, 0)


def test_all_offers_when_a_maintenance_schedule_is_posted_whomever_it_is_about(scene):
    window = {"machine_ids": ELSEWHERE, "unavailability": {"start": {"nanoseconds": 5}}}
    schedule = {"schedule": {"windows": [window]}}
    assert scene.world.operator("UPDATE_MAINTENANCE_SCHEDULE", schedule).status == 200
    assert scene.rescinded() == (1, 1)


def test_inverse_offers_go_with_the_offers_of_an_agent(scene, task):
    scene.web.launch(scene.offer, task("t", scene.offer))
    machine = [{"hostname": "127.0.0.1", "ip": "127.0.0.1"}]
    window = {"machine_ids": machine, "unavailability": {"start": {"nanoseconds": 5}}}
    scene.world.operator("UPDATE_MAINTENANCE_SCHEDULE", {"schedule": {"windows": [window]}})
    scene.world.advance(1.1)
    assert "INVERSE_OFFERS" in [event["type"] for event in scene.web.events]
    scene.world.operator("DEACTIVATE_AGENT", agent_id(scene))
    assert "RESCIND_INVERSE_OFFER" in [event["type"] for event in scene.web.events]


def reservation(role: str, cpus: float) -> dict[str, Any]:
    stack = [{"type": "DYNAMIC", "role": role}]
    return {"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}, "reservations": stack}


def test_of_an_operators_reservation_the_offers_that_are_needed_with_a_filter(scene):
    payload = {**agent_id(scene), "resources": [reservation("ads", 1.0)]}
    assert scene.world.operator("RESERVE_RESOURCES", payload).status == 202
    assert scene.rescinded() == (1, 0)
    scene.db.take()
    scene.world.advance(1.1)
    assert [offer["agent_id"]["value"] for offer in scene.offers(scene.db)] == [scene.agent.id]  # the other may have it


def test_all_offers_when_the_weight_of_a_role_changes_that_somebody_has(scene):
    def update(role: str) -> None:
        assert scene.world.operator("UPDATE_WEIGHTS", {"weight_infos": [{"role": role, "weight": 2.0}]}).status == 200

    update("nobodys")
    assert scene.rescinded() == (0, 0)
    update("db")
    assert scene.rescinded() == (1, 1)
    assert scene.new_offers() == 2


def test_offers_with_revocable_resources_when_the_agent_has_others(make_real_world):
    world = make_real_world()
    agent = world.agent()
    capabilities = [{"type": kind} for kind in ("MULTI_ROLE", "REVOCABLE_RESOURCES")]
    plain, bold = world.framework(), world.framework(capabilities=capabilities)
    world.advance(0)
    spare = [Resource(r.name, r.type, r.value, revocable=True) for r in Resources.parse("cpus:2")]

    def oversubscribe(*resources: Resource) -> None:
        agent.send(UpdateAgent(agent.id, tuple(Resources(resources).to_messages())))
        world.settle()

    oversubscribe(*spare)
    world.advance(1.1)
    assert [event["type"] for event in bold.take()] == ["OFFERS"]
    oversubscribe()
    assert [event["type"] for event in bold.take()] == ["RESCIND"]
    assert "RESCIND" not in [event["type"] for event in plain.take()]


def test_other_offers_of_a_shared_volume_that_is_destroyed(make_real_world):
    world = make_real_world(min_allocatable_resources="disk:1")
    world.agent(resources="cpus(web):4;mem(web):1024;disk(web):100")
    capabilities = [{"type": kind} for kind in ("MULTI_ROLE", "SHARED_RESOURCES", "RESERVATION_REFINEMENT")]
    one = world.framework(capabilities=capabilities)
    volume = {
        "name": "disk",
        "type": "SCALAR",
        "scalar": {"value": 10},
        "reservations": [{"type": "STATIC", "role": "web"}],
        "disk": {"persistence": {"id": "v"}, "volume": {"container_path": "p", "mode": "RW"}},
        "shared": {},
    }

    def only_offer(framework) -> dict[str, Any]:
        (event,) = [event for event in framework.take() if event["type"] == "OFFERS"]
        (offer,) = event["offers"]["offers"]
        return offer

    world.advance(0)
    one.accept(only_offer(one), operations=[{"type": "CREATE", "create": {"volumes": [volume]}}], refuse=0)
    world.advance(1.1)
    mine = only_offer(one)
    other = world.framework(capabilities=capabilities)
    world.advance(0)
    theirs = only_offer(other)
    assert [resource.get("shared") for resource in theirs["resources"]] == [{}]
    one.accept(mine, operations=[{"type": "DESTROY", "destroy": {"volumes": [volume]}}])
    assert [event["rescind"]["offer_id"] for event in other.take() if event["type"] == "RESCIND"] == [theirs["id"]]
