"""Who may do what with a master: frameworks, agents, operators, and what each may see (docs/authorization.md)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from pymesoskit.testing.authentication import Credential
from pymesoskit.testing.authorization import AuthorizerError
from pymesoskit.testing.messages import ApplyOperation, RunTask, RunTaskGroup

ANY, NONE = {"type": "ANY"}, {"type": "NONE"}
CREDENTIALS = {"credentials": [{"principal": name, "secret": "s"} for name in ("op", "guest", "boss")]}


def some(*values: str) -> dict[str, Any]:
    return {"values": list(values)}


def acl(objects: str, principals: Any = ANY, **things: Any) -> dict[str, Any]:
    return {"principals": principals, objects: things[objects]}


def as_(principal: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{principal}:s".encode()).decode()}


@pytest.fixture
def make_closed(make_world, tmp_path):
    """Worlds with those ACLs, in which operators say who they are."""
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps(CREDENTIALS))

    def make(flags: dict[str, str] | None = None, **acls: Any):
        return make_world(
            acls=json.dumps(acls),
            credentials=str(path),
            authenticate_http_readonly="true",
            authenticate_http_readwrite="true",
            **(flags or {}),
        )

    return make


def test_an_authorizer_that_was_not_handed_in_is_an_error(make_world):
    with pytest.raises(AuthorizerError, match="Could not create 'mine' authorizer"):
        make_world(authorizers="mine")


# Frameworks


def test_a_framework_is_refused_by_an_error_and_the_end_of_its_stream(make_world, make_framework):
    world = make_world(acls=json.dumps({"register_frameworks": [acl("roles", some("p"), roles=some("web"))]}))
    world2 = make_world(acls=json.dumps({"permissive": False}))
    accepted = make_framework(world, principal="p").subscribe()
    assert accepted.events[0]["type"] == "SUBSCRIBED"
    refused = make_framework(world2, principal="p", roles=["web", "db"]).subscribe()
    (event,) = refused.events
    assert event == {
        "type": "ERROR",
        "error": {"message": "Not authorized to register framework  with roles { db, web }"},
    }
    assert refused.stream.closed
    assert not world2.state.frameworks


def test_who_subscribes_again_is_asked_again(make_world, make_framework):
    world = make_world(acls=json.dumps({"permissive": False, "register_frameworks": [acl("roles", roles=some("web"))]}))
    framework = make_framework(world).subscribe()
    old = framework.stream
    framework.info["roles"] = ["db"]
    framework.subscribe()
    assert framework.events[0]["error"]["message"] == (
        f"Not authorized to register framework {framework.id} with roles {{ db }}"
    )
    assert not old.closed


def test_what_is_wrong_with_the_framework_is_said_first(make_world, make_framework):
    world = make_world(acls='{"permissive": false}')
    framework = make_framework(world, roles=["a b"]).subscribe()
    assert "Not authorized" not in framework.events[0]["error"]["message"]


def test_a_change_of_principal_is_said_after_that(make_world, make_framework):
    world = make_world(acls=json.dumps({"register_frameworks": [acl("roles", some("q"), roles=NONE)]}))
    framework = make_framework(world, principal="p").subscribe()
    framework.info["principal"] = "q"
    assert "Not authorized" in framework.subscribe().events[0]["error"]["message"]
    framework.info["principal"] = "r"
    assert framework.subscribe().events[0]["error"]["message"] == "Changing framework's principal is not allowed."


def test_an_update_to_a_role_that_is_not_allowed_is_forbidden(make_world, make_framework):
    world = make_world(acls=json.dumps({"permissive": False, "register_frameworks": [acl("roles", roles=some("web"))]}))
    framework = make_framework(world).subscribe()
    update = {"framework_info": {**framework.info, "id": {"value": framework.id}, "roles": ["db", "web"]}}
    response = framework.call("UPDATE_FRAMEWORK", update)
    assert response.status == 403
    assert response.body.decode() == f"Not authorized to register framework {framework.id} with roles {{ db, web }}"
    assert world.state.frameworks[framework.id].roles == {"web"}
    update["framework_info"]["roles"] = ["web"]
    assert framework.call("UPDATE_FRAMEWORK", update).status == 200


# Tasks


@pytest.fixture
def tasks_world(make_world, make_framework):
    """A framework that may run tasks as www only, its agent and an offer."""
    world = make_world(acls=json.dumps({"run_tasks": [acl("users", some("p"), users=some("www"))], "permissive": False,
                                        "register_frameworks": [acl("roles", roles=ANY)],
                                        "register_agents": [acl("agents", agents=ANY)]}))  # fmt: skip
    agent = world.agent()
    framework = make_framework(world, principal="p", user="root").subscribe()
    return world, framework, agent, world.offer(framework, agent)


def test_a_task_of_a_user_that_is_not_allowed_is_an_error(tasks_world, task):
    world, framework, agent, offer = tasks_world
    framework.launch(
        offer,
        task("good", offer, command={"value": "true", "user": "www"}),
        task("bad", offer),
        task("also bad", offer, command={"value": "true", "user": "db"}),
    )
    assert [message.task.task_id.value for message in agent.take(RunTask)] == ["good"]
    statuses = framework.take_statuses()
    assert [(s["task_id"]["value"], s["state"], s["reason"], s["source"]) for s in statuses] == [
        ("bad", "TASK_ERROR", "REASON_TASK_UNAUTHORIZED", "SOURCE_MASTER"),
        ("also bad", "TASK_ERROR", "REASON_TASK_UNAUTHORIZED", "SOURCE_MASTER"),
    ]
    assert "uuid" not in statuses[0]
    assert statuses[0]["message"] == (
        f"Principal 'p' no authorized to launch task bad of framework {framework.id} under user 'root'"
    )
    assert statuses[1]["message"].endswith("under user 'db'")
    assert world.state.counters["master/task_error/source_master/reason_task_unauthorized"] == 2


def test_that_a_task_is_not_allowed_is_said_before_what_else_is_wrong_with_it(tasks_world, task):
    _, framework, _, offer = tasks_world
    framework.launch(offer, task("bad", offer, cpus=100))
    (status,) = framework.take_statuses()
    assert status["reason"] == "REASON_TASK_UNAUTHORIZED"


def test_the_resources_of_a_task_that_is_refused_are_given_back(tasks_world, task):
    world, framework, _, offer = tasks_world
    framework.launch(offer, task("bad", offer))
    (given,) = [args for args, _ in world.allocator.named("recover_resources")]
    assert given[3].cpus() == 4


def group(executor: dict[str, Any], *tasks: dict[str, Any]) -> dict[str, Any]:
    return {"type": "LAUNCH_GROUP", "launch_group": {"executor": executor, "task_group": {"tasks": list(tasks)}}}


def test_a_group_is_refused_as_a_whole_for_its_last_task_that_is_not_allowed(tasks_world, task, amount):
    _, framework, agent, offer = tasks_world
    executor = {
        "type": "DEFAULT",
        "executor_id": {"value": "e"},
        "framework_id": {"value": framework.id},
        "resources": [amount("cpus", 0.1), amount("mem", 32), amount("disk", 32)],
    }
    www = {"command": {"value": "true", "user": "www"}}
    tasks = [task("bad", offer), task("worse", offer), task("good", offer, **www)]
    framework.accept(offer, operations=[group(executor, *tasks)])
    statuses = framework.take_statuses()
    assert [status["task_id"]["value"] for status in statuses] == ["bad", "worse", "good"]
    assert {status["reason"] for status in statuses} == {"REASON_TASK_GROUP_UNAUTHORIZED"}
    assert {status["message"] for status in statuses} == {
        f"Task 'worse' is not authorized tolaunch task worse of framework {framework.id} under user 'root'"
    }
    assert agent.take(RunTaskGroup) == []


# Operations of frameworks


@pytest.fixture
def operating(make_world, make_framework):
    """A framework of principal p with an offer, in a world of those ACLs."""

    def make(resources: str = "cpus:4;mem:4096;disk:1000", principal: str | None = "p", **acls: Any):
        world = make_world(acls=json.dumps(acls))
        agent = world.agent(resources=resources)
        named = {} if principal is None else {"principal": principal}
        framework = make_framework(world, **named).subscribe()
        offer = world.offer(framework, agent, resources)
        return framework, agent, offer

    return make


def drop_of(framework) -> str:
    """Why the framework's operation was dropped."""
    (status,) = [event["update_operation_status"]["status"] for event in framework.take()]
    assert status["state"] == "OPERATION_ERROR"
    return status["message"]


def dynamic(role: str = "web", **fields: str) -> list[dict[str, Any]]:
    return [{"type": "DYNAMIC", "role": role, **fields}]


def test_a_reservation_for_a_role_that_is_not_allowed_is_dropped(operating, amount):
    framework, agent, offer = operating(reserve_resources=[acl("roles", some("p"), roles=some("db"))], permissive=True,
                                        create_volumes=[acl("roles", roles=NONE)])  # fmt: skip
    mine = dynamic(principal="p")
    reserve = {
        "type": "RESERVE",
        "id": {"value": "o"},
        "reserve": {"resources": [amount("cpus", 1, reservations=mine)]},
    }
    framework.accept(offer, operations=[reserve])
    assert len(agent.take(ApplyOperation)) == 1  # permissive: the ACL is about another role

    framework, agent, offer = operating(reserve_resources=[acl("roles", some("p"), roles=NONE)])
    framework.accept(offer, operations=[reserve])
    assert drop_of(framework) == (
        "Principal 'p' no authorized to perform action RESERVE_RESOURCES on object "
        '{"value":"web","resource":{"name":"cpus","type":"SCALAR","scalar":{"value":1.0},"allocation_info":'
        '{"role":"web"},"reservations":[{"type":"DYNAMIC","role":"web","principal":"p"}]}}'
    )
    assert agent.take(ApplyOperation) == []


def test_what_is_wrong_with_an_operation_is_said_first(operating, amount):
    framework, _, offer = operating(reserve_resources=[acl("roles", roles=NONE)])
    wrong = amount("cpus", 1, reservations=dynamic(principal="q"))
    framework.accept(offer, operations=[{"type": "RESERVE", "id": {"value": "o"}, "reserve": {"resources": [wrong]}}])
    assert "authorized" not in drop_of(framework)


def test_only_who_reserved_may_be_allowed_to_unreserve(operating, amount):
    allowed = [acl("reserver_principals", some("p"), reserver_principals=some("p"))]
    for reserver, dropped in (("p", False), ("q", True)):
        framework, _, offer = operating(permissive=True, unreserve_resources=[
            *allowed, acl("reserver_principals", some("p"), reserver_principals=NONE),
        ])  # fmt: skip
        reserved = amount("cpus", 1, reservations=dynamic(principal=reserver))
        framework.accept(  # the offer holds nothing reserved; that is said after a refusal
            offer, operations=[{"type": "UNRESERVE", "id": {"value": "o"}, "unreserve": {"resources": [reserved]}}]
        )
        assert ("no authorized to perform action UNRESERVE_RESOURCES on object" in drop_of(framework)) is dropped


def volume(amount, creator: str = "p", size: float = 10) -> dict[str, Any]:
    disk = {"persistence": {"id": "v", "principal": creator}, "volume": {"container_path": "v", "mode": "RW"}}
    return amount("disk", size, reservations=dynamic(principal="p"), disk=disk)


@pytest.mark.parametrize(("creates", "destroys", "applied"), [(True, True, 3), (True, False, 2), (False, True, 1)])
def test_volumes_are_created_and_destroyed_by_those_who_may(operating, amount, creates, destroys, applied):
    framework, agent, offer = operating(
        create_volumes=[acl("roles", roles=ANY if creates else NONE)],
        destroy_volumes=[acl("creator_principals", creator_principals=ANY if destroys else NONE)],
    )
    reserved = amount("disk", 10, reservations=dynamic(principal="p"))
    operations = [
        {"type": "RESERVE", "reserve": {"resources": [reserved]}},
        {"type": "CREATE", "id": {"value": "c"}, "create": {"volumes": [volume(amount)]}},
        {"type": "DESTROY", "id": {"value": "d"}, "destroy": {"volumes": [volume(amount)]}},
    ]
    framework.accept(offer, operations=operations if creates else operations[:2])
    assert len(agent.take(ApplyOperation)) == applied
    if applied < 3:
        action, value = ("DESTROY_VOLUME", "p") if creates else ("CREATE_VOLUME", "web")
        assert drop_of(framework).startswith(
            f'Principal \'p\' no authorized to perform action {action} on object {{"value":"{value}","resource":{{'
        )


def test_volumes_are_resized_by_those_who_may(operating, amount):
    framework, agent, offer = operating(resize_volumes=[acl("roles", roles=NONE)])
    reserved = amount("disk", 10, reservations=dynamic(principal="p"))
    grow = {"volume": volume(amount), "addition": amount("disk", 5, reservations=dynamic(principal="p"))}
    shrink = {"volume": volume(amount), "subtract": {"value": 2}}
    for operation in (
        {"type": "GROW_VOLUME", "id": {"value": "g"}, "grow_volume": grow},
        {"type": "SHRINK_VOLUME", "id": {"value": "s"}, "shrink_volume": shrink},
    ):
        framework.accept(
            framework.world.offer(framework, agent, "cpus:1;disk:100"),
            operations=[
                {"type": "RESERVE", "reserve": {"resources": [reserved]}},
                {"type": "CREATE", "create": {"volumes": [volume(amount)]}},
                operation,
            ],
        )
        assert "Principal 'p' no authorized to perform action RESIZE_VOLUME on object" in drop_of(framework)
    del offer


@pytest.mark.parametrize(
    ("kind", "source", "fields", "action"),
    [
        ("CREATE_DISK", {"type": "RAW", "profile": "fast"}, {"target_type": "MOUNT"}, "CREATE_MOUNT_DISK"),
        ("CREATE_DISK", {"type": "RAW", "profile": "fast"}, {"target_type": "BLOCK"}, "CREATE_BLOCK_DISK"),
        ("DESTROY_DISK", {"type": "MOUNT", "id": "v1"}, {}, "DESTROY_MOUNT_DISK"),
        ("DESTROY_DISK", {"type": "BLOCK", "id": "v1"}, {}, "DESTROY_BLOCK_DISK"),
        ("DESTROY_DISK", {"type": "RAW", "id": "v1"}, {}, "DESTROY_RAW_DISK"),
    ],
)
@pytest.mark.parametrize("allowed", [False, True])
def test_disks_are_made_and_destroyed_by_those_who_may(operating, amount, kind, source, fields, action, allowed):
    """Where nothing is refused the pool lacks the disk, as ever."""
    framework, _, offer = operating(
        **{f"{action.lower()}s": [acl("roles", some("p"), roles=ANY if allowed else NONE)]}, permissive=True
    )
    disk = amount("disk", 100, disk={"source": source}) | {"provider_id": {"value": "p"}}
    operation = {"type": kind, "id": {"value": "o"}, kind.lower(): {"source": disk, **fields}}
    framework.accept(offer, operations=[operation])
    said = f"Invalid {kind} Operation" if allowed else f"Principal 'p' no authorized to perform action {action} on"
    assert drop_of(framework).startswith(said)


def test_a_framework_without_a_principal_is_anybody(operating, amount):
    framework, _, offer = operating(principal=None, permissive=False,
                                    register_frameworks=[acl("roles", roles=ANY)],
                                    register_agents=[acl("agents", agents=ANY)],
                                    reserve_resources=[acl("roles", some("p"), roles=ANY)])  # fmt: skip
    reserve = {"resources": [amount("cpus", 1, reservations=dynamic())]}
    framework.accept(offer, operations=[{"type": "RESERVE", "id": {"value": "o"}, "reserve": reserve}])
    assert drop_of(framework).startswith("Principal '' no authorized to perform action RESERVE_RESOURCES on object")


# Agents


def test_an_agent_that_is_not_allowed_is_not_answered(make_world, make_agent):
    world = make_world(acls=json.dumps({"register_agents": [acl("agents", agents=NONE)]}))
    agent = make_agent(world).register()
    assert agent.received == []
    assert not world.state.agents
    assert "Not authorized to register agent providing resources 'cpus:4" in world.history.story()
    assert "without a principal" in world.history.story()


def test_what_an_agent_reserves_itself_must_be_allowed_too(make_world, make_agent):
    acls = {"permissive": False, "register_agents": [acl("agents", agents=ANY)]}
    plain, reserving = "cpus:4", "cpus:4;cpus(web):1"
    for allowed in (False, True):
        if allowed:
            acls["reserve_resources"] = [acl("roles", roles=some("web", "*"))]
        world = make_world(acls=json.dumps(acls))
        assert make_agent(world, port=6001, resources=plain).register().id
        assert bool(make_agent(world, port=6002, resources=reserving).register().id) is allowed


def test_an_agent_that_comes_back_is_asked_again(make_world, make_agent):
    world = make_world()
    agent = make_agent(world).register()
    world.master.terminate()
    world.flags = type(world.flags).from_texts({"acls": json.dumps({"register_agents": [acl("agents", agents=NONE)]})})
    world.start_master()
    agent.received.clear()
    agent.reregister()
    assert agent.received == []
    assert not world.state.agents


class TestAgentsThatSayWhoTheyAre:
    @pytest.fixture
    def admits(self, make_agent):
        """Whether a world admits an agent with that credential."""
        ports = iter(range(6000, 7000))

        def admits(world, principal: str | None, secret: str = "s") -> bool:
            credential = None if principal is None else Credential(principal, secret)
            return bool(make_agent(world, port=next(ports), credential=credential).register().id)

        return admits

    def test_acls_are_about_their_principals(self, make_closed, admits):
        world = make_closed(permissive=False, register_agents=[acl("agents", some("op"), agents=ANY)])
        assert admits(world, "op")
        assert not admits(world, "guest")
        assert "with principal 'guest'" in world.history.story()
        assert not admits(world, None)

    def test_who_is_not_who_it_says_is_not_answered(self, make_closed, make_world, admits):
        world = make_closed()
        assert admits(world, "op")
        assert not admits(world, "op", "wrong")
        assert not admits(world, "nobody")
        assert not admits(make_world(), "op")  # a master without credentials knows nobody
        assert "is ignored: it is not known to be 'nobody'" in world.history.story()

    def test_they_have_to_if_the_flags_say_so(self, make_closed, admits):
        assert admits(make_closed(), None)
        world = make_closed({"authenticate_agents": "true"})
        assert not admits(world, None)
        assert "is ignored: it is not authenticated" in world.history.story()
        assert admits(world, "op")

    def test_they_have_to_when_they_come_back(self, make_closed, make_agent):
        world = make_closed()
        agent = make_agent(world, credential=Credential("op", "s")).register()
        agent.received.clear()
        agent.credential = Credential("op", "wrong")
        agent.reregister()
        assert agent.received == []
        agent.credential = Credential("op", "s")
        agent.reregister()
        assert agent.received


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


class Broken:
    def approver(self, subject, action):
        raise RuntimeError("no idea")


def test_an_authorizer_that_fails_refuses_and_the_master_goes_on(world, make_framework):
    world.master.terminate()
    world.flags = type(world.flags).from_texts({"authorizers": "mine"})
    world.authorizers = {"mine": Broken()}
    world.start_master()
    framework = make_framework(world, principal="p").subscribe()
    assert framework.events[0]["error"]["message"].startswith("Not authorized to register framework")
    assert (
        "the authorizer fails for 'p' and REGISTER_FRAMEWORK, which is refused: RuntimeError" in world.history.story()
    )
    assert world.operator("GET_FLAGS").status == 403
    assert world.request("GET", "/health").response.status == 200
