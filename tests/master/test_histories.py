"""Random histories: whatever frameworks, agents and operators do, the master's books are right and nothing breaks it."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.network.messages import (
    KillTask,
    RunTask,
    RunTaskGroup,
    ShutdownFramework,
    UnregisterAgent,
)
from pymesoskit.wire.v1 import mesos, scheduler
from tests.wire.strategies import messages

QUIETLY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

PING = {"agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "2", "allocation_interval": "500ms"}


class History:
    """A cluster with Mesos's allocator, two agents and up to three frameworks, moved by numbers."""

    def __init__(self, world, make_agent, make_framework, task, amount) -> None:
        self.world = world
        self.task = task
        self.amount = amount
        self.agents = [make_agent(world, port) for port in (5051, 5052)]
        self.make_framework = make_framework
        self.frameworks = []
        self.launched: dict[str, dict[tuple[str, str], mesos.TaskInfo]] = {agent.address: {} for agent in self.agents}
        self.infos: dict[str, mesos.FrameworkInfo] = {}
        self.count = 0

    def framework(self, number):
        alive = [each for each in self.frameworks if not each.stream.closed]
        return alive[number % len(alive)] if alive else None

    def do(self, step: str, number: int) -> None:
        getattr(self, step)(number)
        self.world.settle()
        self.read_mail()
        self.check()

    # What can happen

    def subscribe(self, number) -> None:
        if len(self.frameworks) < 3:
            self.frameworks.append(
                self.make_framework(
                    self.world,
                    failover_timeout=float(number % 3),
                    checkpoint=bool(number % 2),
                    roles=[["a"], ["a", "b/c"]][number % 2],
                ).subscribe()
            )
        else:
            self.frameworks[number % 3].subscribe()

    def disconnect(self, number) -> None:
        framework = self.framework(number)
        if framework is not None:
            framework.stream.close_by_peer()

    def teardown(self, number) -> None:
        framework = self.framework(number)
        if framework is not None and number % 5 == 0:
            framework.call("TEARDOWN")

    def offers_of(self, framework):
        return [
            json.loads(
                json.dumps({"id": {"value": offer.id}, "agent_id": {"value": offer.agent_id}, "role": offer.role})
            )
            for offer in self.world.state.frameworks[framework.id].offers.values()
        ]

    def accept(self, number) -> None:
        framework = self.framework(number)
        if framework is None or framework.id not in self.world.state.frameworks:
            return
        offers = self.offers_of(framework)
        if not offers:
            return
        offer = offers[number % len(offers)]
        self.count += 1
        reserved = self.amount("disk", 10, reservations=[{"type": "DYNAMIC", "role": offer["role"]}])
        volume = {
            **reserved,
            "disk": {"persistence": {"id": f"v{self.count}"}, "volume": {"container_path": "p", "mode": "RW"}},
        }
        executor = {
            "executor_id": {"value": f"e{number % 2}"},
            "command": {"value": "x"},
            "resources": [self.amount("cpus", 0.1)],
        }
        plans = [
            [{"type": "LAUNCH", "launch": {"task_infos": [self.task(f"t{self.count}", offer)]}}],
            [{"type": "LAUNCH", "launch": {"task_infos": [self.task(f"t{self.count}", offer, executor=executor)]}}],
            [
                {"type": "RESERVE", "reserve": {"resources": [reserved]}},
                {"type": "CREATE", "id": {"value": f"o{self.count}"}, "create": {"volumes": [volume]}},
                {
                    "type": "LAUNCH",
                    "launch": {
                        "task_infos": [
                            {**self.task(f"t{self.count}", offer), "resources": [volume, self.amount("cpus", 1)]}
                        ]
                    },
                },
            ],
            [
                {"type": "DESTROY", "destroy": {"volumes": [volume]}},
                {"type": "UNRESERVE", "unreserve": {"resources": [reserved]}},
            ],
            [],
        ]
        framework.accept(offer, operations=plans[number % len(plans)], refuse=number % 2)

    def decline(self, number) -> None:
        framework = self.framework(number)
        if framework is not None and framework.id in self.world.state.frameworks:
            ids = [offer["id"] for offer in self.offers_of(framework)]
            framework.call("DECLINE", {"offer_ids": ids, "filters": {"refuse_seconds": number % 2}})

    def update(self, number) -> None:
        agent = self.agents[number % 2]
        tasks = list(self.launched[agent.address])
        if tasks and agent.address in self.world.network._parties:
            framework_id, task_id = tasks[number % len(tasks)]
            state = ("TASK_RUNNING", "TASK_FINISHED", "TASK_FAILED")[number % 3]
            agent.update(framework_id, task_id, state, bytes([number % 7] * 6 + [0x41] + [1] * 9))

    def acknowledge(self, number) -> None:
        framework = self.framework(number)
        if framework is None:
            return
        for event in framework.take():
            status = event.get("update", {}).get("status", {})
            if "uuid" in status:
                framework.call("ACKNOWLEDGE", {key: status[key] for key in ("agent_id", "task_id", "uuid")})

    def kill(self, number) -> None:
        framework = self.framework(number)
        if framework is not None:
            framework.call("KILL", {"task_id": {"value": f"t{number % (self.count + 1)}"}})
            framework.call("RECONCILE", {"tasks": []})

    def agent_dies(self, number) -> None:
        agent = self.agents[number % 2]
        if agent.address in self.world.network._parties:
            agent.die()

    def agent_returns(self, number) -> None:
        agent = self.agents[number % 2]
        agent.answers_pings = True
        if agent.address not in self.world.network._parties:
            agent.live_again()
        mine = self.launched[agent.address]
        if number % 7 == 0:
            agent.info.ClearField("id")
            mine.clear()
            agent.register()
            return
        if number % 3 == 0 and mine:
            mine.pop(next(iter(mine)))
        reported = []
        for (framework_id, _), info in mine.items():
            reported.append(
                mesos.Task(
                    name=info.name, task_id=info.task_id, agent_id=mesos.AgentID(value=agent.id), state="TASK_RUNNING",
                    framework_id=mesos.FrameworkID(value=framework_id), resources=info.resources,
                    executor_id=info.executor.executor_id if info.HasField("executor") else None,
                )
            )  # fmt: skip
        executors = {
            (framework_id, info.executor.executor_id.value): info.executor
            for (framework_id, _), info in mine.items()
            if info.HasField("executor")
        }
        known = {framework_id for framework_id, _ in mine}
        checkpointed = [
            resource
            for info in mine.values()
            for resource in info.resources
            if resource.reservations and not resource.ClearField("allocation_info")
        ]
        agent.reregister(
            reported,
            [(framework_id, info) for (framework_id, _), info in executors.items()],
            [self.infos[framework_id] for framework_id in sorted(known)],
            checkpointed=Resources.from_messages(checkpointed).to_messages(),
        )

    def agent_freezes(self, number) -> None:
        self.agents[number % 2].answers_pings = False

    def agent_unregisters(self, number) -> None:
        agent = self.agents[number % 2]
        if number % 4 == 0:
            agent.send(UnregisterAgent(agent.id))

    def master_restarts(self, number) -> None:
        if number % 4 == 0:
            self.world.master.terminate()
            self.world.start_master()

    def drain(self, number) -> None:
        call = {
            "type": "DRAIN_AGENT",
            "drain_agent": {"agent_id": {"value": self.agents[number % 2].id}, "mark_gone": number % 3 == 0},
        }
        self.world.post(call, "/api/v1")

    def reactivate(self, number) -> None:
        call = {"type": "REACTIVATE_AGENT", "reactivate_agent": {"agent_id": {"value": self.agents[number % 2].id}}}
        self.world.post(call, "/api/v1")

    def time(self, number) -> None:
        self.world.advance(number % 5 * 0.5)

    # What agents do with what they get

    def read_mail(self) -> None:
        for agent in self.agents:
            tasks = self.launched[agent.address]
            for message in agent.received:
                if isinstance(message, RunTask):
                    self.infos[message.framework.id.value] = message.framework
                    tasks[message.framework.id.value, message.task.task_id.value] = message.task
                elif isinstance(message, ShutdownFramework):
                    for key in [key for key in tasks if key[0] == message.framework_id]:
                        del tasks[key]
            assert not any(isinstance(message, RunTaskGroup) for message in agent.received)
            assert all(message.task_id for message in agent.received if isinstance(message, KillTask))
            agent.received.clear()

    # What must hold

    def check(self) -> None:
        state = self.world.state
        for agent in state.agents.values():
            used = sum((task.resources for task in agent.all_tasks() if task.holds_resources), Resources())
            used += sum((each.resources for of in agent.executors.values() for each in of.values()), Resources())
            assert agent.used.total == used
            assert agent.offered.total == sum((offer.resources for offer in agent.offers.values()), Resources())
            assert agent.connected or not agent.offers
            assert agent.total_resources.contains(agent.checkpointed_resources)
        for framework in state.frameworks.values():
            used = sum((task.resources for task in framework.tasks.values() if task.holds_resources), Resources())
            used += sum((each.resources for of in framework.executors.values() for each in of.values()), Resources())
            assert framework.used.total == used
            assert framework.active or not framework.offers
            for task in framework.tasks.values():
                assert state.agents[task.agent_id].task(framework.id, task.id) is task
        assert {id(offer) for offer in state.offers.values()} == {
            id(offer) for agent in state.agents.values() for offer in agent.offers.values()
        }
        assert not set(state.frameworks) & set(state.completed_frameworks)
        assert not set(state.agents) & (set(state.unreachable) | set(state.gone) | set(state.recovered_agents))
        assert set(self.world.registry.admitted) == set(state.agents) | set(state.recovered_agents)


STEPS = sorted(
    name
    for name, value in vars(History).items()
    if callable(value)
    and not name.startswith("_")
    and name not in {"do", "framework", "offers_of", "read_mail", "check"}
)


#: What makes tasks live is drawn more often than what ends everything.
OFTEN = [step for step in STEPS for _ in range(8 if step in {"accept", "time", "update", "acknowledge"} else 1)]


@QUIETLY
@given(history=st.lists(st.tuples(st.sampled_from(OFTEN), st.integers(0, 100)), min_size=20, max_size=80))
def test_the_books_are_right_in_every_history(make_real_world, make_agent, make_framework, task, amount, history):
    world = make_real_world(**PING)
    it = History(world, make_agent, make_framework, task, amount)
    for agent in it.agents:
        agent.register()
    it.do("subscribe", 1)
    for step, number in history:
        it.do(step, number)
    world.master.terminate()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(["value", "type"]), inner, max_size=3)
    ),
    max_leaves=12,
)
calls = st.builds(
    lambda kind, payload, extra: {"type": kind, kind.lower(): payload, "framework_id": {"value": "x"}, **extra},
    st.sampled_from(scheduler.Call.Type.keys()),
    json_values,
    st.dictionaries(st.sampled_from(["framework_id", "subscribe", "accept"]), json_values, max_size=2),
)


@QUIETLY
@given(
    body=st.binary(max_size=200)
    | calls.map(lambda call: json.dumps(call).encode())
    | json_values.map(lambda value: json.dumps(value).encode())
)
def test_no_body_breaks_the_endpoint(make_world, body):
    world = make_world()
    for content_type in ("application/json", "application/x-protobuf"):
        responder = world.request("POST", "/api/v1/scheduler", body, **{"content-type": content_type})
        if responder.response is not None:
            assert responder.response.status in {400, 406, 501}
    world.master.terminate()


PROTOBUF = "application/x-protobuf"


def adapt(message, offer_id, agent_id, framework_id) -> None:
    """Makes the ids in a generated message those that there are, so that it is looked at more closely."""
    ids = {"OfferID": offer_id, "AgentID": agent_id, "FrameworkID": framework_id}
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        for inner in value if field.is_repeated else (value,):
            if field.message_type.name in ids:
                inner.value = ids[field.message_type.name]
            else:
                adapt(inner, offer_id, agent_id, framework_id)


@QUIETLY
@given(
    accept=messages(scheduler.Call.Accept.DESCRIPTOR, depth=5),
    others=st.lists(messages(scheduler.Call.DESCRIPTOR, depth=3), max_size=3),
)
def test_no_call_of_a_framework_breaks_the_master(make_real_world, make_agent, make_framework, accept, others):
    world = make_real_world(allocation_interval="500ms")
    agent = make_agent(world, 5051).register()
    framework = make_framework(world, failover_timeout=60.0).subscribe()
    for call in (scheduler.Call(type="ACCEPT", accept=accept), *others):
        world.advance(1)
        known = world.state.frameworks.get(framework.id)
        offer_id = next(iter(known.offers), "none") if known is not None else "none"
        adapt(call, offer_id, agent.id, framework.id)
        call.framework_id.value = framework.id
        headers = {"content-type": PROTOBUF, "accept": PROTOBUF, "mesos-stream-id": framework.stream_id}
        responder = world.request("POST", "/api/v1/scheduler", call.SerializePartialToString(), **headers)
        assert responder.response.status in {200, 202, 400, 403, 501}
    world.advance(1)
    world.master.terminate()


@pytest.mark.parametrize("subtract", ["Infinity", 0.0004, -1, 64, 1e300])
def test_a_volume_shrinks_by_a_part_of_itself_only(world, make_agent, make_framework, amount, subtract):
    agent, framework = make_agent(world, 5051).register(), make_framework(world).subscribe()
    disk = amount("disk", 64, reservations=[{"type": "DYNAMIC", "role": "web"}])
    volume = {**disk, "disk": {"persistence": {"id": "v"}, "volume": {"container_path": "p", "mode": "RW"}}}
    operations = [
        {"type": "RESERVE", "reserve": {"resources": [disk]}},
        {"type": "CREATE", "create": {"volumes": [volume]}},
        {
            "type": "SHRINK_VOLUME",
            "id": {"value": "o"},
            "shrink_volume": {"volume": volume, "subtract": {"value": subtract}},
        },
    ]
    framework.accept(world.offer(framework, agent, "disk:64"), operations=operations)
    (event,) = framework.take()
    assert event["update_operation_status"]["status"]["message"].startswith("Value of 'ShrinkVolume.subtract' must be ")
