"""A master on virtual time, with agents and frameworks that only do what a test says.

``World`` holds one master whose allocator offers nothing by itself: tests say what is offered. ``FakeAgent`` is a party on the
network that records what it receives; ``FakeFramework`` speaks the scheduler API in JSON, straight to the handler.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from pymesoskit.resources import Resources, parse_attributes
from pymesoskit.testing.allocator import AGENT_CAPABILITIES
from pymesoskit.testing.allocator.hierarchical import HierarchicalAllocator
from pymesoskit.testing.cluster.cluster import SimulatedCluster
from pymesoskit.testing.engine.flags.flags import MasterFlags
from pymesoskit.testing.engine.http.authentication import Credential
from pymesoskit.testing.engine.http.handler import Request, Response
from pymesoskit.testing.engine.master.master import Master
from pymesoskit.testing.engine.master.registry import Registry
from pymesoskit.testing.engine.network.messages import (
    AgentRegistered,
    AgentReregistered,
    PingAgent,
    PongAgent,
    RegisterAgent,
    ReregisterAgent,
    StatusUpdate,
)
from pymesoskit.testing.engine.network.network import Network
from pymesoskit.testing.runtime.actor import SimulatedActor
from pymesoskit.testing.runtime.history import History
from pymesoskit.wire import RecordDecoder, from_json
from pymesoskit.wire.v1 import mesos

ADDRESS = "master@127.0.0.1:5050"
RESOURCES = "cpus:4;mem:4096;disk:10000;ports:[31000-32000]"


class FakeStream:
    def __init__(self, on_close, content_type: str) -> None:
        self._decode = json.loads if content_type == "application/json" else bytes
        self.records = RecordDecoder()
        self.events: list[dict[str, Any]] = []
        self.closed = False
        self.aborted = False
        self._on_close = on_close

    def write(self, data) -> None:
        if self.closed:
            return
        for piece in [data] if isinstance(data, bytes) else data:
            self.events += [self._decode(record) for record in self.records.feed(piece)]

    def end(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def close_by_peer(self) -> None:
        self.closed = True
        self._on_close()


class FakeResponder:
    def __init__(self) -> None:
        self.response: Response | None = None
        self.aborted = False
        self.opened: FakeStream | None = None
        self.headers: dict[str, str] = {}

    def respond(self, response: Response) -> None:
        assert self.response is None, "answered twice"
        assert self.opened is None, "answered twice"
        self.response = response

    def stream(self, status, headers, on_close) -> FakeStream:
        assert self.response is None, "answered twice"
        assert self.opened is None, "answered twice"
        assert status == 200
        self.headers = dict(headers)
        self.opened = FakeStream(on_close, self.headers["Content-Type"])
        return self.opened

    def on_close(self, callback) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


class RecordingAllocator:
    """Writes down what it is told, and offers nothing by itself."""

    def __init__(self, clock, rng, listener, options) -> None:
        self.options = options
        self.listener = listener
        self.calls: list[tuple[str, tuple, dict]] = []

    def __getattr__(self, name: str):
        def record(*args, **kwargs):
            self.calls.append((name, args, kwargs))

        return record

    def inverse_offer_statuses(self):
        return {}

    def metrics(self):
        return {}

    def named(self, name: str) -> list[tuple[tuple, dict]]:
        return [(args, kwargs) for called, args, kwargs in self.calls if called == name]


class FakeAgent:
    def __init__(
        self,
        world: World,
        port: int = 5051,
        resources: str = RESOURCES,
        capabilities=None,
        attributes: str = "",
        credential: Credential | None = None,
        **info: Any,
    ) -> None:
        self.credential = credential
        self.world = world
        self.address = f"slave(1)@127.0.0.1:{port}"
        self.info = mesos.AgentInfo(
            hostname="127.0.0.1",
            port=port,
            resources=Resources.parse(resources).to_messages(),
            attributes=parse_attributes(attributes).to_messages(),
            **info,
        )
        self.capabilities = tuple(AGENT_CAPABILITIES if capabilities is None else capabilities)
        self.received: list[Any] = []
        self.answers_pings = True
        self.exits: list[str] = []
        self.id = ""
        world.network.attach(self.address, self)

    def receive(self, sender, message) -> None:
        if isinstance(message, PingAgent):
            if self.answers_pings:
                self.send(PongAgent())
            return
        if isinstance(message, AgentRegistered | AgentReregistered):
            self.id = message.agent_id
            self.info.id.value = self.id
        self.received.append(message)

    def exited(self, peer) -> None:
        self.exits.append(peer)

    def send(self, message) -> None:
        self.world.network.send(self.address, ADDRESS, message)

    def register(self) -> FakeAgent:
        self.send(RegisterAgent(self.info, "1.11.0", self.capabilities, credential=self.credential))
        self.world.settle()
        return self

    def reregister(
        self, tasks=(), executors=(), frameworks=(), operations=(), checkpointed=(), completed_tasks=()
    ) -> None:
        self.send(
            ReregisterAgent(
                self.info,
                "1.11.0",
                self.capabilities,
                tuple(checkpointed),
                tuple(tasks),
                tuple(executors),
                tuple(frameworks),
                tuple(operations),
                self.credential,
                tuple(completed_tasks),
            )
        )
        self.world.settle()

    def die(self) -> None:
        self.world.network.detach(self.address)
        self.world.settle()

    def live_again(self) -> None:
        self.world.network.attach(self.address, self)

    def take(self, kind: type) -> list[Any]:
        """The messages of that type received so far; they are not given again."""
        found = [message for message in self.received if isinstance(message, kind)]
        self.received = [message for message in self.received if not isinstance(message, kind)]
        return found

    def update(
        self, framework_id: str, task_id: str, state: str, uuid: bytes = b"", latest: str | None = None, **fields
    ):
        status = mesos.TaskStatus(
            task_id=mesos.TaskID(value=task_id),
            agent_id=mesos.AgentID(value=self.id),
            state=state,
            source=mesos.TaskStatus.SOURCE_EXECUTOR,
            timestamp=self.world.actor.clock.time(),
            **fields,
        )
        if uuid:
            status.uuid = uuid
        self.send(StatusUpdate(framework_id, status, mesos.TaskState.Value(latest or state)))
        self.world.settle()


class FakeFramework:
    def __init__(self, world: World, **info) -> None:
        self.world = world
        self.info = {
            "user": "root",
            "name": "A",
            "roles": ["web"],
            "capabilities": [{"type": kind} for kind in ("MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE")],
            **info,
        }
        self.id = ""
        self.stream: FakeStream
        self.stream_id = ""

    def subscribe(self, **fields) -> FakeFramework:
        info = dict(self.info)
        call: dict[str, Any] = {"type": "SUBSCRIBE", "subscribe": {"framework_info": info, **fields}}
        if self.id:
            call["framework_id"] = info["id"] = {"value": self.id}
        responder = self.world.post(call)
        assert responder.opened is not None, responder.response
        self.stream = responder.opened
        self.stream_id = responder.headers["Mesos-Stream-Id"]
        if self.events and self.events[0]["type"] == "SUBSCRIBED":
            self.id = self.events[0]["subscribed"]["framework_id"]["value"]
        return self

    @property
    def events(self) -> list[dict[str, Any]]:
        return self.stream.events

    def take(self) -> list[dict[str, Any]]:
        """The events so far, without SUBSCRIBED and HEARTBEAT; they are not given again."""
        found = [event for event in self.events if event["type"] not in {"SUBSCRIBED", "HEARTBEAT"}]
        self.stream.events = []
        return found

    def take_statuses(self) -> list[dict[str, Any]]:
        return [event["update"]["status"] for event in self.take() if event["type"] == "UPDATE"]

    def call(self, kind: str, payload: dict[str, Any] | None = None, **headers: str) -> Response:
        call: dict[str, Any] = {"type": kind, "framework_id": {"value": self.id}}
        if payload is not None:
            call[kind.lower()] = payload
        responder = self.world.post(call, **{"mesos-stream-id": self.stream_id, **headers})
        assert responder.response is not None
        return responder.response

    def accept(self, *offers: dict[str, Any], operations=(), refuse: float | None = None) -> None:
        payload: dict[str, Any] = {"offer_ids": [offer["id"] for offer in offers], "operations": list(operations)}
        if refuse is not None:
            payload["filters"] = {"refuse_seconds": refuse}
        assert self.call("ACCEPT", payload).status == 202

    def launch(self, offer: dict[str, Any], *tasks: dict[str, Any], **fields) -> None:
        self.accept(offer, operations=[{"type": "LAUNCH", "launch": {"task_infos": list(tasks)}}], **fields)


class World:
    """One cluster in virtual time."""

    def __init__(self, flags: MasterFlags | None = None, make_allocator=RecordingAllocator) -> None:
        self.make_allocator = make_allocator
        self.actor = SimulatedActor()
        self.network = Network(self.actor)
        self.registry = Registry()
        self.rng = Random(7)
        self.flags = flags or MasterFlags()
        self.history = History(self.actor.clock.time)
        self.leadership = None
        self.authorizers: dict[str, Any] = {}
        self.allocator: RecordingAllocator
        self.master: Master
        self.start_master()

    def start_master(self) -> None:
        def allocator(*given):
            self.allocator = self.make_allocator(*given)
            return self.allocator

        self.master = Master(
            ADDRESS,
            self.flags,
            actor=self.actor,
            network=self.network,
            rng=self.rng,
            registry=self.registry,
            allocator=allocator,
            history=self.history,
            hostname="127.0.0.1",
            ip="127.0.0.1",
            port=5050,
            leader=self.leadership,
            authorizers=self.authorizers,
        )
        self.master.start()
        self.settle()

    def settle(self) -> None:
        self.actor.settle()

    def advance(self, seconds: float) -> None:
        self.actor.advance(seconds)

    @property
    def state(self):
        return self.master.core.state

    def request(self, method: str, target: str, body: bytes = b"", **headers: str) -> FakeResponder:
        responder = FakeResponder()
        self.master.http(Request(method, target, tuple(headers.items()), body), responder)
        self.settle()
        return responder

    def post(self, call: Any, target: str = "/api/v1/scheduler", **headers: str) -> FakeResponder:
        body = call if isinstance(call, bytes) else json.dumps(call).encode()
        headers = {"content-type": "application/json", "accept": "application/json", **headers}
        return self.request("POST", target, body, **headers)

    def operator(self, kind: str, payload: dict[str, Any] | None = None, **headers: str) -> Response:
        call = {"type": kind} if payload is None else {"type": kind, kind.lower(): payload}
        response = self.post(call, "/api/v1", **headers).response
        assert response is not None
        return response

    def query(self, kind: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """What an operator's query answers, without the envelope."""
        response = self.operator(kind, payload)
        assert response.status == 200, response
        answer = json.loads(response.body)
        assert answer["type"] == kind
        return answer.get(kind.lower(), {})

    def get(self, target: str) -> Any:
        """The JSON at an endpoint."""
        response = self.request("GET", target).response
        assert response is not None
        assert response.status == 200, response
        return json.loads(response.body)

    def agent(self, **fields) -> FakeAgent:
        return FakeAgent(self, **fields).register()

    def framework(self, **info) -> FakeFramework:
        return FakeFramework(self, **info).subscribe()

    def offer(
        self, framework: FakeFramework, agent: FakeAgent, resources: str = RESOURCES, role: str = "web"
    ) -> dict[str, Any]:
        """Has the allocator offer these resources; returns the offer as the framework got it."""
        self.allocator.listener.offers(framework.id, {role: {agent.id: Resources.parse(resources)}})
        self.settle()
        (event,) = [event for event in framework.take() if event["type"] == "OFFERS"]
        (offer,) = event["offers"]["offers"]
        return offer


class ClusterWorld(World):
    """The leading master of a simulated cluster with real agents, and what it takes for another one to lead."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self.cluster = cluster

    @property
    def master(self) -> Master:
        return self.cluster.master._member.alive()

    def settle(self) -> None:
        self.cluster.settle()

    def advance(self, seconds: float) -> None:
        self.cluster.advance(seconds)

    def fail_over(self) -> None:
        """The leading master is killed; returns when another life leads and no agent has registered with it yet."""
        master = self.cluster.master
        master.kill()
        if len(self.cluster.masters) == 1:
            master.start()
        else:
            self.cluster.wait_for(lambda: self.cluster.master.leads, "an election")

    def agents_back(self, registered: int | None = None) -> None:
        self.cluster.wait_for_agents(registered, timeout=600)


@pytest.fixture(params=["restarted", "elected"])
def make_cluster_world(request):
    """Clusters whose next master is the only one started again, or the other of two."""
    clusters: list[SimulatedCluster] = []

    def make(agents=1, **given) -> ClusterWorld:
        masters = 1 if request.param == "restarted" else 2
        clusters.append(SimulatedCluster(agents, masters=masters, **given))
        clusters[-1].start()
        return ClusterWorld(clusters[-1])

    yield make
    for cluster in clusters:
        assert not cluster.history.failures
        cluster.stop()


def scalar(name: str, value: float, **fields) -> dict[str, Any]:
    return {"name": name, "type": "SCALAR", "scalar": {"value": value}, **fields}


def make_task(task_id: str, offer: dict[str, Any], cpus: float = 0.1, mem: float = 32, **fields) -> dict[str, Any]:
    return {
        "name": task_id,
        "task_id": {"value": task_id},
        "agent_id": offer["agent_id"],
        "resources": [scalar("cpus", cpus), scalar("mem", mem)],
        **({} if "executor" in fields else {"command": {"value": "true"}}),
        **fields,
    }


def make_message(kind: type, **fields):
    return from_json(json.dumps(fields), kind)


@pytest.fixture
def make_any_world():
    worlds: list[World] = []

    def make(flags: dict[str, str], make_allocator) -> World:
        worlds.append(World(MasterFlags.from_texts(flags), make_allocator))
        return worlds[-1]

    yield make
    for world in worlds:
        world.master.terminate()
        assert not world.master.core.lifeline.pending


@pytest.fixture
def make_world(make_any_world):
    return lambda **flags: make_any_world(flags, RecordingAllocator)


@pytest.fixture
def make_real_world(make_any_world):
    """Worlds with Mesos's own allocation policy."""
    return lambda **flags: make_any_world(flags, HierarchicalAllocator)


@pytest.fixture
def world(make_world) -> World:
    return make_world()


@pytest.fixture
def make_agent():
    return FakeAgent


@pytest.fixture
def make_framework():
    return FakeFramework


@pytest.fixture
def task():
    return make_task


@pytest.fixture
def amount():
    return scalar


@pytest.fixture
def message():
    return make_message
