"""Who may do what with a master: frameworks, agents (docs/authorization.md)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pymesoskit.testing.engine.authorization import AuthorizerError
from pymesoskit.testing.engine.http.authentication import Credential
from pymesoskit.testing.engine.network.messages import ApplyOperation, RunTask, RunTaskGroup
from tests.master.auth.acls import ANY, NONE, acl, dynamic, some


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
