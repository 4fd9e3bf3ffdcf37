"""Executor tokens, realms of operators, the executors' own socket (agent-executor.md 6, 7; operator-api.md 1)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from pymesoskit.testing.engine.agent.auth import check_claims
from pymesoskit.testing.engine.agent.tokens import TokenError, sign, verify
from pymesoskit.testing.engine.http.authentication import CredentialsError
from pymesoskit.testing.engine.http.handler import Request
from pymesoskit.testing.engine.http.v1 import Refused
from tests.agent.test_executors import CustomWorld, kinds, status_of
from tests.agent.world import Answer, World

if TYPE_CHECKING:
    from pathlib import Path

SECRET = b"0123456789abcdef"


def test_a_token_gives_back_its_claims() -> None:
    assert verify(SECRET, sign(SECRET, {"fid": "f", "eid": "é"})) == {"fid": "f", "eid": "é"}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.b.c",
        sign(b"another", {"fid": "f"}),
        "e30.e30.e30",
        sign(SECRET, {}).rpartition(".")[0] + ".!!",
        base64.urlsafe_b64encode(b'{"alg":"none"}').decode() + ".e30.",
    ],
)
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(TokenError):
        verify(SECRET, token)


@pytest.mark.parametrize(
    ("claims", "missing"),
    [
        ({}, "an 'fid' claim with the framework ID f, which is set in the call"),
        ({"fid": "x", "eid": "e"}, "an 'fid' claim with the framework ID f, which is set in the call"),
        ({"fid": "f", "eid": "x"}, "an 'eid' claim with the executor ID e, which is set in the call"),
        ({"fid": "f", "eid": "e", "cid": "x"}, "a 'cid' claim with the correct active ContainerID"),
    ],
)
def test_claims_must_be_those_of_the_executor(claims: dict[str, str], missing: str) -> None:
    whose = json.dumps({"claims": claims} if claims else {}, sort_keys=True, separators=(",", ":"))
    with pytest.raises(Refused) as refused:
        check_claims(claims, fid="f", eid="e", cid="c")
    assert refused.value.response.status == 403
    assert refused.value.response.body.decode() == f"Authenticated principal '{whose}' does not contain {missing}"


def test_the_right_claims_and_none_where_none_are_needed_are_taken() -> None:
    check_claims({"fid": "f", "eid": "e", "cid": "c", "more": "x"}, fid="f", eid="e", cid="c")
    check_claims(None, fid="f", eid="e", cid="c")


@pytest.fixture
def world(tmp_path: Path) -> CustomWorld:
    (tmp_path / "key").write_bytes(SECRET)
    world = CustomWorld(
        tmp_path / "work",
        authenticate_http_executors="true",
        jwt_secret_key=str(tmp_path / "key"),
        http_executor_domain_sockets="true",
        domain_socket_location="/run/a.sock",
    )
    world.start()
    return world


def with_token(world: CustomWorld, token: str | None) -> Answer:
    body = json.dumps(
        {
            "executor_id": {"value": "custom"},
            "framework_id": {"value": "M-0000"},
            "type": "SUBSCRIBE",
            "subscribe": {},
        }
    ).encode()
    headers = {"content_type": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return world.http("POST", "/api/v1/executor", body, **headers)


def test_an_executor_comes_in_with_the_token_it_was_given(world: CustomWorld) -> None:
    world.launch("t1")
    environment = world.launcher.commands[-1].environment  # type: ignore[attr-defined]
    assert kinds(with_token(world, environment["MESOS_EXECUTOR_AUTHENTICATION_TOKEN"])) == ["SUBSCRIBED", "LAUNCH"]
    assert environment["MESOS_DOMAIN_SOCKET"] == "/run/a.sock"


def test_without_a_token_there_is_a_challenge(world: CustomWorld) -> None:
    answer = with_token(world, None)
    assert status_of(answer)[0] == 401
    assert answer.response is not None
    assert ("WWW-Authenticate", 'Bearer realm="mesos-agent-executor"') in answer.response.headers


def test_the_token_of_another_executor_is_forbidden(world: CustomWorld) -> None:
    world.launch("t1")
    assert status_of(with_token(world, sign(SECRET, {"fid": "M-0000", "eid": "other", "cid": "x"})))[0] == 403


def test_the_executors_socket_serves_the_v1_api_only(world: CustomWorld) -> None:
    for path, status in (("/state", 403), ("/api/v1", 405), ("/api/v1/executor", 401)):
        answer = Answer()
        world.agent.handle_executor_socket(Request("GET", path), answer)
        assert status_of(answer)[0] == status


def test_a_socket_with_too_long_a_path_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must have less than 108 characters"):
        World(work_dir=tmp_path, http_executor_domain_sockets="true", domain_socket_location="/" + "x" * 107)


def test_realms_that_need_credentials_need_a_file_of_them() -> None:
    with pytest.raises(CredentialsError, match="--http_credentials"):
        World(authenticate_http_readonly="true")


def test_operators_come_in_with_their_credentials(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text('{"credentials": [{"principal": "op", "secret": "s"}]}')
    world = World(authenticate_http_readonly="true", http_credentials=str(tmp_path / "credentials")).start()
    assert status_of(world.http("GET", "/state"))[0] == 401
    assert status_of(world.http("GET", "/health"))[0] == 200
    basic = "Basic " + base64.b64encode(b"op:s").decode()
    assert status_of(world.http("GET", "/state", authorization=basic))[0] == 200
