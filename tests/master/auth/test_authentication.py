"""HTTP basic authentication: credentials files, realms, who may do what."""

from __future__ import annotations

import base64
import json

import pytest

from pymesoskit.testing.engine.http.authentication import Authenticator, CredentialsError, load_credentials
from pymesoskit.testing.engine.http.handler import Request
from pymesoskit.testing.engine.http.v1 import Refused
from pymesoskit.testing.engine.master.auth import READONLY, READWRITE, SCHEDULER, master_authenticator

CREDENTIALS = {"credentials": [{"principal": "p1", "secret": "s1"}, {"principal": "p2", "secret": "s:2"}]}


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.fixture
def credentials_file(tmp_path):
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps(CREDENTIALS))
    return path


class TestCredentialsFile:
    def test_principals_and_secrets(self, credentials_file):
        expected = {"p1": "s1", "p2": "s:2"}
        assert load_credentials(str(credentials_file)) == expected
        assert load_credentials(f"file://{credentials_file}") == expected

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("{", "Expecting property name"),
            ("[]", 'expected {"credentials"'),
            ('{"credentials": [{"principal": 1}]}', "credentials[0] needs a 'principal' and a 'secret'"),
            ('{"credentials": ["x"]}', "credentials[0] needs"),
        ],
    )
    def test_errors_name_the_file_and_what_is_wrong(self, tmp_path, text, reason):
        path = tmp_path / "bad"
        path.write_text(text)
        with pytest.raises(CredentialsError) as caught:
            load_credentials(str(path))
        assert str(path) in str(caught.value)
        assert reason in str(caught.value)

    def test_a_missing_file(self, tmp_path):
        with pytest.raises(CredentialsError, match="Failed to read the credentials file"):
            load_credentials(str(tmp_path / "none"))


class TestAuthenticator:
    authenticator = Authenticator({"p1": "s1", "p2": "s:2", "é": "ü"}, {"r"})

    def test_a_realm_that_asks_for_nothing_lets_all_in(self):
        assert self.authenticator.authenticate(Request("GET", "/"), "other") is None

    @pytest.mark.parametrize("pair", ["p1:s1", "é:ü"])
    def test_the_right_secret(self, pair):
        request = Request("GET", "/", (("authorization", basic(pair)),))
        assert self.authenticator.authenticate(request, "r") == pair.partition(":")[0]

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            "Basic",
            "Bearer xyz",
            "Basic !!!",
            "basic " + basic("p1:s1")[6:],
            basic("p1:nope"),
            basic("p1"),
            basic("nobody:s1"),
            basic("p2:s:2"),
            "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        ],
    )
    def test_all_else_is_challenged(self, header):
        headers = () if header is None else (("authorization", header),)
        with pytest.raises(Refused) as caught:
            self.authenticator.authenticate(Request("GET", "/", headers), "r")
        response = caught.value.response
        assert (response.status, response.body) == (401, b"401 Unauthorized.")
        assert ("WWW-Authenticate", 'Basic realm="r"') in response.headers


class TestMasterAuthenticator:
    def test_without_flags_no_realm_asks(self):
        authenticator = master_authenticator(credentials=None)
        assert not any(map(authenticator.required, (READONLY, READWRITE, SCHEDULER)))

    def test_each_flag_closes_its_realm(self, credentials_file):
        path = str(credentials_file)
        for flag, realm in (("readonly", READONLY), ("readwrite", READWRITE), ("frameworks", SCHEDULER)):
            authenticator = master_authenticator(credentials=path, **{flag: True})
            assert [r for r in (READONLY, READWRITE, SCHEDULER) if authenticator.required(r)] == [realm]

    def test_a_closed_realm_needs_credentials(self):
        with pytest.raises(CredentialsError, match="--authenticate_http_readonly: --credentials names the file"):
            master_authenticator(credentials=None, readonly=True)


READING = [
    "/state", "/state-summary", "/slaves", "/frameworks", "/tasks", "/roles", "/flags", "/metrics/snapshot",
    "/files/browse?path=/", "/files/read", "/files/download", "/files/debug",
]  # fmt: skip
WRITING = [
    "/quota", "/weights", "/maintenance/schedule", "/maintenance/status", "/machine/down", "/machine/up", "/teardown",
    "/reserve", "/unreserve", "/create-volumes", "/destroy-volumes", "/api/v1", "/logging/toggle",
]  # fmt: skip
OPEN = ["/health", "/version", "/redirect"]


class TestRealms:
    @pytest.fixture
    def closed(self, make_world, credentials_file):
        flags = {"authenticate_http_readonly": "true", "authenticate_http_readwrite": "true"}
        return make_world(credentials=str(credentials_file), **flags)

    @pytest.mark.parametrize(("path", "realm"), [*((p, READONLY) for p in READING), *((p, READWRITE) for p in WRITING)])
    def test_endpoints_that_ask_for_credentials_before_anything_else(self, closed, path, realm):
        response = closed.request("GET", path).response
        assert response.status == 401
        assert ("WWW-Authenticate", f'Basic realm="{realm}"') in response.headers
        assert closed.request("GET", path, authorization=basic("p1:s1")).response.status != 401

    @pytest.mark.parametrize("path", OPEN)
    def test_endpoints_that_are_open_to_all(self, closed, path):
        assert closed.request("GET", path).response.status in {200, 307}

    def test_frameworks_are_not_asked(self, closed):
        assert closed.framework().events[0]["type"] == "SUBSCRIBED"

    def test_reservations_are_those_of_who_makes_them(self, closed, amount):
        agent = closed.agent()
        reserved = amount("cpus", 1, reservations=[{"type": "DYNAMIC", "role": "web", "principal": "p2"}])
        payload = {"agent_id": {"value": agent.id}, "resources": [reserved]}
        response = closed.operator("RESERVE_RESOURCES", payload, authorization=basic("p1:s1"))
        assert response.status == 400
        assert b"authenticated principal 'p1', which does not match" in response.body
