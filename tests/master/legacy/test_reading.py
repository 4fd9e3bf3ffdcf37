"""The older endpoints that show something: filters, order, jsonp, what is shown when."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def running(world, task):
    """A framework with three tasks; the second is over."""
    agent = world.agent()
    framework = world.framework(labels={"labels": [{"key": "k", "value": "v"}]})
    for n in (1, 2, 3):
        framework.launch(world.offer(framework, agent), task(f"t{n}", {"agent_id": {"value": agent.id}}))
    for n in (1, 2):
        world.advance(1)
        agent.update(framework.id, f"t{n}", "TASK_RUNNING", uuid=bytes([n]) * 16)
    agent.update(framework.id, "t2", "TASK_FINISHED", uuid=b"9" * 16, message="over", data=b"x")
    ids = {"agent_id": {"value": agent.id}, "task_id": {"value": "t2"}}
    framework.call("ACKNOWLEDGE", {**ids, "uuid": "OTk5OTk5OTk5OTk5OTk5OQ=="})
    world.running_agent, world.running_framework = agent, framework
    return world


def ids(world, query=""):
    return [task["id"] for task in world.get(f"/tasks{query}")["tasks"]]


class TestTasks:
    def test_latest_first_status_first_and_those_without_last(self, running):
        assert ids(running) == ["t2", "t1", "t3"]
        assert ids(running, "?order=des") == ["t2", "t1", "t3"]

    def test_ascending_begins_with_those_without_status(self, running):
        assert ids(running, "?order=asc") == ["t3", "t1", "t2"]

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("task_id=t1", ["t1"]),
            ("task_id=none", []),
            ("framework_id=nobody", []),
            ("limit=0", []),
            ("limit=1", ["t2"]),
            ("limit=1&offset=1", ["t1"]),
            ("offset=3", []),
            ("limit=x&offset=y", ["t2", "t1", "t3"]),
            ("limit=-1", ["t2", "t1", "t3"]),
            ("offset=-1", []),
            ("limit=99999999999", ["t2", "t1", "t3"]),
            ("limit=0x1", ["t2"]),
            ("limit=%2B1;offset=1", ["t1"]),
            ("task_id=", []),
        ],
    )
    def test_filters_limit_and_offset(self, running, query, expected):
        assert ids(running, f"?{query}") == expected

    def test_at_most_100_unless_told_otherwise(self, world, task):
        framework, agent = world.framework(), world.agent()
        tasks = [task(f"t{n}", {"agent_id": {"value": agent.id}}, cpus=0.01, mem=1) for n in range(120)]
        framework.launch(world.offer(framework, agent), *tasks)
        assert len(ids(world)) == 100
        assert len(ids(world, "?limit=200")) == 120

    def test_completed_frameworks_are_covered(self, running):
        running.running_framework.call("TEARDOWN")
        assert sorted(ids(running)) == ["t1", "t2", "t3"]

    def test_statuses_say_little(self, running):
        (task,) = running.get("/tasks?task_id=t2")["tasks"]
        assert [list(status) for status in task["statuses"]] == [["state", "timestamp"]] * 2
        assert (task["state"], task["role"], task["executor_id"]) == ("TASK_FINISHED", "web", "")


class TestState:
    def test_where_tasks_are_shown(self, running):
        (framework,) = running.get("/state")["frameworks"]
        assert {kind: [t["id"] for t in framework[kind]] for kind in framework if kind.endswith("tasks")} == {
            "tasks": ["t1", "t3"],
            "unreachable_tasks": [],
            "completed_tasks": ["t2"],
        }
        assert framework["labels"] == [{"key": "k", "value": "v"}]
        assert framework["used_resources"]["cpus"] == 0.2
        assert framework["roles"] == ["web"]
        assert "reregistered_time" not in framework

    def test_a_framework_of_one_role(self, world):
        world.framework(roles=[], role="dev", capabilities=[])
        (framework,) = world.get("/frameworks")["frameworks"]
        assert framework["role"] == "dev"
        assert "roles" not in framework

    def test_what_is_shown_of_completed_frameworks(self, running):
        running.running_framework.call("TEARDOWN")
        state = running.get("/state")
        assert state["frameworks"] == []
        (framework,) = state["completed_frameworks"]
        assert (framework["active"], framework["connected"]) == (False, False)
        assert framework["unregistered_time"] == running.actor.clock.time()
        assert [task["state"] for task in framework["completed_tasks"]].count("TASK_KILLED") == 2

    def test_numbers_of_agents(self, world):
        agents = [world.agent(port=port) for port in (5051, 5052, 5053)]
        world.operator("DEACTIVATE_AGENT", {"agent_id": {"value": agents[0].id}})
        agents[1].answers_pings = False
        world.advance(100)
        state = world.get("/state")
        assert [state[f"{kind}_slaves"] for kind in ("activated", "deactivated", "unreachable")] == [1.0, 1.0, 1.0]

    def test_recovered_agents(self, world):
        agent = world.agent(attributes="rack:r1")
        world.master.terminate()
        world.start_master()
        shown = {"id": agent.id, "hostname": "127.0.0.1", "port": 5051, "attributes": {"rack": "r1"}}
        assert world.get("/state")["recovered_slaves"] == [shown]
        assert world.get("/slaves?slave_id=none")["recovered_slaves"] == []
        assert world.query("GET_AGENTS")["recovered_agents"][0]["checkpoint"] is True

    def test_domains_and_names(self, make_world):
        domain = {"fault_domain": {"region": {"name": "r"}, "zone": {"name": "z"}}}
        world = make_world(cluster="my", domain=json.dumps(domain))
        state = world.get("/state")
        assert (state["cluster"], state["domain"], state["leader_info"]["domain"]) == ("my", domain, domain)
        assert world.get("/state-summary")["cluster"] == "my"

    def test_revocable_resources_have_names_of_their_own(self, world, message):
        from pymesoskit.testing.engine.network.messages import UpdateAgent
        from pymesoskit.wire.v1 import mesos

        agent = world.agent()
        revocable = message(mesos.Resource, name="cpus", type="SCALAR", scalar={"value": 2}, revocable={})
        agent.send(UpdateAgent(agent.id, (revocable,)))
        world.settle()
        assert world.get("/slaves")["slaves"][0]["resources"]["cpus_revocable"] == 2.0
        metrics = world.get("/metrics/snapshot")
        assert (metrics["master/cpus_total"], metrics["master/cpus_revocable_total"]) == (4.0, 2.0)


class TestSummary:
    def test_tasks_are_counted_by_state_for_agents_and_frameworks(self, running):
        summary = running.get("/state-summary")
        (agent,), (framework,) = summary["slaves"], summary["frameworks"]
        for counted in (agent, framework):
            counts = {state: counted[state] for state in counted if state.startswith("TASK_")}
            assert {state: count for state, count in counts.items() if count} == {
                "TASK_STAGING": 1,
                "TASK_RUNNING": 1,
                "TASK_FINISHED": 1,
            }
        assert agent["framework_ids"] == [framework["id"]]
        assert framework["slave_ids"] == [agent["id"]]


class TestOthers:
    def test_slaves_and_frameworks_by_id(self, running):
        assert running.get("/slaves?slave_id=nobody")["slaves"] == []
        assert len(running.get(f"/slaves?slave_id={running.running_agent.id}")["slaves"]) == 1
        assert running.get("/frameworks?framework_id=nobody")["frameworks"] == []
        assert len(running.get(f"/frameworks?framework_id={running.running_framework.id}")["frameworks"]) == 1

    def test_roles_and_those_above_them(self, make_world):
        world = make_world(weights="heavy=2")
        world.framework(roles=["a/b"])
        world.agent(resources="cpus:2;mem:512;cpus(ads/x):1")
        roles = world.get("/roles")["roles"]
        assert [role["name"] for role in roles] == ["a", "a/b", "ads", "ads/x", "heavy"]
        assert {role["name"]: role["reserved"] for role in roles if role["reserved"]} == {
            "ads": {"cpus": 1.0},
            "ads/x": {"cpus": 1.0},
        }
        assert {role["name"]: role["weight"] for role in roles}["heavy"] == 2.0

    def test_a_guarantee_of_nothing_is_none_but_a_limit_of_nothing_is_one(self, world):
        config = {"role": "a", "guarantees": {"cpus": {"value": 0}}, "limits": {"cpus": {"value": 0}}}
        assert world.operator("UPDATE_QUOTA", {"quota_configs": [config]}).status == 200
        (role,) = world.get("/roles")["roles"]
        assert (role["quota"]["guarantee"], role["quota"]["limit"]) == ({}, {"cpus": 0.0})

    def test_with_a_whitelist_its_roles_and_the_default_one(self, make_world):
        world = make_world(roles="b,a/c")
        world.agent(resources="cpus:2;cpus(ads):1")
        assert [role["name"] for role in world.get("/roles")["roles"]] == ["*", "a", "a/c", "b"]

    @pytest.mark.parametrize(
        "path", ["/state", "/roles", "/quota", "/weights", "/version", "/flags", "/maintenance/status"]
    )
    def test_jsonp(self, world, path):
        plain = world.request("GET", path).response.body
        wrapped = world.request("GET", f"{path}?jsonp=f").response
        assert dict(wrapped.headers)["Content-Type"] == "text/javascript"
        assert wrapped.body == b"f(" + plain + b")"

    def test_an_empty_answer_is_a_healthy_one(self, world):
        for method in ("GET", "POST"):
            response = world.request(method, "/health").response
            assert (response.status, response.body, response.headers) == (200, b"", ())

    def test_redirection_to_the_leader(self, world):
        for path in ("/redirect", "/master/redirect"):
            response = world.request("GET", path).response
            assert (response.status, response.headers) == (307, (("Location", "//127.0.0.1:5050"),))

    @pytest.mark.parametrize("path", ["/redirect/x", "/master/redirect/x", "/redirect/"])
    def test_nothing_below_it_is_redirected(self, world, path):
        response = world.request("GET", path).response
        assert (response.status, response.body) == (404, b"404 Not Found.")

    def test_unknown_paths(self, world):
        for path in ("/nope", "/master/nope", "/", "/master", "/state.json"):
            response = world.request("GET", path).response
            assert (response.status, response.body) == (404, b"404 Not Found.")

    @pytest.mark.parametrize("path", ["/metrics/snapshot", "/files/debug", "/system/stats.json", "/logging/toggle"])
    def test_paths_of_other_processes_are_not_the_masters(self, world, path):
        assert world.request("GET", path).response.status == 200
        assert world.request("GET", f"/master{path}").response.status == 404

    def test_the_system(self, world):
        assert set(world.get("/system/stats.json")) == {
            "avg_load_1min",
            "avg_load_5min",
            "avg_load_15min",
            "cpus_total",
            "mem_free_bytes",
            "mem_total_bytes",
        }

    def test_constraints_debug(self, make_real_world):
        world = make_real_world()
        framework = world.framework()
        assert list(world.get("/allocator/offer_constraints_debug")["frameworks"]) == [framework.id]
