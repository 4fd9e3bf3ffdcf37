"""Inverse offers (docs/reference/scheduler-api.md 9 and 11, allocator.md 8)."""

import pytest

from pymesoskit.testing.allocator import InverseOfferResponse, Unavailability

START = 2**60
WINDOW = {
    "machine_ids": [{"hostname": "127.0.0.1", "ip": "127.0.0.1"}],
    "unavailability": {"start": {"nanoseconds": START}, "duration": {"nanoseconds": 10**9}},
}


@pytest.fixture
def ask(make_world):
    """The allocator has the master ask a framework; gives what the framework was told."""

    def ask(framework, agent):
        world = framework.world
        world.allocator.listener.inverse_offers(framework.id, {agent.id: Unavailability(START / 1e9, 1.0)})
        world.settle()
        return [
            offer
            for event in framework.take()
            if event["type"] == "INVERSE_OFFERS"
            for offer in event["inverse_offers"]["inverse_offers"]
        ]

    return ask


def maintain(world, *windows):
    world.operator("UPDATE_MAINTENANCE_SCHEDULE", {"schedule": {"windows": list(windows)}})
    world.settle()


def answers(world):
    """What the allocator was told: (framework, response, refuse_seconds)."""
    told = []
    for args, kwargs in world.allocator.named("update_inverse_offer"):
        _, framework_id, _, response, filters = (*args, *kwargs.values(), None)[:5]
        told.append((framework_id, response, filters.refuse_seconds if filters else None))
    return told


def test_it_says_of_which_agent_and_when(world, ask):
    framework, agent = world.framework(), world.agent()
    maintain(world, WINDOW)
    assert ask(framework, agent) == [
        {
            "id": {"value": f"{world.state.master_id}-O0"},
            "framework_id": {"value": framework.id},
            "agent_id": {"value": agent.id},
            "url": {
                "scheme": "http",
                "address": {"hostname": "127.0.0.1", "ip": "127.0.0.1", "port": 5051},
                "path": "/slave(1)",
            },
            "unavailability": WINDOW["unavailability"],
        }
    ]
    assert world.offer(framework, agent)["id"]["value"].endswith("-O1"), "offers have the same counter"


@pytest.mark.parametrize(
    ("kind", "response"),
    [
        ("ACCEPT_INVERSE_OFFERS", InverseOfferResponse.ACCEPT),
        ("DECLINE_INVERSE_OFFERS", InverseOfferResponse.DECLINE),
    ],
)
def test_an_answer_counts_once_and_for_whom_it_was_asked(world, ask, kind, response):
    framework, other, agent = world.framework(), world.framework(), world.agent()
    maintain(world, WINDOW)
    (offer,) = ask(framework, agent)
    payload = {"inverse_offer_ids": [{"value": "x"}, offer["id"]], "filters": {"refuse_seconds": 9}}
    assert other.call(kind, payload).status == 202
    assert framework.call(kind, payload).status == 202
    assert answers(world) == [(framework.id, response, 9)]
    assert (framework.take(), other.take()) == ([], [])


def test_an_offer_and_an_inverse_offer_cannot_be_taken_for_each_other(world, ask):
    framework, agent = world.framework(), world.agent()
    maintain(world, WINDOW)
    offer, (inverse,) = world.offer(framework, agent), ask(framework, agent)
    framework.call("DECLINE", {"offer_ids": [inverse["id"]]})
    framework.call("DECLINE_INVERSE_OFFERS", {"inverse_offer_ids": [offer["id"]]})
    assert list(world.state.offers) == [offer["id"]["value"]]
    assert list(world.state.inverse_offers) == [inverse["id"]["value"]]


def test_it_is_taken_back_when_the_schedule_changes(world, ask):
    framework, agent = world.framework(), world.agent()
    maintain(world, WINDOW)
    (offer,) = ask(framework, agent)
    maintain(world)
    assert framework.take() == [
        {"type": "RESCIND_INVERSE_OFFER", "rescind_inverse_offer": {"inverse_offer_id": offer["id"]}}
    ]
    assert ask(framework, agent) == [], "nothing is planned any more"


def test_it_is_taken_back_when_the_agent_is_deactivated_and_not_made_meanwhile(world, ask):
    framework, agent = world.framework(), world.agent()
    maintain(world, WINDOW)
    assert len(ask(framework, agent)) == 1
    world.operator("DEACTIVATE_AGENT", {"agent_id": {"value": agent.id}})
    world.settle()
    assert [event["type"] for event in framework.take()] == ["RESCIND_INVERSE_OFFER"]
    assert ask(framework, agent) == []
    world.operator("REACTIVATE_AGENT", {"agent_id": {"value": agent.id}})
    assert len(ask(framework, agent)) == 1


def test_a_failover_of_the_framework_discards_it_without_a_word(world, ask):
    framework, agent = world.framework(failover_timeout=60.0), world.agent()
    maintain(world, WINDOW)
    ask(framework, agent)
    old = framework.stream
    framework.subscribe()
    assert [event["type"] for event in old.events] == ["ERROR"]
    assert [event["type"] for event in framework.events] == ["SUBSCRIBED", "HEARTBEAT"]
    assert answers(world) == [(framework.id, None, None)]
    assert not world.state.inverse_offers


def test_who_is_not_connected_is_not_asked(world, ask):
    framework, agent = world.framework(failover_timeout=60.0), world.agent()
    maintain(world, WINDOW)
    framework.stream.close_by_peer()
    assert ask(framework, agent) == []
    assert not world.state.inverse_offers


def test_it_times_out_as_offers_do(make_world, ask):
    world = make_world(offer_timeout="5secs")
    framework, agent = world.framework(), world.agent()
    maintain(world, WINDOW)
    (offer,) = ask(framework, agent)
    world.advance(5.1)
    assert framework.take() == [
        {"type": "RESCIND_INVERSE_OFFER", "rescind_inverse_offer": {"inverse_offer_id": offer["id"]}}
    ]
