"""The older endpoints that change something: methods, bodies, answers."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

MACHINE = {"hostname": "127.0.0.1", "ip": "127.0.0.1"}


def send(world, method, path, body=b""):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = world.request(method, path, body).response
    return response.status, response.body.decode()


def form(world, path, **fields):
    encoded = urlencode({k: v if isinstance(v, str) else json.dumps(v) for k, v in fields.items()})
    return send(world, "POST", path, encoded.encode())


@pytest.mark.parametrize(
    ("path", "method", "allowed"),
    [
        ("/quota", "PUT", ["GET", "POST", "DELETE"]),
        ("/weights", "POST", ["GET", "PUT"]),
        ("/maintenance/schedule", "PUT", ["GET", "POST"]),
        ("/maintenance/status", "POST", ["GET"]),
        ("/machine/down", "GET", ["POST"]),
        ("/machine/up", "GET", ["POST"]),
        ("/teardown", "GET", ["POST"]),
        ("/reserve", "GET", ["POST"]),
        ("/unreserve", "GET", ["POST"]),
        ("/create-volumes", "GET", ["POST"]),
        ("/destroy-volumes", "GET", ["POST"]),
    ],
)
def test_wrong_methods(world, path, method, allowed):
    response = world.request(method, path).response
    expected = ", ".join(f"'{name}'" for name in allowed)
    text = f"405 Method Not Allowed. Expecting one of {{ {expected} }}, but received '{method}'."
    assert (response.status, response.body.decode()) == (405, text)
    assert ("Allow", ", ".join(allowed)) in response.headers


GUARANTEE = [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}]


class TestQuota:
    def test_set_show_and_remove(self, world):
        world.agent()
        assert send(world, "POST", "/quota", {"role": "a", "guarantee": GUARANTEE}) == (200, "")
        assert [info["role"] for info in world.get("/quota")["infos"]] == ["a"]
        assert send(world, "DELETE", "/quota/a") == (200, "")
        assert world.get("/quota") == {}

    @pytest.mark.parametrize("path", ["/quota/a", "/master/quota/a"])
    def test_what_is_not_set_cannot_be_removed(self, world, path):
        text = "Failed to remove quota for path '/master/quota/a': Role 'a' has no quota set"
        assert send(world, "DELETE", path) == (400, text)

    def test_the_role_of_a_path_is_taken_as_it_stands(self, world):
        text = "Failed to remove quota for path '/master/quota/a%2Fb/c': Role 'a%2Fb/c' has no quota set"
        assert send(world, "DELETE", "/quota/a%2Fb/c") == (400, text)

    def test_a_role_must_be_named(self, world):
        text = "Failed to parse remove quota request for path '/master/quota': expected 3 tokens, found 2 tokens"
        assert send(world, "DELETE", "/quota") == (400, text)

    def test_bodies_that_are_no_request(self, world):
        assert send(world, "POST", "/quota", b"{") == (
            400,
            "Failed to parse set quota request JSON '{': syntax error at line 1 near: ",
        )
        status, text = send(world, "POST", "/quota", b'{"role":1}')
        assert status == 400
        assert text.startswith("Failed to validate set quota request JSON '{\"role\":1}': ")

    def test_overcommitment_is_a_conflict_without_force(self, world):
        request = {"role": "a", "guarantee": GUARANTEE}
        assert send(world, "POST", "/quota", request)[0] == 409
        assert send(world, "POST", "/quota", {**request, "force": True})[0] == 200


class TestWeights:
    def test_put(self, world):
        assert send(world, "PUT", "/weights", [{"role": "a", "weight": 2}]) == (200, "")
        assert world.get("/weights") == [{"weight": 2.0, "role": "a"}]

    def test_bodies_that_are_no_list_of_weights(self, world):
        assert send(world, "PUT", "/weights", b"{") == (
            400,
            "Failed to parse update weights request JSON '{': syntax error at line 1 near: ",
        )
        assert send(world, "PUT", "/weights", b"{}")[1].endswith("Unexpected JSON type parsed")
        assert send(world, "PUT", "/weights", b"[{}]") == (
            400,
            "Failed to convert weights JSON array to protobuf '[{}]': Missing required fields: weight",
        )


class TestMaintenance:
    def test_schedule_down_and_up(self, world):
        window = {"machine_ids": [MACHINE], "unavailability": {"start": {"nanoseconds": 1}}}
        assert send(world, "POST", "/maintenance/schedule", {"windows": [window]}) == (200, "")
        assert send(world, "POST", "/machine/down", [MACHINE]) == (200, "")
        assert world.get("/maintenance/status") == {"down_machines": [MACHINE]}
        assert send(world, "POST", "/machine/up", [MACHINE]) == (200, "")
        assert world.get("/maintenance/status") == {}
        assert world.get("/maintenance/schedule") == {}

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            (b'{"windows":[{}]}', "Missing required fields: windows[0].unavailability"),
            (b"{", "syntax error at line 1 near: "),
            (b"[]", "Unexpected JSON type parsed"),
        ],
    )
    def test_bodies_that_are_no_schedule(self, world, body, text):
        assert send(world, "POST", "/maintenance/schedule", body) == (400, text)

    @pytest.mark.parametrize("path", ["/machine/down", "/machine/up"])
    def test_bodies_that_are_no_list_of_machines(self, world, path):
        assert send(world, "POST", path, b"{}") == (400, "Unexpected JSON type parsed")
        assert send(world, "POST", path, b"") == (400, "syntax error at line 1 near: ")
        assert send(world, "POST", path, b"[]") == (400, "List of machines is empty")
        assert send(world, "POST", path, b"[1]")[0] == 400


class TestForms:
    def test_teardown(self, world):
        framework = world.framework()
        assert form(world, "/teardown") == (400, "Missing 'frameworkId' query parameter in the request body")
        assert form(world, "/teardown", frameworkId="x") == (400, "No framework found with specified ID")
        assert form(world, "/teardown", frameworkId=framework.id) == (200, "")
        assert world.get("/frameworks")["frameworks"] == []

    @pytest.mark.parametrize(
        ("path", "name", "parsing"),
        [
            ("/reserve", "resources", "Error parsing"),
            ("/unreserve", "resources", "Error in parsing"),
            ("/create-volumes", "volumes", "Error in parsing"),
            ("/destroy-volumes", "volumes", "Error in parsing"),
        ],
    )
    def test_what_the_forms_need(self, world, path, name, parsing):
        missing = "Missing '{}' query parameter in the request body"
        assert form(world, path) == (400, missing.format("slaveId"))
        assert form(world, path, slaveId="x") == (400, missing.format(name))
        text = f"{parsing} '{name}' query parameter in the request body: syntax error at line 1 near: "
        assert form(world, path, slaveId="x", **{name: "["}) == (400, text)
        assert form(world, path, slaveId="x", **{name: [1]})[0] == 400
        assert form(world, path, slaveId="x", **{name: []}) == (400, "No agent found with specified ID")

    def test_reservations_and_volumes(self, make_real_world, amount):
        world = make_real_world()
        agent = world.agent()
        reserved = amount("disk", 64, reservations=[{"type": "DYNAMIC", "role": "web"}])
        volume = {**reserved, "disk": {"persistence": {"id": "v"}, "volume": {"container_path": "p", "mode": "RW"}}}
        for path, fields in (
            ("/reserve", {"resources": [reserved]}),
            ("/create-volumes", {"volumes": [volume]}),
            ("/destroy-volumes", {"volumes": [volume]}),
            ("/unreserve", {"resources": [reserved]}),
        ):
            assert form(world, path, slaveId=agent.id, **fields) == (202, "")
        assert world.get("/slaves")["slaves"][0]["reserved_resources"] == {}

    def test_resources_in_the_older_format(self, make_real_world, amount):
        world = make_real_world()
        agent = world.agent()
        reserved = amount("cpus", 1, role="web", reservation={"principal": "p"})
        assert form(world, "/reserve", slaveId=agent.id, resources=[reserved]) == (202, "")
        (full,) = world.get("/slaves")["slaves"][0]["reserved_resources_full"]["web"]
        assert full["reservations"] == [{"type": "DYNAMIC", "role": "web", "principal": "p"}]

    def test_reservations_with_a_source(self, make_real_world, amount):
        world = make_real_world()
        agent = world.agent()
        of_a, of_b = (amount("cpus", 1, reservations=[{"type": "DYNAMIC", "role": role}]) for role in "ab")
        form(world, "/reserve", slaveId=agent.id, resources=[of_a])
        assert form(world, "/reserve", slaveId=agent.id, resources=[of_b], source=[of_a]) == (202, "")
        assert list(world.get("/slaves")["slaves"][0]["reserved_resources"]) == ["b"]
