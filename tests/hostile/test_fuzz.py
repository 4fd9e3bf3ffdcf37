"""Nothing that is sent to an endpoint stops the master or an agent, or takes another framework's offers.

Bodies are random bytes, JSON of the right words in the wrong places, and generated calls, whole or damaged. They go straight to the handlers,
in virtual time: an exception in a handler is a failed test. `PYMESOSKIT_FUZZ=10000` (`make nightly`) sets how many go to each endpoint.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from attrs import define, field
from google.protobuf.message import Message
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pymesoskit.testing.cluster.cluster import SimulatedCluster
from pymesoskit.testing.engine.http.handler import Headers, Request, Response
from pymesoskit.wire import RecordDecoder, to_json
from pymesoskit.wire.v1 import agent, executor, maintenance, master, mesos, quota, scheduler
from tests.wire.strategies import messages
from tools.fidelity import endpoints

CASES = int(os.environ.get("PYMESOSKIT_FUZZ") or 150)
FUZZ = settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
    database=None,
)
JSON, PROTOBUF = "application/json", "application/x-protobuf"

#: What an endpoint may say. A mistake of ours is an exception here; a 500 that is meant says why.
STATUSES = {200, 202, 307, 400, 401, 403, 404, 405, 406, 409, 415, 501, 503}


@define
class Answer:
    """A responder that keeps what it is told, and notices if it is told twice."""

    response: Response | None = None
    status: int | None = None
    headers: dict[str, str] = field(factory=dict)
    events: list[bytes] = field(factory=list)
    closed: bool = False
    gone: Callable[[], None] | None = None
    _decoder: RecordDecoder = field(factory=RecordDecoder)

    def respond(self, response: Response) -> None:
        assert self.status is None, "answered twice"
        self.response, self.status = response, response.status

    def stream(self, status: int, headers: Headers, on_close: Callable[[], None]) -> Answer:
        assert self.status is None, "answered twice"
        self.status, self.headers, self.gone = status, dict(headers), on_close
        return self

    def is_sound(self) -> bool:
        """Whether it is an answer that an endpoint may give."""
        said = self.response.body if self.response is not None else b""
        return self.status in STATUSES or (self.status == 500 and bool(said))

    def on_close(self, callback: Callable[[], None]) -> None:
        self.gone = callback

    def write(self, data: Any) -> None:
        for piece in [data] if isinstance(data, bytes) else data:
            self.events += self._decoder.feed(piece)

    def end(self) -> None:
        self.closed = True

    abort = end

    def leave(self) -> None:
        """The client goes away."""
        if self.gone is not None and not self.closed:
            self.closed = True
            self.gone()


class World:
    """A cluster, a framework that minds its own business, and somebody who does not."""

    def __init__(self) -> None:
        self.cluster = SimulatedCluster(agents=2, simulated={})
        self.cluster.start()
        self.bystander = self.subscribe("bystander")
        self.cluster.advance(2)
        assert self.offered(), "the bystander gets offers to begin with"

    def send(self, member: Any, method: str, target: str, headers: Headers = (), body: bytes = b"") -> Answer:
        answer = Answer()
        handler = member._member.handler
        assert handler is not None
        self.cluster.call(handler, Request(method, target, headers, body), answer)
        return answer

    def subscribe(self, name: str) -> Answer:
        info = {"user": "root", "name": name, "roles": [name], "capabilities": [{"type": "MULTI_ROLE"}]}
        body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}).encode()
        headers = (("content-type", JSON), ("accept", JSON))
        answer = self.send(self.cluster.master, "POST", "/api/v1/scheduler", headers, body)
        assert answer.status == 200
        return answer

    def offered(self) -> int:
        events = [json.loads(event) for event in self.bystander.events]
        return sum(len(event["offers"]["offers"]) for event in events if event["type"] == "OFFERS")

    def check(self) -> None:
        """All is as it was: the master answers, the agents are there, the bystander is connected and has its offers."""
        self.cluster.advance(1)
        health = self.send(
            self.cluster.master, "POST", "/api/v1", (("content-type", JSON), ("accept", JSON)), b'{"type":"GET_HEALTH"}'
        )
        assert health.status == 200
        assert not self.bystander.closed
        names = {framework.name for framework in self.cluster.frameworks() if framework.connected}
        assert "bystander" in names

    def close(self) -> None:
        self.cluster.stop()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


def bodies(call: type[Message]) -> st.SearchStrategy[tuple[str, bytes]]:
    """(content type, body)."""
    generated = messages(call.DESCRIPTOR, 4)
    as_json = generated.map(lambda m: to_json(m).encode())
    as_protobuf = generated.map(lambda m: m.SerializePartialToString())
    names = [f.name for f in call.DESCRIPTOR.fields] + ["type", "value", "framework_id", "roles", "resources", "id"]
    kinds = [value.name for value in call.DESCRIPTOR.enum_types_by_name["Type"].values]
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.sampled_from(kinds)
        | st.text(max_size=4)
    )
    words = st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=4),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
    damaged = st.tuples(as_json | as_protobuf, st.integers(0, 400), st.binary(max_size=3)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + 1 :]
    )
    typed = st.tuples(st.sampled_from([JSON, PROTOBUF]), st.binary(max_size=60) | words | damaged)
    return st.one_of(
        as_json.map(lambda body: (JSON, body)),
        as_protobuf.map(lambda body: (PROTOBUF, body)),
        words.map(lambda body: (JSON, body)),
        typed,
    )


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["accept", "mesos-stream-id", "authorization", "content-type", "accept-encoding", "message-accept"]
        ),
        st.sampled_from(
            [JSON, PROTOBUF, "*/*", "text/html", "x", "", "Basic eA==", "application/recordio", "Bearer x", ";q=0"]
        ),
    ),
    max_size=3,
)

ENDPOINTS = {
    "scheduler": ("master", "/api/v1/scheduler", scheduler.Call),
    "operator": ("master", "/api/v1", master.Call),
    "agent": ("agent", "/api/v1", agent.Call),
    "executor": ("agent", "/api/v1/executor", executor.Call),
}


@pytest.mark.timeout(0 if CASES > 1000 else 120)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_no_call_breaks_an_endpoint(endpoint: str, world: World) -> None:
    where, path, call = ENDPOINTS[endpoint]
    member = world.cluster.master if where == "master" else world.cluster.agents[0]

    @FUZZ
    @given(bodies(call), HEADERS)
    def fuzz(body: tuple[str, bytes], more: list[tuple[str, str]]) -> None:
        headers = (("content-type", body[0]), ("accept", JSON), *more)
        answer = world.send(member, "POST", path, headers, body[1])
        assert answer.status is None or answer.is_sound(), (answer.response, body)
        answer.leave()
        world.check()

    fuzz()


@pytest.mark.timeout(0 if CASES > 1000 else 120)
def test_no_call_of_a_subscribed_framework_breaks_the_master(world: World) -> None:
    """Calls that get past the first checks: with the framework's id and stream id in place."""

    @FUZZ
    @given(messages(scheduler.Call.DESCRIPTOR, 4), st.sampled_from([JSON, PROTOBUF]), st.integers(0, 3))
    def fuzz(call: Any, kind: str, seconds: int) -> None:
        answer = Answer()
        me = world.subscribe("me")
        info = json.loads(me.events[0])["subscribed"]["framework_id"]["value"]
        call.framework_id.value = info
        if call.HasField("accept"):
            offers = [json.loads(event) for event in me.events if b'"OFFERS"' in event]
            for offer in [offer for event in offers for offer in event["offers"]["offers"]][:1]:
                call.accept.offer_ids.add().value = offer["id"]["value"]
        body = to_json(call).encode() if kind == JSON else call.SerializePartialToString()
        headers = (("content-type", kind), ("accept", JSON), ("mesos-stream-id", me.headers["Mesos-Stream-Id"]))
        world.cluster.call(
            world.cluster.master._member.handler, Request("POST", "/api/v1/scheduler", headers, body), answer
        )
        assert answer.is_sound(), (answer.response, call)
        world.cluster.advance(seconds)
        answer.leave()
        me.leave()
        world.check()

    fuzz()


OF_MASTER = (
    "/allocator/offer_constraints_debug", "/create-volumes", "/destroy-volumes", "/files/browse", "/files/debug", "/files/download", "/files/read",
    "/flags", "/frameworks", "/health", "/logging/toggle", "/machine/down", "/machine/up", "/maintenance/schedule", "/maintenance/status",
    "/metrics/snapshot", "/quota", "/redirect", "/reserve", "/roles", "/slaves", "/state", "/state-summary", "/system/stats.json", "/tasks", "/teardown",
    "/unreserve", "/version", "/weights",
)  # fmt: skip
OF_AGENT = (
    "/containerizer/debug", "/containers", "/files/browse", "/files/debug", "/files/download", "/files/read", "/flags", "/health", "/metrics/snapshot",
    "/monitor/statistics", "/state", "/version",
)  # fmt: skip
OLDER = [("master", path) for path in OF_MASTER] + [("agent", path) for path in OF_AGENT]

SUFFIXES = st.sampled_from(["", "", "", "/", "//", "/x", "/%2e%2e/state", "/%00"])
QUERIES = st.lists(
    st.tuples(
        st.sampled_from(["path", "offset", "length", "limit", "order", "jsonp", "timeout", "level", "duration", "slave_id",
                         "task_id", "framework_id", "container_id"]),
        st.sampled_from(["", "0", "-1", "-7", "x", "1e9", "99999999999999999999", "/", "../../etc/passwd", "%00", "%ff", "5secs", "asc"]),
    ),
    max_size=3,
).map(lambda pairs: "?" + "&".join(f"{key}={value}" for key, value in pairs) if pairs else "")  # fmt: skip


def older_bodies(agent_id: str) -> st.SearchStrategy[bytes]:
    """What the older endpoints read: bytes, forms and JSON of about the right shape, about this agent or another."""

    def listed(kind: type[Message]) -> st.SearchStrategy[str]:
        one = messages(kind.DESCRIPTOR, 3).map(to_json)
        return st.lists(one, max_size=2).map(lambda texts: f"[{','.join(texts)}]")

    def form(agent: str, key: str, value: str) -> bytes:
        return f"slaveId={quote(agent)}&{key}={quote(value)}".encode()

    agents = st.sampled_from([agent_id, "x", ""])
    forms = st.builds(form, agents, st.sampled_from(["resources", "volumes", "source"]), listed(mesos.Resource))
    lists = listed(mesos.MachineID) | listed(mesos.WeightInfo)
    whole = messages(quota.QuotaRequest.DESCRIPTOR, 4) | messages(maintenance.Schedule.DESCRIPTOR, 4)
    odd = [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"[{}]",
        b"frameworkId=x",
        b'{"windows":[{}]}',
        b"slaveId=%ff&resources=%ff",
        b"&&=",
        b"%",
    ]
    return st.one_of(
        forms,
        lists.map(str.encode),
        whole.map(lambda m: to_json(m).encode()),
        st.sampled_from(odd),
        st.binary(max_size=40),
    )


@pytest.mark.timeout(0 if CASES > 1000 else 120)
@pytest.mark.parametrize(("where", "path"), OLDER)
def test_no_request_breaks_an_older_endpoint(where: str, path: str, world: World) -> None:
    member = world.cluster.master if where == "master" else world.cluster.agents[0]

    @FUZZ
    @given(
        st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "X"]),
        SUFFIXES,
        QUERIES,
        HEADERS,
        older_bodies(world.cluster.agents[0].id),
    )
    def fuzz(method: str, suffix: str, query: str, headers: list[tuple[str, str]], body: bytes) -> None:
        target = path + suffix + query
        answer = world.send(member, method, target, tuple(headers), body)
        assert answer.is_sound(), (answer.response, method, target, body)
        answer.leave()
        world.check()

    fuzz()


def test_every_older_endpoint_is_among_those_above(world: World) -> None:
    """Nothing new may be forgotten: an unknown path is 404, and no path that is not 404 is missing."""
    for where, known in (("master", OF_MASTER), ("agent", OF_AGENT)):
        member = world.cluster.master if where == "master" else world.cluster.agents[0]
        for path in known:
            answer = world.send(member, "GET", path)
            assert answer.response is None or answer.response.body != b"404 Not Found.", path
        assert world.send(member, "GET", "/nothing").status == 404
    of_master, of_agent = endpoints()
    assert {*of_master, *of_agent} - {path for _, path, _ in ENDPOINTS.values()} == {*OF_MASTER, *OF_AGENT}
