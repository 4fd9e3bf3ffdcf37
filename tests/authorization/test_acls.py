"""The value of --acls: what can be read, what is wrong with the rest, how it is shown (docs/authorization.md)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.authorization import AclError, Action, parse_acls
from pymesoskit.testing.engine.authorization.acls import KINDS, EntityType
from pymesoskit.testing.engine.flags.flags import AgentFlags, FlagError, MasterFlags

if TYPE_CHECKING:
    from pathlib import Path

EVERYBODY: dict[str, Any] = {"type": "ANY"}


def read(**acls: Any) -> Any:
    return parse_acls(json.dumps(acls))


def test_without_a_word_all_is_allowed_that_no_acl_matches() -> None:
    assert read().permissive
    assert read(permissive=True).permissive
    assert not read(permissive=False).permissive


def test_each_action_belongs_to_one_kind_of_acl_but_for_launching_nested_containers() -> None:
    found = [action for kind in KINDS for action in kind.actions]
    twice = {Action.LAUNCH_NESTED_CONTAINER, Action.LAUNCH_NESTED_CONTAINER_SESSION}
    assert set(found) == set(Action)
    assert {action for action in found if found.count(action) > 1} == twice


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_acls_of_all_names_are_read_and_shown(kind: Any) -> None:
    acls = read(**{kind.name: [{"principals": {"values": ["a", "b"]}, kind.objects: {"type": "NONE"}}]})
    (acl,) = acls.of(kind.name)
    assert acl.principals.values == {"a", "b"}
    assert acl.principals.type is EntityType.SOME
    assert acl.objects.type is EntityType.NONE
    assert str(acls) == (
        f'{kind.name} {{\n  principals {{\n    values: "a"\n    values: "b"\n  }}\n'
        f"  {kind.objects} {{\n    type: NONE\n  }}\n}}\n"
    )


def test_they_are_shown_in_the_order_of_mesoss_message_whatever_the_order_of_the_text() -> None:
    nobody = {"type": "NONE"}
    acls = read(
        view_flags=[{"principals": EVERYBODY, "flags": nobody}],
        run_tasks=[{"principals": EVERYBODY, "users": {"values": ['a"\né']}}],
        permissive=False,
    )
    assert str(acls).startswith("permissive: false\nrun_tasks {\n")
    assert 'values: "a\\"\\n\\303\\251"' in str(acls)
    assert str(acls).index("run_tasks") < str(acls).index("view_flags")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.all_or_none], ids=lambda kind: kind.name)
def test_what_has_no_objects_of_its_own_is_allowed_in_all_or_not_at_all(kind: Any) -> None:
    with pytest.raises(AclError, match=rf"^ACL\.{kind.all_or_none} type must be either NONE or ANY$"):
        read(**{kind.name: [{"principals": EVERYBODY, kind.objects: {"values": ["x"]}}]})


def test_only_some_endpoints_can_be_named() -> None:
    acl = {"principals": EVERYBODY, "paths": {"values": ["/metrics/snapshot", "/logging/toggle", "/files/debug"]}}
    assert len(read(get_endpoints=[acl]).of("get_endpoints")) == 1
    with pytest.raises(AclError, match=r"^Path: '/state' is not an authorizable path$"):
        read(get_endpoints=[{"principals": EVERYBODY, "paths": {"values": ["/state"]}}])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "it is not JSON: "),
        ("[]", "expected the ACLs to be a JSON object"),
        ('{"permissive": "no"}', "'permissive' is true or false"),
        ('{"run_task": []}', "there is no 'run_task' in the ACLs, did you mean 'run_tasks'?"),
        ('{"xyzzy": []}', "there is no 'xyzzy' in the ACLs; there are access_mesos_logs, "),
        ('{"run_tasks": {}}', "'run_tasks' is a list"),
        ('{"run_tasks": [1]}', "expected run_tasks[0] to be a JSON object"),
        ('{"run_tasks": [{"users": {}}]}', "run_tasks[0] needs 'principals'"),
        ('{"run_tasks": [{"principals": {}, "roles": {}}]}', "there is no 'roles' in run_tasks[0]"),
        ('{"run_tasks": [{"principals": {}}]}', "run_tasks[0] needs 'users'"),
        (
            '{"run_tasks": [{"principals": {"type": "ALL"}, "users": {}}]}',
            "run_tasks[0].principals.type is one of SOME, ANY, NONE, not 'ALL'",
        ),
        (
            '{"run_tasks": [{"principals": {"values": [1]}, "users": {}}]}',
            "run_tasks[0].principals.values is a list of texts",
        ),
        (
            '{"run_tasks": [{"principals": {"value": []}, "users": {}}]}',
            "there is no 'value' in run_tasks[0].principals, did you mean 'values'?",
        ),
    ],
)
def test_errors_say_where_and_what(text: str, reason: str) -> None:
    with pytest.raises(AclError) as caught:
        parse_acls(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize("kind", [MasterFlags, AgentFlags])
def test_the_flag_takes_text_or_the_path_of_a_file(kind: Any, tmp_path: Path) -> None:
    text = '{"permissive": false}'
    file = tmp_path / "acls.json"
    file.write_text(text)
    for value in (text, str(file), f"file://{file}"):
        flags = kind.from_texts({"acls": value})
        assert not flags.acls.permissive
        assert flags.as_text()["acls"] == "permissive: false\n"
    assert "acls" not in kind().as_text()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ('{"run_task": []}', "there is no 'run_task' in the ACLs, did you mean 'run_tasks'?"),
        ("/no/such/file", "cannot read /no/such/file: No such file or directory"),
    ],
)
def test_a_flag_with_bad_acls_says_what_is_wrong(value: str, reason: str) -> None:
    with pytest.raises(FlagError) as caught:
        MasterFlags.from_texts({"acls": value})
    assert "flag acls of mesos-master: bad value" in str(caught.value)
    assert reason in str(caught.value)
