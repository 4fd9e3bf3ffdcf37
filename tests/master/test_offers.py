"""What offers say, and calls that lead to nothing (docs/reference/scheduler-api.md 9 and 11)."""

import json

import pytest

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.network.messages import FrameworkToExecutor, ShutdownExecutor

DOMAIN = {"fault_domain": {"region": {"name": "r"}, "zone": {"name": "z"}}}


@pytest.fixture
def framework(world):
    return world.framework()


def test_an_offer_of_a_plain_agent_says_no_more_than_it_must(world, framework):
    agent = world.agent()
    offer = world.offer(framework, agent, "cpus:1")
    assert offer == {
        "id": {"value": f"{world.state.master_id}-O0"},
        "framework_id": {"value": framework.id},
        "agent_id": {"value": agent.id},
        "hostname": "127.0.0.1",
        "url": {
            "scheme": "http",
            "address": {"hostname": "127.0.0.1", "ip": "127.0.0.1", "port": 5051},
            "path": "/slave(1)",
        },
        "resources": [
            {
                "name": "cpus",
                "type": "SCALAR",
                "scalar": {"value": 1.0},
                "allocation_info": {"role": "web"},
            }
        ],
        "allocation_info": {"role": "web"},
    }


def test_an_offer_tells_of_attributes_domain_executors_and_maintenance(make_world, task, amount):
    world = make_world(domain=json.dumps(DOMAIN))
    framework = world.framework()
    agent = world.agent(attributes="rack:r1;level:3", domain=DOMAIN)
    first = world.offer(framework, agent)
    assert [attribute["name"] for attribute in first["attributes"]] == ["rack", "level"]
    assert first["domain"] == DOMAIN
    assert not {"executor_ids", "unavailability"} & set(first)
    executor = {"executor_id": {"value": "e"}, "command": {"value": "x"}, "resources": [amount("cpus", 0.1)]}
    framework.launch(first, task("t", first, executor=executor))
    unavailability = {"start": {"nanoseconds": 2**60}, "duration": {"nanoseconds": 10**9}}
    window = {"machine_ids": [{"hostname": "127.0.0.1", "ip": "127.0.0.1"}], "unavailability": unavailability}
    world.operator("UPDATE_MAINTENANCE_SCHEDULE", {"schedule": {"windows": [window]}})
    second = world.offer(framework, agent)
    assert second["executor_ids"] == [{"value": "e"}]
    assert second["unavailability"] == unavailability
    bystander = world.framework()
    assert "executor_ids" not in world.offer(bystander, agent), "they are others'"


def test_ephemeral_ports_are_the_agent_s_own_affair(world, framework):
    agent = world.agent()
    offer = world.offer(framework, agent, "cpus:1;ephemeral_ports:[1-9];mem:32")
    assert [resource["name"] for resource in offer["resources"]] == ["cpus", "mem"]
    framework.call("DECLINE", {"offer_ids": [offer["id"]]})
    ((args, _),) = world.allocator.named("recover_resources")
    assert {resource.name for resource in args[3]} == {"cpus", "ephemeral_ports", "mem"}


def test_offers_of_one_run_come_in_one_event(world, framework):
    agents = [world.agent(port=port) for port in (5051, 5052)]
    given = {agent.id: Resources.parse("cpus:1") for agent in agents}
    world.allocator.listener.offers(framework.id, {"web": given})
    (event,) = framework.take()
    assert [offer["agent_id"]["value"] for offer in event["offers"]["offers"]] == [agent.id for agent in agents]


def test_declining_somebody_else_s_offer_is_possible(world, framework):
    agent, other = world.agent(), world.framework()
    offer = world.offer(framework, agent)
    other.call("DECLINE", {"offer_ids": [offer["id"]], "filters": {"refuse_seconds": 9}})
    ((args, kwargs),) = world.allocator.named("recover_resources")
    assert (args[0], kwargs["filters"].refuse_seconds) == (framework.id, 9)
    assert (framework.take(), other.take()) == ([], [])


NOWHERE = {"agent_id": {"value": "nowhere"}}


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("SHUTDOWN", {**NOWHERE, "executor_id": {"value": "e"}}),
        ("MESSAGE", {**NOWHERE, "executor_id": {"value": "e"}, "data": "eA=="}),
        ("ACKNOWLEDGE", {**NOWHERE, "task_id": {"value": "t"}, "uuid": "AAAAAAAAQACAAAAAAAAAAA=="}),
        ("DECLINE", {"offer_ids": [{"value": "x"}]}),
        ("DECLINE", {"offer_ids": []}),
        ("ACCEPT", {"offer_ids": [{"value": "x"}]}),
        ("ACCEPT", {"offer_ids": []}),
        ("ACCEPT_INVERSE_OFFERS", {"inverse_offer_ids": [{"value": "x"}]}),
        ("DECLINE_INVERSE_OFFERS", {"inverse_offer_ids": [{"value": "x"}]}),
        ("REQUEST", {"requests": [NOWHERE]}),
        ("SUPPRESS", {"roles": ["other"]}),
        ("REVIVE", {"roles": ["/"]}),
        ("RECONCILE_OPERATIONS", {"operations": []}),
        ("RECONCILE", {"tasks": []}),
    ],
)
def test_calls_that_come_to_nothing_are_answered_with_202_all_the_same(world, framework, kind, payload):
    agent = world.agent()
    agent.received.clear()
    response = framework.call(kind, payload)
    assert (response.status, response.body) == (202, b"")
    world.settle()
    assert framework.take() == []
    assert agent.received == []


def test_messages_and_shutdowns_reach_the_agent_whatever_runs_there(world, framework):
    """Whether there is such an executor is for the agent to know."""
    agent = world.agent()
    framework.call("MESSAGE", {"agent_id": {"value": agent.id}, "executor_id": {"value": "e"}, "data": "eA=="})
    framework.call("SHUTDOWN", {"agent_id": {"value": agent.id}, "executor_id": {"value": "e"}})
    world.settle()
    assert agent.take(FrameworkToExecutor) == [FrameworkToExecutor(agent.id, framework.id, "e", b"x")]
    assert agent.take(ShutdownExecutor) == [ShutdownExecutor(framework.id, "e")]
