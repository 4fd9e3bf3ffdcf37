"""Answers have the keys, their order and the types of those recorded from a real master in the same situation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SNAPSHOTS = Path(__file__).parents[2] / "conformance/recorded/snapshots"

#: What a build of Mesos has, and this one has not.
ABSENT = {"git_sha", "git_tag"}

LEGACY = ["state", "slaves", "state-summary", "frameworks", "tasks", "roles", "version", "quota", "weights"]
QUERIES = [
    "GET_AGENTS",
    "GET_EXECUTORS",
    "GET_FRAMEWORKS",
    "GET_HEALTH",
    "GET_LOGGING_LEVEL",
    "GET_MAINTENANCE_SCHEDULE",
    "GET_MAINTENANCE_STATUS",
    "GET_MASTER",
    "GET_OPERATIONS",
    "GET_QUOTA",
    "GET_ROLES",
    "GET_STATE",
    "GET_TASKS",
    "GET_VERSION",
    "GET_WEIGHTS",
]


def shape(value):
    """Keys in their order, and types; of a list the different shapes of its items."""
    if isinstance(value, dict):
        return [(key, shape(item)) for key, item in value.items() if key not in ABSENT and key != "flags"]
    if isinstance(value, list):
        return sorted({str(shape(item)) for item in value})
    return type(value).__name__


def recorded(name: str):
    return json.loads((SNAPSHOTS / f"master.{name}.json").read_bytes())


@pytest.fixture
def busy(make_real_world, amount, task):
    """Three agents; a framework with three starting tasks, a reservation and offers; as in the recording."""
    world = make_real_world(min_allocatable_resources="cpus:0.01|mem:32")
    agents = [
        world.agent(port=5051 + n, attributes="rack:r1;level:10;slots:[1-5,8-9]", capabilities=CAPABILITIES)
        for n in range(3)
    ]
    framework = world.framework(
        roles=["r1"],
        principal="p",
        failover_timeout=60.0,
        checkpoint=True,
        capabilities=[{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}],
    )
    world.advance(1)
    offer = next(
        offer
        for event in framework.take()
        for offer in event.get("offers", {}).get("offers", ())
        if offer["agent_id"]["value"] == agents[0].id
    )
    reserved = amount("disk", 64, reservations=[{"type": "DYNAMIC", "role": "r1", "principal": "p"}])
    labels = {"labels": [{"key": "a", "value": "b"}]}
    framework.accept(
        offer,
        operations=[
            {"type": "RESERVE", "reserve": {"resources": [{**reserved, "allocation_info": {"role": "r1"}}]}},
            {"type": "LAUNCH", "launch": {"task_infos": [task(f"t{n}", offer, labels=labels) for n in (1, 2, 3)]}},
        ],
        refuse=0,
    )
    world.settle()
    for n in (1, 2, 3):
        container = {"container_id": {"value": str(n)}, "executor_pid": 1}
        agents[0].update(
            framework.id, f"t{n}", "TASK_STARTING", uuid=bytes(16), container_status=_container(container),
            executor_id={"value": f"t{n}"},
        )  # fmt: skip
    for operation in list(world.state.agents[agents[0].id].operations.values()):
        world.state.forget_operation(operation)
    world.advance(1)
    return world


CAPABILITIES = (
    "MULTI_ROLE",
    "HIERARCHICAL_ROLE",
    "RESERVATION_REFINEMENT",
    "RESOURCE_PROVIDER",
    "RESIZE_VOLUME",
    "AGENT_OPERATION_FEEDBACK",
    "AGENT_DRAINING",
    "TASK_RESOURCE_LIMITS",
)


def _container(fields):
    network = {"ip_addresses": [{"protocol": "IPv4", "ip_address": "127.0.0.1"}]}
    return {"container_id": fields["container_id"], "network_infos": [network], "executor_pid": fields["executor_pid"]}


@pytest.mark.parametrize("name", LEGACY)
def test_legacy_answers_look_like_the_recorded_ones(busy, name):
    body = busy.get(f"/{name}")
    assert shape(body) == shape(recorded(name))


@pytest.mark.parametrize("name", QUERIES)
def test_answers_to_queries_look_like_the_recorded_ones(busy, name):
    body = json.loads(busy.operator(name).body)
    assert shape(body) == shape(recorded(name))


def test_the_metrics_of_the_master_are_the_recorded_ones(busy):
    ours = set(busy.get("/metrics/snapshot"))
    theirs = {name.replace("25cf43bd-e3b6-4675-baa4-4ae617c38fde-0000", "ID") for name in recorded("metrics_snapshot")}
    framework_id = next(iter(busy.state.frameworks))
    ours = {name.replace(f"A/{framework_id}", "snapshots/ID") for name in ours}
    missing = {name for name in theirs - ours if not name.startswith("registrar/state_")}
    assert missing == set()


def test_numbers_of_amounts_are_those_recorded(busy):
    theirs = {slave["id"][-2:]: slave for slave in recorded("slaves")["slaves"]}
    ours = {slave["id"][-2:]: slave for slave in busy.get("/slaves")["slaves"]}
    for name in ("resources", "used_resources", "offered_resources", "reserved_resources", "unreserved_resources"):
        assert ours["S0"][name] == theirs["S0"][name]
    for name in ("reserved_resources_full", "used_resources_full"):
        assert ours["S0"][name] == theirs["S0"][name]


def test_the_numbers_of_roles_are_those_recorded(busy):
    (ours,), (theirs,) = busy.get("/roles")["roles"], recorded("roles")["roles"]
    assert {**ours, "frameworks": 1} == {**theirs, "frameworks": 1}
