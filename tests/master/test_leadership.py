"""One master of several: before it is elected, when it is, and when it is not any more.

Source: docs/reference/scheduler-api.md 1.2, operator-api.md 1, failover.md "Several masters".
"""

import json

import pytest

from pymesoskit.testing.cluster.election import Election
from pymesoskit.wire.v1 import mesos

LED = [
    "/api/v1",
    "/api/v1/scheduler",
    "/state",
    "/state-summary",
    "/slaves",
    "/frameworks",
    "/tasks",
    "/roles",
    "/quota",
    "/quota/web",
    "/weights",
    "/teardown",
    "/reserve",
    "/unreserve",
    "/create-volumes",
    "/destroy-volumes",
    "/maintenance/schedule",
    "/maintenance/status",
    "/machine/down",
    "/machine/up",
]
EVERYWHERE = [
    "/health",
    "/version",
    "/flags",
    "/metrics/snapshot",
    "/files/debug",
    "/files/browse?path=/",
    "/system/stats.json",
    "/logging/toggle",
]
OTHER = mesos.MasterInfo(
    id="other", ip=0, port=5051, pid="master@10.0.0.2:5051", hostname="two.example.com", version="1.11.0"
)


@pytest.fixture
def election(world):
    return Election(world.actor, session_timeout=10)


@pytest.fixture
def standby(world, election):
    """The world's master as one of several, none of which stands for election yet."""
    world.master.terminate()
    world.leadership = election.connect()
    world.start_master()
    return world


@pytest.fixture
def follower(standby, election):
    """The same, and another one leads."""
    election.connect().stand(OTHER)
    standby.settle()
    return standby


@pytest.fixture
def leader(standby):
    """The same, and it leads."""
    standby.leadership.stand(standby.master.core.info)
    standby.settle()
    return standby


def redirection(responder):
    return responder.response.status, dict(responder.response.headers).get("Location")


@pytest.mark.parametrize("path", LED)
def test_without_a_leader_nothing_is_served(standby, path):
    responder = standby.request("GET", path)
    assert (responder.response.status, responder.response.body) == (503, b"No leader elected")


@pytest.mark.parametrize("prefix", ["", "/master"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", LED)
def test_the_others_send_to_the_leader_before_they_look_at_the_request(follower, path, method, prefix):
    responder = follower.request(method, f"{prefix}{path}?a=b%20c&d")
    assert redirection(responder) == (307, f"//two.example.com:5051{prefix}{path}?a=b%20c&d")
    assert responder.response.body == b""


def test_who_may_not_ask_is_not_told_where_the_leader_is(make_world, tmp_path):
    credentials = tmp_path / "credentials"
    credentials.write_text(json.dumps({"credentials": [{"principal": "p", "secret": "s"}]}))
    world = make_world(credentials=str(credentials), authenticate_http_readonly="true")
    election = Election(world.actor, 10)
    world.master.terminate()
    world.leadership = election.connect()
    world.start_master()
    election.connect().stand(OTHER)
    assert world.request("GET", "/state").response.status == 401


@pytest.mark.parametrize("path", EVERYWHERE)
def test_some_endpoints_are_those_of_each_master(follower, path):
    assert follower.request("GET", path).response.status in {200, 404}


def test_redirect_names_the_leader_even_on_the_leader(follower, election):
    assert redirection(follower.request("GET", "/redirect")) == (307, "//two.example.com:5051")
    assert redirection(follower.request("GET", "/master/redirect")) == (307, "//two.example.com:5051")
    assert follower.request("GET", "/redirect/state").response.status == 404


def test_redirect_on_the_leader_and_without_one(standby):
    assert standby.request("GET", "/redirect").response.status == 503
    assert standby.request("GET", "/redirect").response.body == b"No leader elected"
    standby.leadership.stand(standby.master.core.info)
    assert redirection(standby.request("GET", "/redirect")) == (307, "//127.0.0.1:5050")


def test_the_metric_tells_who_is_elected(standby, election):
    assert standby.get("/metrics/snapshot")["master/elected"] == 0
    standby.leadership.stand(standby.master.core.info)
    assert standby.get("/metrics/snapshot")["master/elected"] == 1


def test_the_leader_says_that_it_leads_and_since_when(standby):
    started = standby.actor.clock.time()
    standby.advance(5)
    standby.leadership.stand(standby.master.core.info)
    state = standby.get("/state")
    assert (state["start_time"], state["elected_time"]) == (started, started + 5)
    assert state["leader"] == state["pid"] == "master@127.0.0.1:5050"
    assert state["leader_info"] == {
        "id": standby.master.id,
        "pid": "master@127.0.0.1:5050",
        "port": 5050,
        "hostname": "127.0.0.1",
    }
    answer = standby.query("GET_MASTER")
    assert (answer["start_time"], answer["elected_time"]) == (started, started + 5)
    assert answer["master_info"]["id"] == standby.master.id


def test_messages_to_a_master_that_does_not_lead_are_dropped_and_counted(follower):
    follower.agent()
    assert not follower.state.agents
    assert follower.get("/metrics/snapshot")["master/dropped_messages"] == 1


def test_who_is_elected_takes_up_the_registry(world):
    agent = world.agent()
    world.master.terminate()
    world.leadership = Election(world.actor, 10).connect()
    world.start_master()
    agent.reregister()
    assert not world.state.agents
    assert not world.state.recovered_agents
    world.leadership.stand(world.master.core.info)
    assert list(world.state.recovered_agents) == [agent.id]
    agent.reregister()
    assert list(world.state.agents) == [agent.id]
    assert world.framework().id


def test_who_loses_leadership_ends(leader, election):
    framework = leader.framework()
    leader.leadership.silence("partition")
    leader.advance(9.9)
    assert framework.stream.aborted is False
    leader.advance(0.1)
    assert framework.stream.aborted
    assert not leader.master.core.lifeline.pending


def test_a_follower_that_is_cut_off_knows_no_leader_and_learns_who_leads_when_it_is_back(follower):
    session = follower.leadership
    session.stand(follower.master.core.info)
    session.silence("partition")
    follower.advance(9.9)
    assert follower.request("GET", "/state").response.status == 307
    follower.advance(0.2)
    assert follower.request("GET", "/state").response.status == 503
    session.speak("partition")
    follower.settle()
    assert redirection(follower.request("GET", "/state")) == (307, "//two.example.com:5051/state")


def test_another_life_at_the_same_address_is_another_master(leader, election):
    """Until the session of the killed one has expired its successor sends clients to itself, as in Mesos."""
    before = leader.leadership
    leader.master.terminate()
    before.end()
    leader.leadership = election.connect()
    leader.start_master()
    leader.leadership.stand(leader.master.core.info)
    assert redirection(leader.request("GET", "/state")) == (307, "//127.0.0.1:5050/state")
    leader.advance(10)
    assert leader.get("/state")["id"] == leader.master.id


# The registry


def test_until_the_registry_is_read_the_apis_answer_503_and_messages_are_dropped(standby):
    storage = standby.registry.storage
    storage.hold()
    standby.leadership.stand(standby.master.core.info)
    for path in ("/api/v1", "/api/v1/scheduler"):
        response = standby.request("POST", path).response
        assert (response.status, response.body) == (503, b"Master has not finished recovery")
    assert standby.get("/state")["id"] == standby.master.id
    agent = standby.agent()
    assert not agent.id
    assert standby.get("/metrics/snapshot")["master/dropped_messages"] == 1
    storage.release()
    standby.settle()
    assert standby.query("GET_HEALTH") == {"healthy": True}
    agent.register()
    assert list(standby.state.agents) == [agent.id]


def test_a_master_that_cannot_read_its_registry_in_time_ends(make_world):
    world = make_world(registry_fetch_timeout="1mins")
    world.master.terminate()
    world.registry.storage.hold()
    world.start_master()
    world.advance(59)
    assert world.request("GET", "/health").response.status == 200
    world.advance(1)
    assert "Failed to perform fetch within 1mins" in world.history.story()
    assert not world.master.core.lifeline.pending
    world.registry.storage.release()  # nobody is there who would care
    assert not world.master.core.recovered


def test_weights_of_the_registry_win_over_those_of_the_flag(make_world):
    world = make_world(weights="a=2,b=3")
    assert world.query("GET_WEIGHTS")["weight_infos"] == [{"role": "a", "weight": 2.0}, {"role": "b", "weight": 3.0}]
    assert world.operator("UPDATE_WEIGHTS", {"weight_infos": [{"role": "a", "weight": 4.0}]}).status == 200
    world.registry.weights.pop("b")
    world.master.terminate()
    world.start_master()
    assert world.query("GET_WEIGHTS")["weight_infos"] == [{"role": "a", "weight": 4.0}]
    assert world.allocator.named("update_weights") == [(({"a": 4.0},), {})]


@pytest.mark.parametrize(("limit", "ends"), [("50%", False), ("49%", True), ("100%", False)])
def test_a_master_that_would_have_to_give_up_too_many_agents_ends(make_world, limit, ends):
    world = make_world(recovery_agent_removal_limit=limit, agent_reregister_timeout="10mins")
    back, lost = world.agent(), world.agent(port=5052)
    lost.answers_pings = False
    world.master.terminate()
    world.start_master()
    back.reregister()
    world.advance(600)
    assert (lost.id in world.registry.unreachable) is not ends
    assert ("Post-recovery agent removal limit exceeded" in world.history.story()) is ends


def test_agents_given_up_after_a_failover_are_counted(make_world):
    world = make_world(agent_reregister_timeout="10mins")
    world.agent()
    world.master.terminate()
    world.start_master()
    world.advance(600)
    metrics = world.get("/metrics/snapshot")
    assert metrics["master/slave_unreachable_scheduled"] == metrics["master/slave_unreachable_completed"] == 1
    assert metrics["master/recovery_slave_removals"] == metrics["master/slave_removals/reason_unhealthy"] == 1


# Freezing


def test_a_frozen_master_answers_nothing_and_catches_up(world):
    world.agent()
    world.master.freeze()
    responder = world.request("GET", "/health")
    assert responder.response is None
    world.advance(3)
    world.master.thaw()
    assert responder.response.status == 200


def test_a_frozen_master_that_is_killed_breaks_the_connections_of_those_who_wait(world):
    world.master.freeze()
    responder = world.request("GET", "/health")
    world.master.terminate()
    assert responder.response is None
    assert responder.aborted


def test_a_frozen_master_learns_that_a_framework_has_gone_when_it_goes_on(world):
    framework = world.framework(failover_timeout=100.0)
    world.master.freeze()
    framework.stream.close_by_peer()
    world.settle()
    assert world.state.frameworks[framework.id].connected
    world.master.thaw()
    assert not world.state.frameworks[framework.id].connected


def test_pings_stop_with_a_frozen_master_and_its_heartbeats_too(world):
    framework = world.framework()
    world.master.freeze()
    world.advance(60)
    assert [event["type"] for event in framework.events] == ["SUBSCRIBED", "HEARTBEAT"]
