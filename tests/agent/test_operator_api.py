"""The agent's operator API and its older endpoints (operator-api.md 4), beside the recordings of a real one."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.agent import Outcome
from pymesoskit.testing.engine.network.messages import DrainAgent
from pymesoskit.testing.runtime.system import read_system
from pymesoskit.wire.v1 import agent, mesos
from tests.agent.test_agent_life import reserve
from tests.agent.test_executors import status_of
from tests.agent.world import RealWorld, World, framework, task

if TYPE_CHECKING:
    from collections.abc import Iterator

SNAPSHOTS = Path(__file__).parents[1] / "conformance" / "recorded" / "snapshots"
JSON = {"content_type": "application/json"}


@pytest.fixture
def world() -> World:
    return World({"long": Outcome.runs()}).start()


def ask(world: World, kind: str, **payload: Any) -> Any:
    document = {"type": kind, **({kind.lower(): payload} if payload else {})}
    answer = world.http("POST", "/api/v1", json.dumps(document).encode(), **JSON)
    assert answer.response is not None
    assert answer.response.status == 200, answer.response.body
    return json.loads(answer.response.body) if answer.response.body else None


def get(world: World, path: str) -> Any:
    answer = world.http("GET", path)
    assert answer.response is not None
    assert answer.response.status == 200
    return json.loads(answer.response.body)


def shape(document: Any) -> Any:
    """Names and types only."""
    if isinstance(document, dict):
        return {name: shape(value) for name, value in document.items()}
    if isinstance(document, list):
        return [shape(document[0])] if document else []
    return (
        "number" if isinstance(document, (int, float)) and not isinstance(document, bool) else type(document).__name__
    )


@pytest.mark.parametrize(
    "kind", ["GET_HEALTH", "GET_STATE", "GET_TASKS", "GET_EXECUTORS", "GET_FRAMEWORKS", "GET_CONTAINERS",
             "GET_OPERATIONS", "GET_RESOURCE_PROVIDERS"]
)  # fmt: skip
def test_an_idle_agent_answers_as_a_real_one(world: World, kind: str) -> None:
    assert ask(world, kind) == json.loads((SNAPSHOTS / f"agent.{kind}.json").read_text())


def test_get_agent_has_the_shape_of_a_real_ones(world: World) -> None:
    recorded = shape(json.loads((SNAPSHOTS / "agent.GET_AGENT.json").read_text()))
    del recorded["get_agent"]["agent_info"]["attributes"]
    assert shape(ask(world, "GET_AGENT")) == recorded


def test_an_idle_agents_state_has_the_shape_of_a_real_ones(world: World) -> None:
    recorded = shape(json.loads((SNAPSHOTS / "agent.state.json").read_text()))
    ours = shape(get(world, "/state"))
    assert set(recorded) - set(ours) == {"git_sha", "git_tag"}  # there is no commit to name
    for name in set(ours) - {"flags", "attributes"}:
        assert ours[name] == recorded[name], name


def test_metrics_have_the_names_of_a_real_ones(world: World) -> None:
    recorded = set(json.loads((SNAPSHOTS / "agent.metrics_snapshot.json").read_text()))
    assert recorded - set(get(world, "/metrics/snapshot")) == set()


def test_executors_that_have_ended_are_counted(world: World) -> None:
    world.run(task("t1"), task("long"))
    world.until_state("t1", "TASK_FINISHED")
    world.advance(60)
    metrics = get(world, "/metrics/snapshot")
    assert (metrics["slave/executors_running"], metrics["slave/executors_terminated"]) == (1, 1)


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("/metrics/snapshot?timeout=1secs", 200, None),
        ("/metrics/snapshot?timeout=abc", 400, "Invalid timeout 'abc'"),
        ("/logging/toggle", 200, "0\n"),
        ("/logging/toggle?level=2", 400, "Expecting 'duration=value' in query.\n"),
        ("/logging/toggle?duration=1mins", 400, "Expecting 'level=value' in query.\n"),
        ("/logging/toggle?level=x&duration=1mins", 400, "Failed to convert 'x' to number.\n"),
        ("/logging/toggle?level=&duration=1mins", 400, "Failed to convert '' to number.\n"),
        ("/logging/toggle?level=-1&duration=1mins", 400, "Invalid level '-1'.\n"),
        ("/logging/toggle?level=1&duration=5", 400, "Invalid duration '5'.\n"),
        ("/logging/toggle?level=1&duration=", 400, "Invalid duration ''.\n"),
        ("/logging/toggle?level=1&duration=5x", 400, "Unknown duration unit 'x'.\n"),
        ("/logging/toggle?level=1&duration=soon", 400, "Failed to convert '' to number.\n"),
        ("/logging/toggle?level=1&duration=-1secs", 400, "Failed to convert '' to number.\n"),
        ("/logging/toggle?level=1&duration=1.2.3secs", 400, "Failed to convert '1.2.3' to number.\n"),
        (
            "/logging/toggle?level=1&duration=99999999weeks",
            400,
            "Argument out of the range that a Duration can represent due to int64_t's size limit.\n",
        ),
        ("/metrics/snapshot?timeout=5", 400, "Invalid timeout '5': Invalid duration '5'.\n"),
        ("/logging/toggle?level=2&duration=1mins", 200, ""),
        ("/system/stats.json", 200, '{"avg_load_15min":'),
    ],
)
def test_what_every_process_of_mesos_serves(world: World, target: str, status: int, text: str | None) -> None:
    found, body = status_of(world.http("GET", target))
    assert found == status
    assert text is None or body.startswith(text)


def test_a_level_of_logging_is_the_same_in_both_apis(world: World) -> None:
    world.http("GET", "/logging/toggle?level=2&duration=1mins")
    assert ask(world, "GET_LOGGING_LEVEL")["get_logging_level"]["level"] == 2
    world.advance(61)
    assert ask(world, "GET_LOGGING_LEVEL")["get_logging_level"].get("level", 0) == 0


def test_containers_without_statistics_are_not_in_the_statistics(world: World) -> None:
    info = task("long")
    world.run(info)
    world.until_state("long", "TASK_RUNNING")
    (shown,) = get(world, "/monitor/statistics")
    assert shown["statistics"]["cpus_soft_limit"] == 0.2
    assert shown["statistics"]["mem_soft_limit_bytes"] == shown["statistics"]["mem_limit_bytes"] == 64 << 20
    ((_, executor),) = world.agent.core.executors()
    assert executor.container is not None
    executor.container.builtin = None  # as of one that has just ended
    assert get(world, "/monitor/statistics") == []
    assert len(get(world, "/containers")) == 1


def test_posix_isolators_show_neither_a_limit_of_cpu_nor_processes_and_threads(world: World) -> None:
    world.run(task("long"))
    world.until_state("long", "TASK_RUNNING")
    for shown in (*get(world, "/monitor/statistics"), *get(world, "/containers")):
        assert not {"cpus_limit", "processes", "threads"} & set(shown["statistics"])


def test_control_groups_show_them_if_the_flags_ask_for_it() -> None:
    flags = {"isolation": "cgroups/cpu", "cgroups_enable_cfs": "true", "cgroups_cpu_enable_pids_and_tids_count": "true"}
    world = World(outcomes={"long": Outcome.runs()}, **flags).start()
    world.run(task("long"))
    world.until_state("long", "TASK_RUNNING")
    (shown,) = get(world, "/monitor/statistics")
    assert shown["statistics"]["cpus_limit"] == 0.2
    assert {"processes", "threads"} <= set(shown["statistics"])


def test_limits_are_shown_instead_of_what_is_held(world: World) -> None:
    info = task("long")
    info.limits["cpus"].value = 2
    info.limits["mem"].value = math.inf
    world.run(info)
    world.until_state("long", "TASK_RUNNING")
    (shown,) = get(world, "/monitor/statistics")
    assert shown["statistics"]["cpus_limit"] == 2.1
    assert shown["statistics"]["mem_limit_bytes"] == read_system()["system/mem_total_bytes"]


def test_flags_are_the_same_in_both_apis(world: World) -> None:
    flags = {flag["name"]: flag["value"] for flag in ask(world, "GET_FLAGS")["get_flags"]["flags"]}
    assert flags == get(world, "/flags")["flags"]
    assert flags["executor_registration_timeout"] == "1mins"


def test_versions_and_metrics_by_both_apis(world: World) -> None:
    assert ask(world, "GET_VERSION")["get_version"]["version_info"]["version"] == get(world, "/version")["version"]
    metrics = {
        item["name"] for item in ask(world, "GET_METRICS", timeout={"nanoseconds": 10**9})["get_metrics"]["metrics"]
    }
    assert metrics == set(get(world, "/metrics/snapshot"))


def test_tasks_are_shown_by_what_has_become_of_them(world: World) -> None:
    world.master.acknowledges = False
    world.run(task("unacknowledged"))
    world.advance(1)
    world.master.acknowledges = True
    world.run(task("done"), task("long"))
    world.until_state("done", "TASK_FINISHED")
    world.until_state("long", "TASK_RUNNING")
    tasks = ask(world, "GET_TASKS")["get_tasks"]
    shown = {kind: [item["task_id"]["value"] for item in items] for kind, items in tasks.items()}
    assert shown == {
        "pending_tasks": [],
        "queued_tasks": [],
        "launched_tasks": ["long"],
        "terminated_tasks": ["unacknowledged"],
        "completed_tasks": ["done"],
    }
    assert tasks["launched_tasks"][0]["state"] == "TASK_RUNNING"
    assert ask(world, "GET_STATE")["get_state"]["get_tasks"] == tasks


def test_containers_are_shown_with_what_they_use(world: World) -> None:
    world.run(task("long"))
    world.until_state("long", "TASK_RUNNING")
    (container,) = ask(world, "GET_CONTAINERS")["get_containers"]["containers"]
    assert container["executor_id"] == {"value": "long"}
    assert container["container_status"]["executor_pid"] > 0
    assert container["resource_statistics"]["cpus_soft_limit"] == 0.2
    (legacy,) = get(world, "/containers")
    assert legacy["container_id"] == container["container_id"]["value"]
    assert get(world, "/containers?container_id=other") == []
    assert get(world, "/monitor/statistics")[0]["statistics"]["mem_limit_bytes"] == 64 * 2**20


def test_nested_containers_are_shown_when_asked_for(world: World) -> None:
    world.run_group(task("long"))
    world.until_state("long", "TASK_RUNNING")
    assert len(ask(world, "GET_CONTAINERS")["get_containers"]["containers"]) == 1
    executor, nested = ask(world, "GET_CONTAINERS", show_nested=True)["get_containers"]["containers"]
    assert executor["executor_id"] == {"value": "default"}
    assert set(nested) == {"container_id", "container_status", "resource_statistics"}  # whose it is, its status tells
    assert set(nested["resource_statistics"]) == {"timestamp"}  # the posix isolators measure the top level only
    own = nested["container_status"]["container_id"]
    assert own["parent"] == executor["container_id"]
    assert nested["container_id"] == {"value": own["value"]}


def test_a_draining_agent_says_so(world: World) -> None:
    world.run(task("long"))
    world.send(DrainAgent(mesos.DrainConfig(mark_gone=True)))
    assert ask(world, "GET_AGENT")["get_agent"]["drain_config"] == {"mark_gone": True}


def test_operations_are_shown_until_they_are_acknowledged(world: World) -> None:
    world.send(reserve(operation_id="op"))
    (operation,) = ask(world, "GET_OPERATIONS")["get_operations"]["operations"]
    assert operation["latest_status"]["state"] == "OPERATION_FINISHED"


def test_the_logging_level_is_kept_for_as_long_as_wanted(world: World) -> None:
    ask(world, "SET_LOGGING_LEVEL", level=1, duration={"nanoseconds": 10**9})
    ask(world, "SET_LOGGING_LEVEL", level=2, duration={"nanoseconds": 5 * 10**9})
    world.advance(4)
    assert ask(world, "GET_LOGGING_LEVEL") == {"type": "GET_LOGGING_LEVEL", "get_logging_level": {"level": 2}}
    world.advance(2)
    assert ask(world, "GET_LOGGING_LEVEL") == {"type": "GET_LOGGING_LEVEL", "get_logging_level": {"level": 0}}


def test_there_are_no_images_to_prune_and_no_launches_that_hang(world: World) -> None:
    assert ask(world, "PRUNE_IMAGES") is None
    assert get(world, "/containerizer/debug") == {"pending": []}


def test_answers_come_in_protobuf_too(world: World) -> None:
    call = agent.Call(type=agent.Call.GET_AGENT).SerializeToString()
    kind = "application/x-protobuf"
    answer = world.http("POST", "/api/v1", call, content_type=kind, accept=kind)
    assert answer.response is not None
    assert agent.Response.FromString(answer.response.body).get_agent.agent_info.id.value == "M-S0"


@pytest.mark.parametrize(
    ("call", "status", "text"),
    [
        ({}, 400, "Failed to validate agent::Call: Expecting 'type' to be present"),
        ({"type": "READ_FILE"}, 400, "Failed to validate agent::Call: Expecting 'read_file' to be present"),
        ({"type": "GET_METRICS"}, 400, "Failed to validate agent::Call: Expecting 'get_metrics' to be present"),
        ({"type": "LIST_FILES", "list_files": {"path": "/nowhere"}}, 404, ""),
        ({"type": "GET_METRICS", "get_metrics": 1}, 400, "Not expecting a JSON number for field 'get_metrics'"),
        ({"type": "UNKNOWN"}, 501, "501 Not Implemented."),
        ({"type": "ADD_RESOURCE_PROVIDER_CONFIG",
          "add_resource_provider_config": {"info": {"type": "t", "name": "n"}}}, 400,
         ("Failed to validate resource provider config with type 't' and name 'n':"
          " Unknown local resource provider type 't'")),
        ({"type": "UPDATE_RESOURCE_PROVIDER_CONFIG",
          "update_resource_provider_config": {"info": {"type": "org.apache.mesos.rp.local.storage", "name": "n"}}}, 500,
         "Missing required flag --resource_provider_config_dir"),
        ({"type": "REMOVE_RESOURCE_PROVIDER_CONFIG", "remove_resource_provider_config": {"type": "t", "name": "n"}},
         500, "Missing required flag --resource_provider_config_dir"),
        ({"type": "MARK_RESOURCE_PROVIDER_GONE",
          "mark_resource_provider_gone": {"resource_provider_id": {"value": "x"}}},
         501, "501 Not Implemented."),
    ],
)  # fmt: skip
def test_calls_that_are_refused(world: World, call: dict[str, Any], status: int, text: str) -> None:
    answer = world.http("POST", "/api/v1", json.dumps(call).encode(), **JSON)
    assert status_of(answer) == (status, text)


def test_an_agent_with_a_directory_for_resource_providers_has_none_all_the_same() -> None:
    world = World({}, resource_provider_config_dir="/nowhere").start()
    call = {"type": "REMOVE_RESOURCE_PROVIDER_CONFIG", "remove_resource_provider_config": {"type": "t", "name": "n"}}
    assert status_of(world.http("POST", "/api/v1", json.dumps(call).encode(), **JSON)) == (501, "501 Not Implemented.")


def test_a_recovering_agent_is_healthy_but_says_nothing_else() -> None:
    world = World({"*": Outcome.runs()}, executor_reregistration_timeout="1secs").start()
    world.run(task(), info=framework(checkpoint=True))
    world.until_state("t1", "TASK_RUNNING")
    world.restart()
    assert status_of(world.http("GET", "/health"))[0] == 200
    for answer in (world.http("GET", "/state"), world.http("POST", "/api/v1", b'{"type":"GET_HEALTH"}', **JSON)):
        assert status_of(answer) == (503, "Agent has not finished recovery")


# Flags


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "work"


def environment_of(work: Path, **flags: str) -> dict[str, str]:
    world = RealWorld(work, **flags)
    world.start()
    world.run(task(command="env"))
    world.until_state("t1", "TASK_FINISHED", 20)
    env = dict(line.split("=", 1) for line in (world.sandbox() / "stdout").read_text().splitlines())
    world.close()
    return env


def test_a_command_task_sees_only_the_variables_of_the_flag_and_those_of_mesos(work: Path) -> None:
    env = environment_of(work, executor_environment_variables='{"ONLY": "this"}', http_command_executor="true")
    assert env["ONLY"] == "this"
    assert env["MESOS_HTTP_COMMAND_EXECUTOR"] == "1"
    names = {name for name in env if not name.startswith(("MESOS_", "LIBPROCESS_"))}
    assert names - {"PWD", "OLDPWD", "SHLVL", "_"} == {"ONLY", "PATH"}


def test_the_shutdown_grace_period_of_the_flag_is_told(work: Path) -> None:
    env = environment_of(work, executor_shutdown_grace_period="1500ms")
    assert env["MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD"] == "1500ms"


def test_only_so_many_completed_executors_are_remembered() -> None:
    world = World({"long": Outcome.runs()}, max_completed_executors_per_framework="2").start()
    world.run(task("long"), *(task(f"t{i}") for i in range(5)))
    world.until_state("t4", "TASK_FINISHED")
    world.advance(1)
    (one,) = get(world, "/state")["frameworks"]
    assert [executor["id"] for executor in one["completed_executors"]] == ["t3", "t4"]


def test_the_launcher_directory_shows_in_command_executors() -> None:
    world = World({"long": Outcome.runs()}, launcher_dir="/opt/mesos").start()
    world.run(task("long"))
    (executor,) = ask(world, "GET_EXECUTORS")["get_executors"]["executors"]
    assert executor["executor_info"]["command"]["value"] == "/opt/mesos/mesos-executor"


def test_an_agent_may_grow_if_its_policy_is_additive() -> None:
    world = World(reconfiguration_policy="additive").start()
    world.agent.terminate()
    world.agent = world.new_agent("cpus:8;mem:4096;disk:10000;ports:[31000-32000]")
    world.start()
    assert world.agent.agent_id == "M-S0"
