"""What a master answers while another one leads, or none does."""

from __future__ import annotations

import pytest

LED = [
    "/api/v1", "/frameworks", "/roles", "/slaves", "/state", "/state-summary", "/tasks", "/reserve", "/unreserve",
    "/create-volumes", "/destroy-volumes", "/quota", "/quota/web", "/weights", "/teardown", "/maintenance/schedule",
    "/maintenance/status", "/machine/down", "/machine/up",
]  # fmt: skip
OWN = ["/health", "/version", "/flags", "/metrics/snapshot", "/files/debug", "/system/stats.json"]


class Elsewhere:
    def __init__(self, address):
        self.address = address

    def leader(self):
        return self.address

    def watch(self, changed):
        return lambda: None


@pytest.fixture
def follower(world):
    world.master.core.leadership = Elsewhere("master@127.0.0.1:5999")
    return world


@pytest.mark.parametrize("path", LED)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_the_leader_is_elsewhere(follower, method, path):
    response = follower.request(method, f"{path}?x=1").response
    assert (response.status, response.body) == (307, b"")
    assert response.headers == (("Location", f"//127.0.0.1:5999{path}?x=1"),)


@pytest.mark.parametrize("path", LED)
def test_there_is_no_leader(follower, path):
    follower.master.core.leadership.address = None
    response = follower.request("GET", path).response
    assert (response.status, response.body) == (503, b"No leader elected")


@pytest.mark.parametrize("path", OWN)
def test_what_each_master_answers_itself(follower, path):
    assert follower.request("GET", path).response.status == 200


def test_redirection(follower):
    response = follower.request("GET", "/redirect").response
    assert (response.status, response.headers) == (307, (("Location", "//127.0.0.1:5999"),))
    follower.master.core.leadership.address = None
    assert follower.request("GET", "/redirect").response.status == 503


def test_only_the_leader_is_elected(follower):
    assert follower.get("/metrics/snapshot")["master/elected"] == 0
