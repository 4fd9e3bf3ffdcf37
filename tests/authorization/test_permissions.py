"""How master and agents ask: without an authorizer, with one, with one that fails; which one the flags mean."""

from __future__ import annotations

import pytest

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.authorization import (
    UNRESTRICTED,
    Action,
    AuthorizerError,
    Claims,
    Gate,
    LocalAuthorizer,
    Object,
    Permissions,
    choose_authorizer,
    parse_acls,
)
from pymesoskit.testing.engine.http.handler import Request
from pymesoskit.testing.engine.http.v1 import Refused
from pymesoskit.wire.v1 import mesos


class OnlyRoles:
    """Shows some roles, and writes down what it is asked for."""

    def __init__(self, *roles: str) -> None:
        self.roles = roles
        self.asked: list[tuple[object, Action]] = []

    def approver(self, subject, action):
        self.asked.append((subject, action))
        return lambda thing: thing is not None and thing.value in self.roles


class Broken:
    def approver(self, subject, action):
        if action is Action.VIEW_FLAGS:
            raise RuntimeError("no idea")
        return lambda thing: 1 // 0


def permissions(authorizer, subject="p") -> tuple[Permissions, list[str]]:
    said: list[str] = []
    return Permissions(authorizer, subject, said.append), said


class TestWithoutAnAuthorizer:
    def test_everything_is_allowed(self) -> None:
        assert UNRESTRICTED.unrestricted
        assert all(UNRESTRICTED.allows(action) for action in Action)
        UNRESTRICTED.require(Action.MARK_AGENT_GONE)

    def test_filters_give_back_what_they_are_given(self) -> None:
        given = [mesos.Resource(name="cpus")]
        assert UNRESTRICTED.resource_messages(given) is given
        assert UNRESTRICTED.by_role({"a": given}) == {"a": given}
        tasks = [mesos.Task()]
        assert UNRESTRICTED.tasks(tasks, mesos.FrameworkInfo()) is tasks

    def test_who_asks_is_known_all_the_same(self) -> None:
        assert permissions(None)[0].principal == "p"
        assert permissions(None, None)[0].principal is None
        assert permissions(None, Claims({"cid": "x"}))[0].principal is None


class TestWithAnAuthorizer:
    def test_a_refusal_is_403_without_a_reason(self) -> None:
        may, _ = permissions(OnlyRoles("a"))
        may.require(Action.GET_QUOTA, Object(value="a"))
        with pytest.raises(Refused) as refused:
            may.require(Action.GET_QUOTA, Object(value="a"), Object(value="b"))
        assert (refused.value.response.status, refused.value.response.body) == (403, b"403 Forbidden.")

    def test_it_is_asked_once_for_each_action(self) -> None:
        authorizer = OnlyRoles("a")
        may, _ = permissions(authorizer)
        assert [role for role in ("a", "b", "a") if may.sees_role(role)] == ["a", "a"]
        assert authorizer.asked == [("p", Action.VIEW_ROLE)]

    def test_a_resource_is_seen_with_all_roles_that_it_is_reserved_for_or_allocated_to(self) -> None:
        refined = Resources.parse("cpus(a):1").to_messages()
        refined[0].reservations.add(type="DYNAMIC", role="a/b")
        resources = Resources.from_messages(refined)
        for roles, seen in ((("a", "a/b"), True), (("a",), False), (("a/b",), False)):
            may, _ = permissions(OnlyRoles(*roles))
            assert bool(list(may.resources(resources))) is seen
            assert bool(list(may.resource_messages(refined))) is seen
        unreserved = Resources.parse("cpus:1")
        may, _ = permissions(OnlyRoles("a"))
        assert list(may.resources(unreserved))
        assert list(may.resources(unreserved.allocated("a")))
        assert not list(may.resources(unreserved.allocated("b")))

    @pytest.mark.parametrize("action", [Action.VIEW_FLAGS, Action.VIEW_ROLE])
    def test_what_it_raises_is_a_refusal_that_is_told(self, action: Action) -> None:
        may, said = permissions(Broken())
        assert not may.allows(action)
        (text,) = said
        assert f"the authorizer fails for 'p' and {action}, which is refused" in text


class TestGate:
    def gate(self, authorizer) -> Gate:
        return Gate({"/flags": "r"}, lambda request, realm: "p", lambda who: permissions(authorizer, who)[0])

    def test_an_endpoint_without_a_realm_is_used_by_nobody_in_particular(self) -> None:
        assert self.gate(None).admit(Request("GET", "/x"), "/x").subject is None
        assert self.gate(None).admit(Request("GET", "/flags"), "/flags").subject == "p"

    def test_some_endpoints_are_closed_as_such(self) -> None:
        local = LocalAuthorizer(parse_acls('{"permissive": false}'))
        for path in ("/flags", "/metrics/snapshot", "/logging/toggle", "/files/debug", "/containers"):
            with pytest.raises(Refused) as refused:
                self.gate(local).admit(Request("GET", path), path)
            assert refused.value.response.status == 403
            self.gate(None).admit(Request("POST", path), path)
        self.gate(local).admit(Request("GET", "/state"), "/state")

    def test_with_an_authorizer_their_method_counts(self) -> None:
        local = LocalAuthorizer(parse_acls("{}"))
        with pytest.raises(Refused) as refused:
            self.gate(local).admit(Request("POST", "/flags"), "/flags")
        assert refused.value.response.status == 405
        self.gate(local).admit(Request("POST", "/metrics/snapshot"), "/metrics/snapshot")


class TestChoice:
    def test_without_acls_there_is_none(self) -> None:
        assert choose_authorizer("local", None, {}) is None
        assert isinstance(choose_authorizer("local", parse_acls("{}"), {}), LocalAuthorizer)

    def test_another_name_is_that_of_one_that_was_handed_in_and_acls_count_for_nothing(self) -> None:
        mine = OnlyRoles()
        assert choose_authorizer("mine", None, {"mine": mine}) is mine
        assert choose_authorizer("mine", parse_acls("{}"), {"mine": mine}) is mine

    def test_an_unknown_name_is_an_error_that_names_the_known(self) -> None:
        with pytest.raises(AuthorizerError, match=r"^Could not create 'x' authorizer: .*There are: local, mine$"):
            choose_authorizer("x", None, {"mine": OnlyRoles()})
