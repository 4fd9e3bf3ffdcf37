"""Who may do what with an agent: tasks, containers, sandboxes, and what can be seen (docs/authorization.md)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.agent import Outcome
from pymesoskit.testing.engine.agent.tokens import sign
from pymesoskit.testing.engine.authorization import AuthorizerError
from pymesoskit.testing.engine.http.authentication import Credential, CredentialsError
from pymesoskit.testing.engine.network.messages import DrainAgent, ExitedExecutor, RegisterAgent, ReregisterAgent
from pymesoskit.wire.v1 import mesos
from tests.agent.test_containers import RECORDIO, nested
from tests.agent.test_executors import CustomWorld, status_of
from tests.agent.world import FRAMEWORK_ID, Answer, RealWorld, World, executor, framework, task

if TYPE_CHECKING:
    from pathlib import Path

ANY, NONE = {"type": "ANY"}, {"type": "NONE"}
FORBIDDEN = (403, b"403 Forbidden.")
SECRET = b"0123456789abcdef"


def some(*values: str) -> dict[str, Any]:
    return {"values": list(values)}


def basic(principal: str) -> str:
    return "Basic " + base64.b64encode(f"{principal}:s".encode()).decode()


def closed_flags(tmp_path: Path, acls: dict[str, Any]) -> dict[str, str]:
    """The flags of an agent with ACLs, where operators say who they are: ``op`` or ``guest``."""
    credentials = tmp_path / "credentials"
    entries = [{"principal": name, "secret": "s"} for name in ("op", "guest")]
    credentials.write_text(json.dumps({"credentials": entries}))
    return {
        "acls": json.dumps(acls),
        "authenticate_http_readonly": "true",
        "authenticate_http_readwrite": "true",
        "http_credentials": str(credentials),
    }


class Asked(World):
    """A world that operators talk to."""

    def get(self, target: str, who: str = "guest") -> Answer:
        return self.http("GET", target, authorization=basic(who))

    def json(self, target: str, who: str) -> Any:
        answer = self.get(target, who)
        assert status_of(answer)[0] == 200, answer.response
        assert answer.response is not None
        return json.loads(answer.response.body)

    def call(self, kind: str, payload: dict[str, Any] | None = None, who: str = "guest", **headers: str) -> Answer:
        document = {"type": kind, **({} if payload is None else {kind.lower(): payload})}
        given = {"content_type": "application/json", "authorization": basic(who), **headers}
        return self.http("POST", "/api/v1", json.dumps(document).encode(), **given)

    def query(self, kind: str, who: str, payload: dict[str, Any] | None = None) -> Any:
        answer = self.call(kind, payload, who)
        assert status_of(answer)[0] == 200, answer.response
        assert answer.response is not None
        return json.loads(answer.response.body).get(kind.lower(), {})


class ClosedWorld(Asked):
    def __init__(self, tmp_path: Path, acls: dict[str, Any], **flags: str) -> None:
        super().__init__({"*": Outcome.runs()}, **closed_flags(tmp_path, acls), **flags)


class ClosedCustomWorld(Asked, CustomWorld):
    """The same with a disk, where commands run until the test ends them."""

    def __init__(self, tmp_path: Path, acls: dict[str, Any]) -> None:
        CustomWorld.__init__(self, tmp_path / "work", **closed_flags(tmp_path, acls), switch_user="false")


class ClosedRealWorld(Asked, RealWorld):
    """The same with real processes, in real time."""

    def __init__(self, tmp_path: Path, acls: dict[str, Any]) -> None:
        RealWorld.__init__(self, tmp_path / "work", **closed_flags(tmp_path, acls))


def refusal(answer: Answer) -> tuple[int, bytes]:
    assert answer.response is not None
    return answer.response.status, answer.response.body


def test_an_authorizer_that_was_not_handed_in_is_an_error() -> None:
    with pytest.raises(AuthorizerError, match="Could not create 'mine' authorizer"):
        World(authorizer="mine")


@pytest.mark.parametrize("given", [True, False])
def test_an_agent_tells_masters_who_it_is(tmp_path: Path, given: bool) -> None:
    (tmp_path / "credential").write_text('{"principal": "agents", "secret": "s"}')
    world = World(**({"credential": str(tmp_path / "credential")} if given else {})).start()
    world.restart()
    world.actor.run_until(lambda: world.agent.registered)
    messages = [*world.master.got(RegisterAgent), *world.master.got(ReregisterAgent)]
    assert messages
    for message in messages:
        assert message.credential == (Credential("agents", "s") if given else None)
        assert "'s'" not in repr(message.credential)


def test_a_credential_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "credential").write_text('{"principal": 1}')
    with pytest.raises(CredentialsError, match="the file needs a 'principal' and a 'secret', both text"):
        World(credential=str(tmp_path / "credential"))


# Tasks


def only_www(**more: Any) -> str:
    return json.dumps({"run_tasks": [{"principals": some("p"), "users": some("www")}], "permissive": False, **more})


def of(principal: str | None, user: str = "root", partition_aware: bool = True) -> mesos.FrameworkInfo:
    info = framework(partition_aware=partition_aware)
    info.user = user
    if principal is not None:
        info.principal = principal
    return info


@pytest.mark.parametrize("partition_aware", [True, False])
def test_a_task_of_a_user_that_is_not_allowed_is_an_error(partition_aware: bool) -> None:
    world = World(acls=only_www()).start()
    bad = task("bad")
    world.run(bad, info=of("p", partition_aware=partition_aware))
    (status,) = world.master.statuses("bad")
    assert mesos.TaskState.Name(status.state) == "TASK_ERROR"
    assert status.reason == mesos.TaskStatus.REASON_TASK_UNAUTHORIZED
    assert status.source == mesos.TaskStatus.SOURCE_AGENT
    assert status.uuid
    printed = str(bad).replace("agent_id {", "slave_id {")
    assert status.message == f"Framework {FRAMEWORK_ID} is not authorized to launch task {printed}"
    assert 'slave_id {\n  value: "M-S0"\n}' in status.message
    assert not world.agent.core.frameworks


@pytest.mark.parametrize(
    ("principal", "user", "runs"), [("p", "www", True), ("p", "root", False), ("q", "www", False), (None, "www", False)]
)
def test_the_principal_of_the_framework_and_the_user_of_the_task_count(
    principal: str | None, user: str, runs: bool
) -> None:
    world = World({"*": Outcome.runs()}, acls=only_www()).start()
    world.run(task("t1"), info=of(principal, user))
    assert ("TASK_ERROR" in world.master.states("t1")) is not runs


def test_a_group_is_refused_as_a_whole() -> None:
    world = World(acls=only_www()).start()
    good = task("good")
    good.command.user = "www"
    world.run_group(good, task("bad"), info=of("p"))
    for name in ("good", "bad"):
        (status,) = world.master.statuses(name)
        assert mesos.TaskState.Name(status.state) == "TASK_ERROR"
        assert status.reason == mesos.TaskStatus.REASON_TASK_GROUP_UNAUTHORIZED
        assert 'launch task name: "bad"' in status.message


def test_the_master_is_told_that_the_executor_that_it_expects_is_not_there() -> None:
    world = World(acls=only_www()).start()
    world.run_group(task("bad"), info=of("p"))
    (exited,) = world.master.got(ExitedExecutor)
    assert (exited.framework_id, exited.executor_id, exited.status) == (FRAMEWORK_ID, "default", -1)
    world.run_group(task("bad"), info=of("p"), launch_executor=False)
    assert len(world.master.got(ExitedExecutor)) == 1


def test_limits_are_looked_at_before_and_whether_the_agent_drains_after(tmp_path: Path) -> None:
    world = RealWorld(tmp_path, acls=only_www())
    try:
        world.start()
        limited = task("limited")
        limited.limits["cpus"].value = 1
        world.run(limited, info=of("p"))
        world.send(DrainAgent(mesos.DrainConfig()))
        world.run(task("bad"), info=of("p"))
        reasons = {name: world.master.statuses(name)[0].reason for name in ("limited", "bad")}
        assert reasons == {
            "limited": mesos.TaskStatus.REASON_GC_ERROR,
            "bad": mesos.TaskStatus.REASON_TASK_UNAUTHORIZED,
        }
    finally:
        world.close()


# Calls and endpoints that are closed as such


@pytest.mark.parametrize(
    ("path", "name", "objects"),
    [
        ("/flags", "view_flags", "flags"),
        ("/containers", "get_endpoints", "paths"),
        ("/monitor/statistics", "get_endpoints", "paths"),
        ("/containerizer/debug", "get_endpoints", "paths"),
        ("/metrics/snapshot", "get_endpoints", "paths"),
        ("/files/debug", "get_endpoints", "paths"),
    ],
)
def test_endpoints_that_are_closed_as_such(tmp_path: Path, path: str, name: str, objects: str) -> None:
    world = ClosedWorld(tmp_path, {name: [{"principals": some("guest"), objects: NONE}]}).start()
    assert refusal(world.get(path)) == FORBIDDEN
    assert status_of(world.get(path, "op"))[0] == 200
    if path != "/metrics/snapshot":
        assert status_of(world.http("POST", path, authorization=basic("op")))[0] == 405


@pytest.mark.parametrize(
    ("kind", "payload", "name", "objects", "otherwise"),
    [
        ("GET_FLAGS", None, "view_flags", "flags", 200),
        ("SET_LOGGING_LEVEL", {"level": 1, "duration": {"nanoseconds": 1}}, "set_log_level", "level", 200),
        ("PRUNE_IMAGES", {}, "prune_images", "images", 200),
        (
            "MARK_RESOURCE_PROVIDER_GONE",
            {"resource_provider_id": {"value": "x"}},
            "mark_resource_providers_gone",
            "resource_providers",
            501,
        ),
        (
            "REMOVE_RESOURCE_PROVIDER_CONFIG",
            {"type": "x", "name": "y"},
            "modify_resource_provider_configs",
            "resource_providers",
            500,
        ),
    ],
)
def test_calls_that_are_closed_as_such(
    tmp_path: Path, kind: str, payload: Any, name: str, objects: str, otherwise: int
) -> None:
    world = ClosedWorld(tmp_path, {name: [{"principals": some("guest"), objects: NONE}]}).start()
    assert refusal(world.call(kind, payload)) == FORBIDDEN
    assert status_of(world.call(kind, payload, "op"))[0] == otherwise


# What is seen


@pytest.fixture
def seen(tmp_path: Path) -> ClosedWorld:
    """Two frameworks with a task each; guest may see what is www's."""
    hidden = [{"principals": some("guest"), "users": some("www")}, {"principals": some("guest"), "users": NONE}]
    acls: dict[str, Any] = dict.fromkeys(("view_frameworks", "view_tasks", "view_executors", "view_containers"), hidden)
    acls["view_flags"] = [{"principals": some("guest"), "flags": NONE}]
    acls["view_roles"] = [{"principals": some("guest"), "roles": NONE}]
    world = ClosedWorld(tmp_path, acls)
    world.agent = world.new_agent("cpus:4;mem:4096;cpus(db):1")
    world.start()
    for name, user in (("w", "www"), ("d", "db")):
        info = framework(framework_id=name)
        info.name, info.user = name, user
        world.run(task(f"{name}-task", executor=executor(f"{name}-executor"), command=None), info=info)
    return world


def test_frameworks_executors_and_tasks_that_are_hidden_are_left_out(seen: ClosedWorld) -> None:
    for who, names in (("guest", ["w"]), ("op", ["w", "d"])):
        state = seen.query("GET_STATE", who)
        assert state["get_frameworks"] == seen.query("GET_FRAMEWORKS", who)
        assert state["get_executors"] == seen.query("GET_EXECUTORS", who)
        assert state["get_tasks"] == seen.query("GET_TASKS", who)
        assert [each["framework_info"]["name"] for each in state["get_frameworks"]["frameworks"]] == names
        assert [each["executor_info"]["executor_id"]["value"] for each in state["get_executors"]["executors"]] == [
            f"{name}-executor" for name in names
        ]
        tasks = state["get_tasks"]["queued_tasks"] + state["get_tasks"]["launched_tasks"]
        assert [each["name"] for each in tasks] == [f"{name}-task" for name in names]


def test_the_older_endpoints_hide_the_same(seen: ClosedWorld) -> None:
    for who, names in (("guest", ["w"]), ("op", ["w", "d"])):
        frameworks = seen.json("/state", who)["frameworks"]
        assert [each["name"] for each in frameworks] == names
        assert [each["id"] for each in frameworks[0]["executors"]] == ["w-executor"]
        assert [each["framework_id"] for each in seen.json("/containers", who)] == names


def test_completed_ones_are_hidden_as_well(seen: ClosedWorld) -> None:
    from pymesoskit.testing.engine.network.messages import ShutdownFramework

    for framework_id in ("w", "d"):
        seen.send(ShutdownFramework(framework_id))
    seen.advance(20)
    for who, names in (("guest", ["w"]), ("op", ["w", "d"])):
        frameworks = seen.json("/state", who)["completed_frameworks"]
        assert [each["name"] for each in frameworks] == names
        assert [len(each["completed_executors"]) for each in frameworks] == [1] * len(names)
        completed = seen.query("GET_EXECUTORS", who)["completed_executors"]
        assert len(completed) == len(names)
        assert len(seen.query("GET_TASKS", who)["completed_tasks"]) == len(names)


def test_a_hidden_executor_hides_its_tasks(tmp_path: Path) -> None:
    world = ClosedWorld(tmp_path, {"view_executors": [{"principals": some("guest"), "users": NONE}]}).start()
    world.run(task("t1", executor=executor(), command=None))
    assert not any(world.query("GET_TASKS", "guest").values())
    assert any(world.query("GET_TASKS", "op").values())
    (shown,) = world.json("/state", "guest")["frameworks"]
    assert shown["executors"] == []
    (shown,) = world.json("/state", "op")["frameworks"]
    assert len(shown["executors"]) == 1


def test_a_hidden_task_of_an_executor_that_is_seen(tmp_path: Path) -> None:
    world = ClosedWorld(tmp_path, {"view_tasks": [{"principals": some("guest"), "users": NONE}]}).start()
    world.run(task("t1", executor=executor(), command=None))
    (shown,) = world.json("/state", "guest")["frameworks"]
    (only,) = shown["executors"]
    assert only["tasks"] == only["queued_tasks"] == []
    assert world.query("GET_TASKS", "guest")["queued_tasks"] == []


def test_reserved_resources_and_flags_are_shown_to_those_who_may_see_them(seen: ClosedWorld) -> None:
    for who, roles in (("guest", set()), ("op", {"db"})):
        state = seen.json("/state", who)
        assert set(state["reserved_resources"]) == set(state["reserved_resources_full"]) == roles
        assert ("flags" in state) is (who == "op")
        assert state["unreserved_resources"]["cpus"] == 4


def test_containers_are_seen_by_the_user_of_their_executor(seen: ClosedWorld) -> None:
    for who, names in (("guest", ["w"]), ("op", ["w", "d"])):
        containers = seen.query("GET_CONTAINERS", who, {"show_nested": True, "show_standalone": True})["containers"]
        assert [each["framework_id"]["value"] for each in containers] == names


# Containers


def top_of(world: World) -> str:
    ((_, running),) = world.agent.core.executors()
    return running.container_id


CALLS = [
    ("LAUNCH_NESTED_CONTAINER", {"command": {"value": "x"}}, "launch_nested_containers_under_parent_with_user"),
    ("LAUNCH_NESTED_CONTAINER", {"command": {"value": "x", "user": "u"}}, "launch_nested_containers_as_user"),
    ("LAUNCH_CONTAINER", {"command": {"value": "x"}}, "launch_nested_containers_under_parent_with_user"),
    ("WAIT_NESTED_CONTAINER", {}, "wait_nested_containers"),
    ("WAIT_CONTAINER", {}, "wait_nested_containers"),
    ("KILL_NESTED_CONTAINER", {}, "kill_nested_containers"),
    ("KILL_CONTAINER", {}, "kill_nested_containers"),
    ("REMOVE_NESTED_CONTAINER", {}, "remove_nested_containers"),
    ("REMOVE_CONTAINER", {}, "remove_nested_containers"),
    ("ATTACH_CONTAINER_OUTPUT", {}, "attach_containers_output"),
    (
        "LAUNCH_NESTED_CONTAINER_SESSION",
        {"command": {"value": "x"}},
        "launch_nested_container_sessions_under_parent_with_user",
    ),
]


@pytest.mark.parametrize(("kind", "payload", "name"), CALLS)
def test_containers_below_an_executor_are_its_users(
    tmp_path: Path, kind: str, payload: dict[str, Any], name: str
) -> None:
    world = ClosedWorld(tmp_path, {name: [{"principals": some("guest"), "users": NONE}]}).start()
    world.run_group(task("t1"))
    about = {"container_id": nested(top_of(world)), **payload}
    headers = RECORDIO if kind in {"ATTACH_CONTAINER_OUTPUT", "LAUNCH_NESTED_CONTAINER_SESSION"} else {}
    assert refusal(world.call(kind, about, **headers)) == FORBIDDEN
    if not kind.startswith("LAUNCH"):
        created = {"container_id": nested(top_of(world)), "command": {"value": "x"}}
        assert status_of(world.call("LAUNCH_NESTED_CONTAINER", created, "op"))[0] == 200
    allowed = world.call(kind, about, "op", **headers)
    assert allowed.response is None or allowed.response.status != 403


@pytest.mark.parametrize("kind", ["LAUNCH", "WAIT", "KILL", "REMOVE"])
def test_standalone_containers_are_allowed_or_not(tmp_path: Path, kind: str) -> None:
    name = f"{kind.lower()}_standalone_containers"
    world = ClosedWorld(tmp_path, {name: [{"principals": some("guest"), "users": NONE}]}).start()
    about = {"container_id": {"value": "alone"}, "command": {"value": "x"}}
    payload = about if kind == "LAUNCH" else {"container_id": about["container_id"]}
    assert refusal(world.call(f"{kind}_CONTAINER", payload)) == FORBIDDEN
    assert status_of(world.call("LAUNCH_CONTAINER", about, "op"))[0] == 200
    allowed = world.call(f"{kind}_CONTAINER", payload, "op")
    assert allowed.response is None or allowed.response.status != 403


def test_standalone_containers_are_seen_by_those_who_may(tmp_path: Path) -> None:
    acls = {"view_standalone_containers": [{"principals": some("guest"), "users": NONE}]}
    world = ClosedRealWorld(tmp_path, acls)
    try:
        world.start()
        alone = {"container_id": {"value": "alone"}, "command": {"value": "sleep 1000"}}
        launched = world.call("LAUNCH_CONTAINER", alone, "op")
        world.actor.run_until(lambda: launched.response is not None)
        assert len(world.query("GET_CONTAINERS", "op", {"show_standalone": True})["containers"]) == 1
        assert world.query("GET_CONTAINERS", "guest", {"show_standalone": True}) == {}
    finally:
        world.close()


def test_input_goes_to_those_containers_only_that_are_allowed(tmp_path: Path) -> None:
    from pymesoskit.wire import encode_record

    world = ClosedWorld(tmp_path, {"attach_containers_input": [{"principals": some("guest"), "users": NONE}]}).start()
    world.run_group(task("t1"))
    about = {"container_id": nested(top_of(world)), "type": "CONTAINER_ID"}
    record = encode_record(json.dumps({"type": "ATTACH_CONTAINER_INPUT", "attach_container_input": about}).encode())
    headers = {"content_type": "application/recordio", "message_content_type": "application/json"}
    answers = {
        who: world.http("POST", "/api/v1", record, authorization=basic(who), **headers) for who in ("guest", "op")
    }
    assert refusal(answers["guest"]) == FORBIDDEN
    assert status_of(answers["op"])[0] == 500  # there is no such container


# Executors with a token


def test_an_executor_handles_the_containers_below_its_own_with_its_token(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(SECRET)
    world = ClosedWorld(
        tmp_path,
        {"permissive": False, "run_tasks": [{"principals": ANY, "users": ANY}]},
        authenticate_http_executors="true",
        jwt_secret_key=str(tmp_path / "key"),
    ).start()
    world.run_group(task("t1"))
    top = top_of(world)
    about = {"container_id": nested(top), "command": {"value": "x"}}

    def call(token: str, kind: str = "LAUNCH_NESTED_CONTAINER", payload: Any = about) -> int:
        document = {"type": kind, **({} if payload is None else {kind.lower(): payload})}
        given = {"content_type": "application/json", "authorization": f"Bearer {token}"}
        return status_of(world.http("POST", "/api/v1", json.dumps(document).encode(), **given))[0]

    mine = sign(SECRET, {"fid": FRAMEWORK_ID, "eid": "default", "cid": top})
    assert call(mine) == 200
    assert call(mine, "GET_FLAGS", None) == 403
    assert call(sign(SECRET, {"fid": FRAMEWORK_ID, "eid": "default", "cid": "another"})) == 403
    assert call(sign(b"another secret", {"cid": top})) == 401


# Sandboxes


def test_sandboxes_are_looked_into_by_those_who_may(tmp_path: Path) -> None:
    mine = [{"principals": some("guest"), "users": some("root")}, {"principals": some("guest"), "users": NONE}]
    world = ClosedCustomWorld(tmp_path, {"access_sandboxes": mine})
    world.start()
    of_nobody = executor()
    of_nobody.command.user = "nobody"
    world.run(task("t1", executor=of_nobody, command=None))
    ((_, running),) = world.agent.core.executors()
    paths = (running.directory, f"/frameworks/{FRAMEWORK_ID}/executors/custom/runs/latest")
    for path in paths:
        for endpoint in ("/files/browse", "/files/read", "/files/download"):
            for name in ("stdout", "none"):  # what is there is not told either
                text = b"403 Forbidden." if endpoint == "/files/download" else b""
                assert refusal(world.get(f"{endpoint}?path={path}/{name}")) == (403, text)
        assert status_of(world.get(f"/files/browse?path={path}", "op"))[0] == 200
        assert refusal(world.call("LIST_FILES", {"path": path})) == (403, b"")
        assert refusal(world.call("READ_FILE", {"path": f"{path}/stdout", "offset": 0})) == (403, b"")
    of_nobody.command.ClearField("user")  # now it is its framework's, root's
    running.info.CopyFrom(of_nobody)
    assert status_of(world.get(f"/files/browse?path={paths[0]}"))[0] == 200
