"""How the local authorizer decides: the first ACL that matches, subtrees of roles, whose user counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.authorization import Action, Claims, LocalAuthorizer, Object, parse_acls
from pymesoskit.wire.v1 import mesos
from pymesoskit.wire.v1 import quota as pb_quota

A = Action
ANY, NONE = {"type": "ANY"}, {"type": "NONE"}


def some(*values: str) -> dict[str, Any]:
    return {"values": list(values)}


def authorizer(**acls: Any) -> LocalAuthorizer:
    return LocalAuthorizer(parse_acls(json.dumps(acls)))


def allows(local: LocalAuthorizer, subject: Any, action: Action, **thing: Any) -> bool:
    return local.approver(subject, action)(Object(**thing) if thing else None)


# Matching and allowing


@pytest.mark.parametrize(
    ("subject", "principals", "allowed"),
    [
        ("p", some("p"), True),
        ("p", some("p", "q"), True),
        ("p", ANY, True),
        ("p", NONE, False),  # it matches, and denies
        ("p", some("q"), None),  # it does not match
        (None, ANY, True),
        (None, NONE, False),
        (None, some("p"), None),
    ],
)
@pytest.mark.parametrize("permissive", [True, False])
def test_subjects(subject: str | None, principals: Any, allowed: bool | None, permissive: bool) -> None:
    local = authorizer(permissive=permissive, get_quotas=[{"principals": principals, "roles": ANY}])
    expected = permissive if allowed is None else allowed
    assert allows(local, subject, A.GET_QUOTA, value="web") is expected


@pytest.mark.parametrize(
    ("path", "paths", "allowed"),
    [
        ("/files/debug", some("/files/debug"), True),
        ("/files/debug", ANY, True),
        ("/files/debug", NONE, False),
        ("/files/debug", some("/containers"), None),
        (None, ANY, True),
        (None, NONE, False),
        (None, some("/files/debug"), None),
    ],
)
@pytest.mark.parametrize("permissive", [True, False])
def test_objects(path: str | None, paths: Any, allowed: bool | None, permissive: bool) -> None:
    local = authorizer(permissive=permissive, get_endpoints=[{"principals": ANY, "paths": paths}])
    thing = {} if path is None else {"value": path}
    assert allows(local, "p", A.GET_ENDPOINT_WITH_PATH, **thing) is (permissive if allowed is None else allowed)


def test_the_first_acl_that_matches_decides() -> None:
    local = authorizer(
        run_tasks=[
            {"principals": some("p"), "users": some("www")},
            {"principals": some("p"), "users": NONE},
            {"principals": some("p"), "users": some("root")},  # too late
        ]
    )
    task = mesos.TaskInfo()
    for user, allowed in (("www", True), ("root", False)):
        assert allows(local, "p", A.RUN_TASK, task_info=task, framework_info=mesos.FrameworkInfo(user=user)) is allowed
    assert allows(local, "q", A.RUN_TASK, task_info=task, framework_info=mesos.FrameworkInfo(user="root"))


def test_an_acl_of_another_action_does_not_count() -> None:
    local = authorizer(view_frameworks=[{"principals": ANY, "users": NONE}])
    framework = mesos.FrameworkInfo(user="root")
    assert not allows(local, "p", A.VIEW_FRAMEWORK, framework_info=framework)
    assert allows(local, "p", A.VIEW_TASK, framework_info=framework, task=mesos.Task())


# Roles


@pytest.mark.parametrize(
    ("role", "allowed"),
    [("a", False), ("a/b", True), ("a/b/c", True), ("ab", False), ("b", False), ("*", False), (None, False)],
)
def test_a_subtree_is_all_below_a_role_but_not_the_role(role: str | None, allowed: bool) -> None:
    local = authorizer(permissive=False, view_roles=[{"principals": ANY, "roles": some("a/%")}])
    thing = {} if role is None else {"value": role}
    assert allows(local, "p", A.VIEW_ROLE, **thing) is allowed


def test_an_acl_may_name_roles_and_subtrees() -> None:
    local = authorizer(permissive=False, view_roles=[{"principals": ANY, "roles": some("a", "a/%", "b/c/%")}])
    assert [role for role in ("a", "a/x", "b", "b/c", "b/c/d") if allows(local, "p", A.VIEW_ROLE, value=role)] == [
        "a",
        "a/x",
        "b/c/d",
    ]


def test_a_subtree_denies_for_nobody_in_particular() -> None:
    local = authorizer(view_roles=[{"principals": NONE, "roles": some("a/%")}])
    assert not allows(local, "p", A.VIEW_ROLE, value="a/b")
    assert allows(local, "p", A.VIEW_ROLE, value="a")


def test_outside_of_roles_the_percent_sign_means_nothing() -> None:
    local = authorizer(permissive=False, view_frameworks=[{"principals": ANY, "users": some("a/%")}])
    assert not allows(local, "p", A.VIEW_FRAMEWORK, framework_info=mesos.FrameworkInfo(user="a/b"))
    assert allows(local, "p", A.VIEW_FRAMEWORK, framework_info=mesos.FrameworkInfo(user="a/%"))


def framework_with(*roles: str, multi: bool = True, **fields: Any) -> mesos.FrameworkInfo:
    info = mesos.FrameworkInfo(**fields)
    if multi:
        info.capabilities.add(type=mesos.FrameworkInfo.Capability.MULTI_ROLE)
        info.roles.extend(roles)
    elif roles:
        info.role = roles[0]
    return info


@pytest.mark.parametrize(
    ("info", "allowed"),
    [
        (framework_with("a"), True),
        (framework_with("a", "b"), True),
        (framework_with("a", "c"), False),
        (framework_with("a", multi=False), True),
        (framework_with("c", multi=False), False),
        (framework_with(multi=False), False),  # that is the role *
        (framework_with(), False),  # no role at all: permissive decides
    ],
)
def test_a_framework_needs_to_be_allowed_in_all_its_roles(info: mesos.FrameworkInfo, allowed: bool) -> None:
    local = authorizer(permissive=False, register_frameworks=[{"principals": some("p"), "roles": some("a", "b")}])
    assert allows(local, "p", A.REGISTER_FRAMEWORK, framework_info=info) is allowed


def reserved(text: str, **reservation: str) -> mesos.Resource:
    (message,) = Resources.parse(text).to_messages()
    if reservation:
        message.reservations.add(type=mesos.Resource.ReservationInfo.DYNAMIC, **reservation)
    return message


@pytest.mark.parametrize(
    "action",
    [
        A.RESERVE_RESOURCES,
        A.CREATE_VOLUME,
        A.RESIZE_VOLUME,
        A.CREATE_BLOCK_DISK,
        A.DESTROY_BLOCK_DISK,
        A.CREATE_MOUNT_DISK,
        A.DESTROY_MOUNT_DISK,
        A.DESTROY_RAW_DISK,
    ],
)
def test_of_a_reserved_resource_the_role_of_the_last_reservation_counts(action: Action) -> None:
    from pymesoskit.testing.engine.authorization.acls import KINDS

    (name,) = [kind.name for kind in KINDS if action in kind.actions]
    local = authorizer(permissive=False, **{name: [{"principals": ANY, "roles": some("a/b")}]})
    assert allows(local, "p", action, resource=reserved("cpus(a):1", role="a/b"))
    assert not allows(local, "p", action, resource=reserved("cpus(a):1"))
    assert not allows(local, "p", action, resource=reserved("cpus:1"))
    assert allows(local, "p", action, value="a/b")


def test_quota_and_weights_are_those_of_a_role() -> None:
    acl = {"principals": ANY, "roles": some("a")}
    local = authorizer(permissive=False, get_quotas=[acl], update_quotas=[acl], update_weights=[acl])
    for role, allowed in (("a", True), ("b", False)):
        assert allows(local, "p", A.GET_QUOTA, value=role) is allowed
        assert allows(local, "p", A.UPDATE_QUOTA_WITH_CONFIG, value=role) is allowed
        assert allows(local, "p", A.UPDATE_QUOTA, quota_info=pb_quota.QuotaInfo(role=role)) is allowed
        weight = mesos.WeightInfo(role=role, weight=1)
        assert allows(local, "p", A.UPDATE_WEIGHT, weight_info=weight) is allowed


# Principals


def test_resources_are_unreserved_from_who_reserved_them_last() -> None:
    local = authorizer(
        permissive=False, unreserve_resources=[{"principals": some("p"), "reserver_principals": some("q")}]
    )
    assert allows(local, "p", A.UNRESERVE_RESOURCES, resource=reserved("cpus(a):1", role="a/b", principal="q"))
    assert not allows(local, "p", A.UNRESERVE_RESOURCES, resource=reserved("cpus:1", role="a", principal="p"))
    assert not allows(local, "p", A.UNRESERVE_RESOURCES)


def test_volumes_are_destroyed_of_who_created_them() -> None:
    local = authorizer(permissive=False, destroy_volumes=[{"principals": some("p"), "creator_principals": some("q")}])
    volume = reserved("disk:1", role="a")
    volume.disk.persistence.id = "v"
    for creator, allowed in (("q", True), ("p", False)):
        volume.disk.persistence.principal = creator
        assert allows(local, "p", A.DESTROY_VOLUME, resource=volume) is allowed


def test_frameworks_are_torn_down_of_their_principals() -> None:
    local = authorizer(
        permissive=False, teardown_frameworks=[{"principals": some("p"), "framework_principals": some("q")}]
    )
    assert allows(local, "p", A.TEARDOWN_FRAMEWORK, framework_info=mesos.FrameworkInfo(principal="q"))
    assert not allows(local, "p", A.TEARDOWN_FRAMEWORK, framework_info=mesos.FrameworkInfo(principal="r"))
    assert not allows(local, "p", A.TEARDOWN_FRAMEWORK)  # of no principal: any


# Users


ROOT = mesos.FrameworkInfo(user="root")
OF_EXECUTOR = mesos.ExecutorInfo(command=mesos.CommandInfo(user="exec"))
SILENT_EXECUTOR = mesos.ExecutorInfo(command=mesos.CommandInfo(value="x"))
WITH_COMMAND = mesos.TaskInfo(command=mesos.CommandInfo(user="task"), executor=OF_EXECUTOR)
WITH_EXECUTOR = mesos.TaskInfo(executor=OF_EXECUTOR)


def users_allowed(name: str, action: Action, **thing: Any) -> list[str]:
    """As which of the users the thing counts."""
    return [
        user
        for user in ("root", "exec", "task", "child", "top")
        if allows(
            authorizer(permissive=False, **{name: [{"principals": ANY, "users": some(user)}]}), "p", action, **thing
        )
    ]


@pytest.mark.parametrize(
    ("task", "user"), [(WITH_COMMAND, "task"), (WITH_EXECUTOR, "exec"), (mesos.TaskInfo(), "root")]
)
def test_a_task_runs_as_its_commands_user_or_its_executors_or_its_frameworks(task: mesos.TaskInfo, user: str) -> None:
    assert users_allowed("run_tasks", A.RUN_TASK, task_info=task, framework_info=ROOT) == [user]
    assert users_allowed("view_tasks", A.VIEW_TASK, task_info=task, framework_info=ROOT) == [user]


def test_a_task_that_is_known_shows_its_own_user() -> None:
    shown = {"framework_info": ROOT}
    assert users_allowed("view_tasks", A.VIEW_TASK, task=mesos.Task(user="task"), **shown) == ["task"]
    assert users_allowed("view_tasks", A.VIEW_TASK, task=mesos.Task(), **shown) == ["root"]


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("view_executors", A.VIEW_EXECUTOR),
        ("access_sandboxes", A.ACCESS_SANDBOX),
        ("view_containers", A.VIEW_CONTAINER),
        ("attach_containers_input", A.ATTACH_CONTAINER_INPUT),
        ("attach_containers_output", A.ATTACH_CONTAINER_OUTPUT),
        ("kill_nested_containers", A.KILL_NESTED_CONTAINER),
        ("wait_nested_containers", A.WAIT_NESTED_CONTAINER),
        ("remove_nested_containers", A.REMOVE_NESTED_CONTAINER),
    ],
)
def test_executors_and_their_containers_belong_to_the_executors_user_or_the_frameworks(
    name: str, action: Action
) -> None:
    assert users_allowed(name, action, executor_info=OF_EXECUTOR, framework_info=ROOT) == ["exec"]
    assert users_allowed(name, action, executor_info=SILENT_EXECUTOR, framework_info=ROOT) == ["root"]


@pytest.mark.parametrize(
    ("action", "as_user", "under_parent"),
    [
        (
            A.LAUNCH_NESTED_CONTAINER,
            "launch_nested_containers_as_user",
            "launch_nested_containers_under_parent_with_user",
        ),
        (
            A.LAUNCH_NESTED_CONTAINER_SESSION,
            "launch_nested_container_sessions_as_user",
            "launch_nested_container_sessions_under_parent_with_user",
        ),
    ],
)
@pytest.mark.parametrize(("child", "parent"), [(True, True), (True, False), (False, True), (False, False)])
def test_nested_containers_need_both_their_own_user_and_their_parents(
    action: Action, as_user: str, under_parent: str, child: bool, parent: bool
) -> None:
    local = authorizer(
        permissive=False,
        **{
            as_user: [{"principals": ANY, "users": some("child") if child else NONE}],
            under_parent: [{"principals": ANY, "users": some("exec") if parent else NONE}],
        },
    )
    thing = {"executor_info": OF_EXECUTOR, "framework_info": ROOT}
    command = mesos.CommandInfo(user="child")
    assert allows(local, "p", action, command_info=command, **thing) is (child and parent)
    assert allows(local, "p", action, **thing) is parent


def test_a_command_without_a_user_is_any_users() -> None:
    acls = {"launch_nested_containers_under_parent_with_user": [{"principals": ANY, "users": ANY}]}
    thing = {"command_info": mesos.CommandInfo(value="x"), "framework_info": ROOT}
    for users, allowed in ((ANY, True), (some("root"), False)):
        local = authorizer(
            permissive=False, launch_nested_containers_as_user=[{"principals": ANY, "users": users}], **acls
        )
        assert allows(local, "p", A.LAUNCH_NESTED_CONTAINER, **thing) is allowed


# Executors


def nested(root: str) -> mesos.ContainerID:
    return mesos.ContainerID(value="c", parent=mesos.ContainerID(value="b", parent=mesos.ContainerID(value=root)))


def test_an_executor_handles_the_containers_below_its_own_whatever_the_acls() -> None:
    local = authorizer(permissive=False)
    own = Claims({"cid": "top", "fid": "f", "eid": "e"})
    for action in (
        A.LAUNCH_NESTED_CONTAINER,
        A.LAUNCH_NESTED_CONTAINER_SESSION,
        A.WAIT_NESTED_CONTAINER,
        A.KILL_NESTED_CONTAINER,
        A.REMOVE_NESTED_CONTAINER,
        A.ATTACH_CONTAINER_OUTPUT,
    ):
        assert allows(local, own, action, container_id=nested("top"))
        assert not allows(local, own, action, container_id=nested("other"))
        assert not allows(local, own, action)
        assert not allows(local, Claims({"fid": "f"}), action, container_id=nested("top"))


def test_an_executor_may_do_nothing_else() -> None:
    local = authorizer()
    own = Claims({"cid": "top"})
    others = set(Action) - {
        A.LAUNCH_NESTED_CONTAINER,
        A.LAUNCH_NESTED_CONTAINER_SESSION,
        A.WAIT_NESTED_CONTAINER,
        A.KILL_NESTED_CONTAINER,
        A.REMOVE_NESTED_CONTAINER,
        A.ATTACH_CONTAINER_OUTPUT,
    }
    assert not any(allows(local, own, action, container_id=nested("top")) for action in others)
