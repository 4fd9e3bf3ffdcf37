"""SUBSCRIBE and the life of frameworks (docs/reference/scheduler-api.md 3)."""

import pytest


def test_a_new_framework_is_told_its_id_and_a_heartbeat_at_once(world):
    framework = world.framework()
    assert [event["type"] for event in framework.events] == ["SUBSCRIBED", "HEARTBEAT"]
    subscribed = framework.events[0]["subscribed"]
    assert subscribed["framework_id"]["value"] == f"{world.master.id}-0000"
    assert subscribed["heartbeat_interval_seconds"] == 15.0
    assert subscribed["master_info"]["ip"] == 16777343


def test_heartbeats_come_every_15_seconds_whatever_else_is_sent(world):
    framework = world.framework()
    world.advance(44.9)
    assert [event["type"] for event in framework.events] == ["SUBSCRIBED", "HEARTBEAT", "HEARTBEAT", "HEARTBEAT"]
    world.advance(0.2)
    assert len(framework.events) == 5


def test_a_refused_subscription_gives_one_error_and_the_end_and_uses_up_no_id(world):
    refused = world.framework(roles=["a b"])
    assert [event["type"] for event in refused.events] == ["ERROR"]
    assert refused.stream.closed
    assert world.framework().id.endswith("-0000")


@pytest.mark.parametrize(
    ("info", "error"),
    [
        ({"role": "x"}, "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"),
        (
            {"capabilities": []},
            "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable",
        ),
        ({"roles": ["a", "a"]}, "'FrameworkInfo.roles' contains duplicate items: { a }"),
        (
            {"capabilities": [], "roles": [], "role": "/a"},
            "'FrameworkInfo.role' is not a valid role: Role '/a' cannot start with a slash",
        ),
        ({"failover_timeout": 1e30}, "The framework failover_timeout (1e+30) is invalid"),
        (
            {"offer_filters": {"web": {"min_allocatable_resources": {"quantities": [{}]}}}},
            "Resource quantities must contain at least one quantity",
        ),
        (
            {
                "offer_filters": {
                    "web": {"min_allocatable_resources": {"quantities": [{"quantities": {"cpus": {"value": -1}}}]}}
                }
            },
            "Invalid resource quantity for 'cpus': Negative values not supported",
        ),
    ],
)
def test_what_is_wrong_with_a_framework_info_is_told(world, info, error):
    assert world.framework(**info).events == [{"type": "ERROR", "error": {"message": error}}]


def test_a_negative_failover_timeout_is_accepted(world):
    assert world.framework(failover_timeout=-1.0).id


def test_an_unknown_id_is_taken_over(world):
    framework = world.framework()
    framework.id = "mine"
    framework.subscribe()
    assert framework.id == "mine"
    assert world.state.frameworks["mine"].connected


def test_subscribing_again_ends_the_old_stream_with_an_error(world):
    framework = world.framework(failover_timeout=60.0)
    old, old_id = framework.stream, framework.stream_id
    old.events.clear()
    framework.subscribe()
    assert old.events == [{"type": "ERROR", "error": {"message": "Framework failed over"}}]
    assert old.closed
    response = framework.call("REVIVE", **{"mesos-stream-id": old_id})
    assert response.status == 400
    assert b"didn't match the stream ID currently associated" in response.body
    assert framework.call("REVIVE").status == 202


def test_the_end_of_an_old_stream_does_not_disconnect_the_new_one(world):
    framework = world.framework(failover_timeout=0.0)
    old = framework.stream
    framework.subscribe()
    old.close_by_peer()
    world.advance(1)
    assert world.state.frameworks[framework.id].connected


def test_offers_of_a_framework_that_fails_over_are_discarded_without_a_word(world):
    framework, agent = world.framework(failover_timeout=60.0), world.agent()
    world.offer(framework, agent)
    old = framework.stream
    framework.subscribe()
    assert [event["type"] for event in old.events] == ["ERROR"]
    assert not world.state.offers
    assert len(world.allocator.named("recover_resources")) == 1


def test_a_disconnected_framework_has_its_failover_timeout_to_come_back(world):
    framework = world.framework(failover_timeout=10.0)
    framework.stream.close_by_peer()
    world.advance(9.9)
    framework.subscribe()
    world.advance(60)
    assert world.state.frameworks[framework.id].connected
    framework.stream.close_by_peer()
    world.advance(10.1)
    assert framework.id in world.state.completed_frameworks


def test_without_a_failover_timeout_a_disconnected_framework_is_removed(world):
    framework = world.framework()
    framework.stream.close_by_peer()
    world.advance(0)
    assert list(world.state.completed_frameworks) == [framework.id]


def test_a_completed_framework_can_never_subscribe_again(world):
    framework = world.framework(failover_timeout=60.0)
    assert framework.call("TEARDOWN").status == 202
    assert framework.stream.closed
    framework.subscribe()
    assert framework.events == [{"type": "ERROR", "error": {"message": "Framework has been removed"}}]


def test_completed_frameworks_are_forgotten_beyond_the_bound(make_world):
    world = make_world(max_completed_frameworks="2")
    ids = []
    for _ in range(3):
        framework = world.framework()
        framework.call("TEARDOWN")
        ids.append(framework.id)
    assert list(world.state.completed_frameworks) == ids[1:]


def test_user_and_checkpoint_stay_what_they_were(world):
    framework = world.framework(failover_timeout=60.0)
    framework.info |= {"user": "nobody", "checkpoint": True, "name": "renamed"}
    framework.subscribe()
    info = world.state.frameworks[framework.id].info
    assert (info.user, info.checkpoint, info.name) == ("root", False, "renamed")


def test_the_principal_never_changes(world):
    framework = world.framework(failover_timeout=60.0, principal="p")
    del framework.info["principal"]
    framework.subscribe()
    assert framework.events == [
        {"type": "ERROR", "error": {"message": "Changing framework's principal is not allowed."}}
    ]


def test_offers_for_roles_that_are_left_are_rescinded(world):
    framework, agent = world.framework(roles=["a", "b"]), world.agent()
    kept = world.offer(framework, agent, "cpus:1", role="a")
    left = world.offer(framework, agent, "cpus:1", role="b")
    info = {**framework.info, "roles": ["a"], "id": {"value": framework.id}}
    assert framework.call("UPDATE_FRAMEWORK", {"framework_info": info}).status == 200
    assert framework.take() == [{"type": "RESCIND", "rescind": {"offer_id": left["id"]}}]
    assert list(world.state.offers) == [kept["id"]["value"]]


def test_suppressed_roles_are_replaced_by_each_subscription(world):
    framework = world.framework(roles=["a", "b"], failover_timeout=60.0)
    framework.subscribe(suppressed_roles=["a"])
    assert world.state.frameworks[framework.id].suppressed_roles == {"a"}
    framework.subscribe()
    assert world.state.frameworks[framework.id].suppressed_roles == set()


def test_teardown_kills_the_tasks_in_the_books_but_tells_the_framework_nothing(world, task):
    framework, agent = world.framework(), world.agent()
    framework.launch(world.offer(framework, agent), task("t1", {"agent_id": {"value": agent.id}}))
    framework.call("TEARDOWN")
    assert framework.take() == []
    (done,) = world.state.completed_frameworks[framework.id].completed_tasks
    status = done.message.statuses[-1]
    assert done.state == status.state == 4
    assert status.message == f"Framework {framework.id} removed"
    assert not world.state.agents[agent.id].used.by
