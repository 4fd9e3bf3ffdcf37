"""/metrics/snapshot as slow as libprocess makes it, if the environment says so (operator-api.md 3.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pymesoskit.testing.cluster.cluster import ClusterError, SimulatedCluster
from pymesoskit.testing.cluster.handles import ClusterAgent, ClusterMaster
from pymesoskit.testing.engine.http.handler import Request, Response

VARIABLE = "LIBPROCESS_METRICS_SNAPSHOT_ENDPOINT_RATE_LIMIT"


class Asked:
    """A request for metrics, and what became of it."""

    def __init__(self, member: ClusterMaster | ClusterAgent, query: str = "") -> None:
        self.response: Response | None = None
        self.gone: Any = None
        assert member._member.handler is not None
        member._member.handler(Request("GET", f"/metrics/snapshot{query}"), self)

    def respond(self, response: Response) -> None:
        self.response = response

    def stream(self, *_: object) -> Any:
        raise AssertionError("nothing streams here")

    def on_close(self, callback: object) -> None:
        self.gone = callback


def answered(asked: list[Asked]) -> list[bool]:
    return [one.response is not None for one in asked]


def member_of(cluster: SimulatedCluster, name: str) -> ClusterMaster | ClusterAgent:
    return cluster.master if name == "master" else cluster.agents[0]


@pytest.mark.parametrize("name", ["master", "agent"])
def test_answers_come_one_by_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(VARIABLE, "2/1secs")
    with SimulatedCluster(1) as cluster:
        asked = [Asked(member_of(cluster, name)) for _ in range(3)]
        cluster.advance(0)
        assert answered(asked) == [True, False, False]
        cluster.advance(0.5)
        assert answered(asked) == [True, True, False]
        cluster.advance(0.5)
        assert answered(asked) == [True, True, True]
        response = asked[2].response
        assert response is not None
        assert "system/cpus_total" in json.loads(response.body)


def test_who_goes_away_loses_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1/10secs")
    with SimulatedCluster(1) as cluster:
        asked = [Asked(cluster.master) for _ in range(3)]
        cluster.advance(0)
        asked[1].gone()
        cluster.advance(10)
        assert answered(asked) == [True, False, True]


@pytest.mark.parametrize("name", ["master", "agent"])
@pytest.mark.parametrize("limit", ["", "1/10secs"])
def test_a_bad_timeout_needs_no_turn(monkeypatch: pytest.MonkeyPatch, name: str, limit: str) -> None:
    monkeypatch.setenv(VARIABLE, limit)
    with SimulatedCluster(1) as cluster:
        for _ in range(2):
            response = Asked(member_of(cluster, name), "?timeout=soon").response
            assert response is not None
            assert (response.status, response.body[:24]) == (400, b"Invalid timeout 'soon': ")


@pytest.mark.parametrize("name", ["master", "agent"])
def test_without_a_limit_answers_come_at_once(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with SimulatedCluster(1) as cluster:
        assert answered([Asked(member_of(cluster, name)) for _ in range(10)]) == [True] * 10


@pytest.mark.parametrize("text", ["2", "x/1secs", "2/soon", "0/1secs"])
def test_a_limit_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    expected = rf"Failed to parse {VARIABLE} '{text}' \(format is <number of requests>/<interval duration>\)"
    with pytest.raises(ClusterError, match=expected), SimulatedCluster(1):
        pass
