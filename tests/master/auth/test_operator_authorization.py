"""Which operators may change what of a master, and what each sees (docs/authorization.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.master.auth.acls import ANY, NONE, acl, as_, dynamic, some

# Operators: what they change


def call(world, kind: str, payload: dict[str, Any] | None = None, who: str = "op") -> tuple[int, bytes]:
    response = world.operator(kind, payload, **as_(who))
    return response.status, response.body


FORBIDDEN = (403, b"403 Forbidden.")


@pytest.mark.parametrize(
    ("kind", "payload", "name", "objects"),
    [
        ("GET_FLAGS", None, "view_flags", "flags"),
        ("SET_LOGGING_LEVEL", {"level": 1, "duration": {"nanoseconds": 1}}, "set_log_level", "level"),
        ("DEACTIVATE_AGENT", {"agent_id": {"value": "AGENT"}}, "deactivate_agents", "agents"),
        ("REACTIVATE_AGENT", {"agent_id": {"value": "AGENT"}}, "reactivate_agents", "agents"),
        ("DRAIN_AGENT", {"agent_id": {"value": "AGENT"}}, "drain_agents", "agents"),
        ("DRAIN_AGENT", {"agent_id": {"value": "AGENT"}, "mark_gone": True}, "mark_agents_gone", "agents"),
        ("MARK_AGENT_GONE", {"agent_id": {"value": "AGENT"}}, "mark_agents_gone", "agents"),
        ("UPDATE_WEIGHTS", {"weight_infos": [{"role": "a", "weight": 2}]}, "update_weights", "roles"),
        ("UPDATE_QUOTA", {"quota_configs": [{"role": "a"}]}, "update_quotas", "roles"),
        ("TEARDOWN", {"framework_id": {"value": "FRAMEWORK"}}, "teardown_frameworks", "framework_principals"),
    ],
)
def test_a_call_that_is_not_allowed_is_forbidden_and_changes_nothing(make_closed, kind, payload, name, objects):
    world = make_closed(**{name: [{"principals": some("op"), objects: NONE}]})
    text = json.dumps(payload).replace("AGENT", world.agent().id).replace("FRAMEWORK", world.framework().id)
    payload = json.loads(text)
    assert call(world, kind, payload) == FORBIDDEN
    (agent,) = world.state.agents.values()
    assert not agent.deactivated
    assert not world.state.gone
    assert world.state.frameworks
    assert not world.registry.weights
    assert not world.registry.quotas
    if kind == "REACTIVATE_AGENT":
        assert call(world, "DEACTIVATE_AGENT", payload)[0] == 200
    assert call(world, kind, payload, "boss")[0] == 200


@pytest.mark.parametrize(
    ("kind", "payload", "name", "objects", "text"),
    [
        ("DRAIN_AGENT", {"agent_id": {"value": "x"}}, "drain_agents", "agents", None),
        ("MARK_AGENT_GONE", {"agent_id": {"value": "x"}}, "mark_agents_gone", "agents", None),
        ("TEARDOWN", {"framework_id": {"value": "x"}}, "teardown_frameworks", "framework_principals", b"No framework"),
        (
            "UPDATE_WEIGHTS",
            {"weight_infos": [{"role": "a", "weight": 0}]},
            "update_weights",
            "roles",
            b"Invalid weight",
        ),
        ("UPDATE_QUOTA", {"quota_configs": [{"role": "a/b"}]}, "update_quotas", "roles", b"nested role"),
        ("SET_QUOTA", {"quota_request": {"role": "a"}}, "update_quotas", "roles", b"empty 'guarantee'"),
        ("REMOVE_QUOTA", {"role": "a"}, "update_quotas", "roles", b"has no quota set"),
    ],
)
def test_what_is_said_first(make_closed, kind, payload, name, objects, text):
    """Whether it is allowed, or (``text``) what is wrong with it."""
    world = make_closed(**{name: [{"principals": ANY, objects: NONE}]})
    status, body = call(world, kind, payload)
    assert (status, body) == FORBIDDEN if text is None else (status == 400 and text in body)


def test_older_quota_calls_are_the_roles_too(make_closed, amount):
    world = make_closed(update_quotas=[acl("roles", some("op"), roles=some("b")), acl("roles", some("op"), roles=NONE)])
    world.agent()
    request = {"quota_request": {"role": "a", "guarantee": [amount("cpus", 1)]}}
    assert call(world, "SET_QUOTA", request) == FORBIDDEN
    too_much = {"quota_request": {"role": "a", "guarantee": [amount("cpus", 1000)]}}
    assert call(world, "SET_QUOTA", too_much) == FORBIDDEN  # before what the cluster has is looked at
    assert call(world, "SET_QUOTA", request, "boss")[0] == 200
    assert call(world, "REMOVE_QUOTA", {"role": "a"}) == FORBIDDEN
    assert set(world.registry.quotas) == {"a"}


def test_frameworks_are_torn_down_by_those_who_may_do_that_to_their_principal(make_closed, make_framework):
    world = make_closed(
        permissive=False,
        register_frameworks=[acl("roles", roles=ANY)],
        teardown_frameworks=[acl("framework_principals", some("op"), framework_principals=some("p"))],
    )
    mine, other, nameless = (
        make_framework(world, **named).subscribe() for named in ({"principal": "p"}, {"principal": "q"}, {})
    )
    for framework in (other, nameless):
        assert call(world, "TEARDOWN", {"framework_id": {"value": framework.id}}) == FORBIDDEN
    form = f"frameworkId={other.id}".encode()
    assert world.request("POST", "/teardown", form, **as_("op")).response.status == 403
    assert call(world, "TEARDOWN", {"framework_id": {"value": mine.id}})[0] == 200


class TestOperations:
    @pytest.fixture
    def world(self, make_closed):
        return make_closed(
            reserve_resources=[acl("roles", some("op"), roles=some("web")), acl("roles", some("op"), roles=NONE)],
            unreserve_resources=[acl("reserver_principals", some("guest"), reserver_principals=some("guest")),
                                 acl("reserver_principals", some("guest"), reserver_principals=NONE)],
            create_volumes=[acl("roles", some("guest"), roles=NONE)],
            destroy_volumes=[acl("creator_principals", some("guest"), creator_principals=NONE)],
            resize_volumes=[acl("roles", some("guest"), roles=NONE)],
        )  # fmt: skip

    def reserved(self, amount, who: str, role: str = "web", **fields: Any) -> dict[str, Any]:
        return amount("disk", 10, reservations=dynamic(role, principal=who), **fields)

    def test_reservations_are_for_roles_that_are_allowed(self, world, amount):
        agent_id = {"value": world.agent().id}
        for role, status in (("web", 202), ("db", 403)):
            payload = {"agent_id": agent_id, "resources": [self.reserved(amount, "op", role)]}
            assert call(world, "RESERVE_RESOURCES", payload)[0] == status

    def test_the_older_endpoint_is_the_same(self, world, amount):
        form = f"slaveId={world.agent().id}&resources={json.dumps([self.reserved(amount, 'op', 'db')])}".encode()
        response = world.request("POST", "/reserve", form, **as_("op")).response
        assert (response.status, response.body) == FORBIDDEN

    def test_what_is_wrong_is_said_first(self, world, amount):
        payload = {"agent_id": {"value": "x"}, "resources": [self.reserved(amount, "op", "db")]}
        assert call(world, "RESERVE_RESOURCES", payload)[0] == 400

    def test_reservations_are_taken_off_by_those_who_may_do_that_to_the_reserver(self, world, amount):
        agent_id = {"value": world.agent().id}
        mine = {"agent_id": agent_id, "resources": [self.reserved(amount, "op")]}
        assert call(world, "RESERVE_RESOURCES", mine)[0] == 202
        assert call(world, "UNRESERVE_RESOURCES", mine, "guest") == FORBIDDEN
        assert call(world, "UNRESERVE_RESOURCES", mine, "boss")[0] == 202

    def test_moving_a_reservation_needs_both(self, world, amount):
        agent_id = {"value": world.agent().id}
        source = [self.reserved(amount, "op")]
        assert call(world, "RESERVE_RESOURCES", {"agent_id": agent_id, "resources": source})[0] == 202
        move = {"agent_id": agent_id, "source": source, "resources": [self.reserved(amount, "guest", "db")]}
        assert call(world, "RESERVE_RESOURCES", move, "guest") == FORBIDDEN  # it is op's
        move["resources"] = [self.reserved(amount, "op", "db")]
        assert call(world, "RESERVE_RESOURCES", move) == FORBIDDEN  # op may not reserve for db
        move["resources"] = [self.reserved(amount, "boss", "db")]
        assert call(world, "RESERVE_RESOURCES", move, "boss")[0] == 202

    def test_volumes(self, world, amount):
        agent_id = {"value": world.agent().id}
        plain = {"agent_id": agent_id, "resources": [self.reserved(amount, "boss")]}
        assert call(world, "RESERVE_RESOURCES", plain, "boss")[0] == 202

        def made(creator: str) -> dict[str, Any]:
            disk = {"persistence": {"id": "v", "principal": creator}, "volume": {"container_path": "v", "mode": "RW"}}
            return self.reserved(amount, "boss", disk=disk)

        create = {"agent_id": agent_id, "volumes": [made("guest")]}
        assert call(world, "CREATE_VOLUMES", create, "guest") == FORBIDDEN
        create = {"agent_id": agent_id, "volumes": [made("boss")]}
        assert call(world, "CREATE_VOLUMES", create, "boss")[0] == 202
        shrink = {"agent_id": agent_id, "volume": made("boss"), "subtract": {"value": 2}}
        assert call(world, "SHRINK_VOLUME", shrink, "guest") == FORBIDDEN
        grow = {"agent_id": agent_id, "volume": made("boss"), "addition": self.reserved(amount, "boss")}
        assert call(world, "GROW_VOLUME", grow, "guest") == FORBIDDEN
        assert call(world, "DESTROY_VOLUMES", create, "guest") == FORBIDDEN
        assert call(world, "DESTROY_VOLUMES", create, "boss")[0] == 202


MACHINE = {"hostname": "127.0.0.1", "ip": "127.0.0.1"}
SCHEDULE = {"windows": [{"machine_ids": [MACHINE], "unavailability": {"start": {"nanoseconds": 1}}}]}


class TestMaintenance:
    @pytest.fixture
    def world(self, make_closed):
        names = ["update_maintenance_schedules", "get_maintenance_schedules", "start_maintenances"]
        names += ["stop_maintenances", "get_maintenance_statuses"]
        world = make_closed(**{name: [acl("machines", some("guest"), machines=NONE)] for name in names})
        world.agent()
        return world

    def test_only_those_who_may_change_it(self, world):
        machines = {"machines": [MACHINE]}
        assert call(world, "UPDATE_MAINTENANCE_SCHEDULE", {"schedule": SCHEDULE}, "guest") == FORBIDDEN
        assert call(world, "UPDATE_MAINTENANCE_SCHEDULE", {"schedule": SCHEDULE})[0] == 200
        assert call(world, "START_MAINTENANCE", machines, "guest") == FORBIDDEN
        assert call(world, "STOP_MAINTENANCE", machines, "guest")[0] == 400  # it is not down: that is said first
        assert call(world, "START_MAINTENANCE", machines)[0] == 200
        assert call(world, "STOP_MAINTENANCE", machines, "guest") == FORBIDDEN
        assert call(world, "STOP_MAINTENANCE", machines)[0] == 200

    def test_a_bad_schedule_is_said_to_be_bad(self, world):
        empty = {"schedule": {"windows": [{"machine_ids": [], "unavailability": {"start": {"nanoseconds": 1}}}]}}
        assert call(world, "UPDATE_MAINTENANCE_SCHEDULE", empty, "guest")[0] == 400

    def test_the_older_endpoints_are_the_same(self, world):
        for path, body in (
            ("/maintenance/schedule", SCHEDULE),
            ("/machine/down", [MACHINE]),
        ):
            assert world.request("POST", path, json.dumps(body).encode(), **as_("guest")).response.status == 403
            assert world.request("POST", path, json.dumps(body).encode(), **as_("op")).response.status == 200

    def test_machines_that_cannot_be_seen_are_left_out(self, world):
        assert call(world, "UPDATE_MAINTENANCE_SCHEDULE", {"schedule": SCHEDULE})[0] == 200
        for path, shown in (("/maintenance/schedule", "windows"), ("/maintenance/status", "draining_machines")):
            assert json.loads(world.request("GET", path, **as_("op")).response.body)[shown]
            assert json.loads(world.request("GET", path, **as_("guest")).response.body) == {}


# Operators: what they see


def query(world, kind: str, who: str) -> dict[str, Any]:
    status, body = call(world, kind, None, who)
    assert status == 200
    return json.loads(body).get(kind.lower(), {})


def get(world, target: str, who: str) -> Any:
    response = world.request("GET", target, **as_(who)).response
    assert response.status == 200, response
    return json.loads(response.body)


class TestEndpoints:
    @pytest.mark.parametrize(
        ("path", "name", "objects", "value"),
        [
            ("/flags", "view_flags", "flags", NONE),
            ("/metrics/snapshot", "get_endpoints", "paths", NONE),
            ("/logging/toggle", "get_endpoints", "paths", NONE),
            ("/files/debug", "get_endpoints", "paths", NONE),
        ],
    )
    def test_some_are_forbidden_as_such(self, make_closed, path, name, objects, value):
        world = make_closed(**{name: [{"principals": some("guest"), objects: value}]})
        response = world.request("GET", path, **as_("guest")).response
        assert (response.status, response.body) == FORBIDDEN
        assert world.request("GET", path, **as_("op")).response.status == 200

    def test_who_is_not_known_is_not_asked_for_more(self, make_closed):
        world = make_closed(view_flags=[acl("flags", flags=NONE)])
        assert world.request("GET", "/flags").response.status == 401

    def test_endpoints_that_are_not_named_stay_open(self, make_closed):
        world = make_closed(
            permissive=False, get_endpoints=[acl("paths", some("guest"), paths=some("/metrics/snapshot"))]
        )
        assert world.request("GET", "/metrics/snapshot", **as_("guest")).response.status == 200
        assert world.request("GET", "/files/debug", **as_("guest")).response.status == 403
        assert world.request("GET", "/state", **as_("guest")).response.status == 200

    def test_metrics_of_the_v1_api_are_open_to_all(self, make_closed):
        world = make_closed(permissive=False)
        assert call(world, "GET_METRICS", {}, "guest")[0] == 200


@pytest.fixture
def seen(make_closed, make_framework, task, amount):
    """Two frameworks with a task and an executor each; guest may see those of the user www only, and the role web."""
    only = {"view_frameworks": "users", "view_tasks": "users", "view_executors": "users"}
    acls = {name: [acl("users", some("guest"), users=some("www")), acl("users", some("guest"), users=NONE)]
            for name in only}  # fmt: skip
    acls["view_roles"] = [acl("roles", some("guest"), roles=some("web", "*")), acl("roles", some("guest"), roles=NONE)]
    acls["view_flags"] = [acl("flags", some("guest"), flags=NONE)]
    world = make_closed(**acls)
    world.registry.weights.update({"web": 2.0, "db": 3.0})
    agent = world.agent(resources="cpus:8;mem:8192;disk:100;cpus(web):1;cpus(db):1")
    for name, user in (("w", "www"), ("d", "db")):
        framework = make_framework(world, name=name, user=user).subscribe()
        offer = world.offer(framework, agent, "cpus:1;mem:128")
        executor = {
            "executor_id": {"value": f"{name}-executor"},
            "command": {"value": "true"},
            "resources": [amount("cpus", 0.1), amount("mem", 32)],
        }
        framework.launch(offer, task(f"{name}-task", offer, executor=executor))
    return world


class TestSeeing:
    def test_frameworks_tasks_and_executors_that_are_hidden_are_left_out(self, seen):
        for who, names in (("guest", ["w"]), ("op", ["w", "d"])):
            frameworks = query(seen, "GET_FRAMEWORKS", who)["frameworks"]
            assert [each["framework_info"]["name"] for each in frameworks] == names
            tasks = query(seen, "GET_TASKS", who)["tasks"]
            assert [each["name"] for each in tasks] == [f"{name}-task" for name in names]
            executors = query(seen, "GET_EXECUTORS", who)["executors"]
            assert [each["executor_info"]["executor_id"]["value"] for each in executors] == [
                f"{name}-executor" for name in names
            ]

    def test_the_whole_state_is_made_of_that(self, seen):
        state = query(seen, "GET_STATE", "guest")
        assert state["get_frameworks"] == query(seen, "GET_FRAMEWORKS", "guest")
        assert state["get_tasks"] == query(seen, "GET_TASKS", "guest")
        assert state["get_executors"] == query(seen, "GET_EXECUTORS", "guest")
        assert state["get_agents"] == query(seen, "GET_AGENTS", "guest")

    def test_protobuf_hides_the_same(self, seen):
        from pymesoskit.wire.v1 import master as pb

        response = seen.operator("GET_STATE", **as_("guest"), accept="application/x-protobuf")
        state = pb.Response.FromString(response.body).get_state
        assert [each.framework_info.name for each in state.get_frameworks.frameworks] == ["w"]
        assert [each.name for each in state.get_tasks.tasks] == ["w-task"]
        assert len(state.get_executors.executors) == 1
        assert {layer.role for each in state.get_agents.agents[0].total_resources for layer in each.reservations} == {
            "web"
        }

    def test_agents_are_seen_by_all_but_not_what_is_reserved_for_hidden_roles(self, seen):
        def roles(agent: dict[str, Any], name: str) -> set[str]:
            return {layer["role"] for each in agent[name] for layer in each.get("reservations", [])}

        for who, expected in (("guest", {"web"}), ("op", {"web", "db"})):
            (agent,) = query(seen, "GET_AGENTS", who)["agents"]
            assert roles(agent, "total_resources") == expected
            assert roles(agent["agent_info"], "resources") == expected

    def test_roles_weights_and_quota_of_hidden_roles_are_left_out(self, seen, amount):
        for who, expected in (("guest", {"web"}), ("op", {"web", "db"})):
            assert {each["name"] for each in query(seen, "GET_ROLES", who)["roles"]} == expected
            assert {each["role"] for each in query(seen, "GET_WEIGHTS", who)["weight_infos"]} == expected
            assert {each["name"] for each in get(seen, "/roles", who)["roles"]} == expected
            assert {each["role"] for each in get(seen, "/weights", who)} == expected

    def test_quotas_are_seen_by_those_who_may_get_them(self, make_closed):
        world = make_closed(get_quotas=[acl("roles", some("guest"), roles=some("a")),
                                        acl("roles", some("guest"), roles=NONE)])  # fmt: skip
        assert call(world, "UPDATE_QUOTA", {"quota_configs": [{"role": "a"}, {"role": "b"}]})[0] == 200
        for who, expected in (("guest", ["a"]), ("op", ["a", "b"])):
            assert [each["role"] for each in query(world, "GET_QUOTA", who)["status"]["configs"]] == expected
            assert [each["role"] for each in get(world, "/quota", who)["configs"]] == expected

    def test_the_older_endpoints_hide_the_same(self, seen):
        for who, names in (("guest", ["w"]), ("op", ["w", "d"])):
            for path in ("/state", "/frameworks", "/state-summary"):
                assert [each["name"] for each in get(seen, path, who)["frameworks"]] == names
            assert sorted(each["name"] for each in get(seen, "/tasks", who)["tasks"]) == sorted(
                f"{name}-task" for name in names
            )
        (agent,) = get(seen, "/slaves", "guest")["slaves"]
        assert set(agent["reserved_resources"]) == set(agent["reserved_resources_full"]) == {"web"}
        assert [each["name"] for each in agent["unreserved_resources_full"]] == ["cpus", "mem", "disk"]
        (agent,) = get(seen, "/state", "op")["slaves"]
        assert set(agent["reserved_resources"]) == {"web", "db"}

    def test_flags_are_in_the_state_for_those_who_may_see_them(self, seen):
        assert "flags" in get(seen, "/state", "op")
        assert "flags" not in get(seen, "/state", "guest")

    def test_a_hidden_task_or_executor_of_a_framework_that_is_seen(self, make_closed, task, amount):
        nothing = {name: [acl("users", some("guest"), users=NONE)] for name in ("view_tasks", "view_executors")}
        world = make_closed(**nothing)
        agent = world.agent()
        framework = world.framework()
        offer = world.offer(framework, agent)
        executor = {"executor_id": {"value": "e"}, "command": {"value": "true"}, "resources": [amount("cpus", 0.1)]}
        framework.launch(offer, task("t", offer, executor=executor))
        (shown,) = get(world, "/state", "guest")["frameworks"]
        assert shown["tasks"] == []
        assert shown["executors"] == [{}]  # an empty object in its place, as in Mesos
        assert get(world, "/tasks", "guest") == {"tasks": []}
        assert query(world, "GET_TASKS", "guest")["tasks"] == []
        assert query(world, "GET_EXECUTORS", "guest")["executors"] == []
        (shown,) = get(world, "/state", "op")["frameworks"]
        assert len(shown["tasks"]) == len(shown["executors"]) == 1

    def test_operations_on_resources_of_hidden_roles_are_left_out(self, make_closed, amount):
        world = make_closed(view_roles=[acl("roles", some("guest"), roles=NONE)])
        agent_id = {"value": world.agent().id}
        reserved = amount("cpus", 1, reservations=dynamic("a", principal="op"))
        payload = {"agent_id": agent_id, "resources": [reserved]}
        assert call(world, "RESERVE_RESOURCES", payload)[0] == 202
        assert call(world, "UNRESERVE_RESOURCES", payload)[0] == 202
        kinds = {who: [each["info"]["type"] for each in query(world, "GET_OPERATIONS", who).get("operations", [])]
                 for who in ("op", "guest")}  # fmt: skip
        assert kinds == {"op": ["RESERVE", "UNRESERVE"], "guest": ["RESERVE"]}  # what it consumes is unreserved


class TestEventStream:
    @pytest.fixture
    def subscribed(self, seen):
        """The world, and the streams of guest and op."""

        def subscribe(who: str):
            responder = seen.post({"type": "SUBSCRIBE"}, "/api/v1", **as_(who))
            assert responder.opened is not None
            return responder.opened

        return seen, subscribe("guest"), subscribe("op")

    def told(self, stream) -> list[str]:
        found = [event["type"] for event in stream.events if event["type"] not in {"SUBSCRIBED", "HEARTBEAT"}]
        stream.events.clear()
        return found

    def test_the_snapshot_is_what_can_be_seen(self, subscribed):
        _, guest, op = subscribed
        for stream, names in ((guest, ["w"]), (op, ["w", "d"])):
            state = stream.events[0]["subscribed"]["get_state"]
            assert [each["framework_info"]["name"] for each in state["get_frameworks"]["frameworks"]] == names
            assert [each["name"] for each in state["get_tasks"]["tasks"]] == [f"{name}-task" for name in names]

    def test_hidden_frameworks_and_their_tasks_are_not_told_of(self, subscribed, make_framework, task):
        world, guest, op = subscribed
        self.told(guest), self.told(op)
        agent = world.agent(port=6001)
        self.told(guest), self.told(op)
        for user, seen_by_guest in (("www", True), ("db", False)):
            framework = make_framework(world, user=user).subscribe()
            offer = world.offer(framework, agent, "cpus:1;mem:128")
            framework.launch(offer, task(f"t-{user}", offer))
            agent.update(framework.id, f"t-{user}", "TASK_RUNNING", b"1" * 16)
            framework.call("TEARDOWN")
            everything = self.told(op)
            assert everything[:3] == ["FRAMEWORK_ADDED", "TASK_ADDED", "TASK_UPDATED"]
            assert everything[-1] == "FRAMEWORK_REMOVED"
            assert self.told(guest) == (everything if seen_by_guest else [])

    def test_a_new_agent_is_told_of_without_what_is_reserved_for_hidden_roles(self, subscribed):
        world, guest, op = subscribed
        for stream in (guest, op):
            stream.events.clear()
        world.agent(port=6001, resources="cpus:1;cpus(web):1;cpus(db):1")
        for stream, roles in ((guest, {"web"}), (op, {"web", "db"})):
            (event,) = [event for event in stream.events if event["type"] == "AGENT_ADDED"]
            total = event["agent_added"]["agent"]["total_resources"]
            assert {layer["role"] for each in total for layer in each.get("reservations", [])} == roles
