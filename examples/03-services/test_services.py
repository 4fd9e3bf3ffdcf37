import contextlib
import itertools
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from examples.support import Program, cluster, http, wait_for

HERE = Path(__file__).parent


@pytest.fixture
def mesos_cluster(tmp_path: Path) -> Iterator[Program]:
    flags = {"agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "2"}
    with cluster(tmp_path, agents=2, **flags) as program:
        yield program


@contextlib.contextmanager
def services(mesos_cluster: Program, directory: Path) -> Iterator[Program]:
    arguments = [
        "services",
        "--master",
        mesos_cluster.address,
        "--port",
        "0",
        "--database",
        str(directory / "services.sqlite"),
    ]
    program = Program(arguments, directory / "services.log", HERE)
    try:
        yield program
    finally:
        program.end()


def running(program: Program, app: str) -> list[dict[str, Any]]:
    tasks = program.get(f"/v2/apps/{app}/tasks")["tasks"]
    return [task for task in tasks if task["state"] == "TASK_RUNNING"]


def wait_for_running(program: Program, app: str, count: int) -> list[dict[str, Any]]:
    def probe() -> list[dict[str, Any]] | None:
        tasks = program.get(f"/v2/apps/{app}/tasks")["tasks"]
        return tasks if len(tasks) == count == len(running(program, app)) else None

    if count == 0:
        wait_for(f"end of {app}", lambda: not program.get(f"/v2/apps/{app}/tasks")["tasks"])
        return []
    return wait_for(f"{count} running instances of {app}", probe) or []


def post(program: Program, **app: Any) -> requests.Response:
    return http("POST", f"{program.url}/v2/apps", json=app)


def test_an_app_is_kept_alive_across_task_agent_and_scheduler_failures(mesos_cluster: Program, tmp_path: Path) -> None:
    with services(mesos_cluster, tmp_path) as program:
        assert post(program, id="web", cmd="sleep 1000", instances=4, cpus=0.5, mem=64).status_code == 201
        first = wait_for_running(program, "web", 4)

        # A task ends: another takes its place.
        http("DELETE", f"{program.url}/v2/apps/web/tasks/{first[0]['id']}").raise_for_status()
        wait_for(
            "end of the task",
            lambda: all(t["id"] != first[0]["id"] for t in program.get("/v2/apps/web/tasks")["tasks"]),
        )
        second = wait_for_running(program, "web", 4)

        # The scheduler dies, a task ends meanwhile unseen, and the scheduler comes back: it finds the others running.
        program.end(signal.SIGKILL)
    with services(mesos_cluster, tmp_path) as program:
        third = wait_for_running(program, "web", 4)
        assert {task["id"] for task in third} == {task["id"] for task in second}

        # An agent dies with its tasks: they are replaced on the other.
        victim = third[0]["slaveId"]
        mesos_cluster.control(f"agent {victim[-1]} kill")
        alive = wait_for(
            "instances on the agent that is left",
            lambda: (t := running(program, "web")) and len(t) == 4 and all(x["slaveId"] != victim for x in t) and t,
        )
        assert len(alive) == 4

        # Scaled down, and removed.
        http("PUT", f"{program.url}/v2/apps/web", json={"instances": 1}).raise_for_status()
        wait_for_running(program, "web", 1)
        http("DELETE", f"{program.url}/v2/apps/web").raise_for_status()
        assert program.get("/v2/apps")["apps"] == []


def test_an_app_that_keeps_failing_waits_longer_each_time(mesos_cluster: Program, tmp_path: Path) -> None:
    with services(mesos_cluster, tmp_path) as program:
        marks = tmp_path / "marks"
        app = {
            "id": "bad",
            "cmd": f"date +%s.%N >> {marks}; exit 1",
            "cpus": 0.1,
            "mem": 32,
            "backoffSeconds": 0.5,
            "backoffFactor": 2,
        }
        assert post(program, **app).status_code == 201
        wait_for("four launches", lambda: marks.exists() and len(marks.read_text().splitlines()) >= 4)
        times = [float(line) for line in marks.read_text().splitlines()]
        gaps = [b - a for a, b in itertools.pairwise(times)]
        assert gaps[2] > gaps[0]
        assert gaps[2] >= 2.0


def test_instances_get_ports_of_their_own(mesos_cluster: Program, tmp_path: Path) -> None:
    with services(mesos_cluster, tmp_path) as program:
        command = "python3 -m http.server $PORT --bind 127.0.0.1"
        assert post(program, id="files", cmd=command, instances=2, cpus=0.1, mem=32, ports=1).status_code == 201
        tasks = wait_for_running(program, "files", 2)
        for task in tasks:
            url = f"http://{task['host']}:{task['ports'][0]}/"
            wait_for(f"answer from {url}", lambda url=url: answers(url))


def answers(url: str) -> bool:
    try:
        return http("GET", url).ok
    except requests.ConnectionError:
        return False


@pytest.mark.parametrize(
    ("app", "message"),
    [
        ({"id": "x"}, "cmd is missing"),
        ({"id": "X Y", "cmd": "true"}, "id must be a path of lower-case letters"),
        ({"id": "x", "cmd": "true", "instances": -1}, "instances must be a whole number of at least 0, not -1"),
        ({"id": "x", "cmd": "true", "instanses": 1}, "unknown field 'instanses'"),
    ],
)
def test_a_bad_app_is_refused_with_the_reason(
    mesos_cluster: Program, tmp_path: Path, app: dict[str, Any], message: str
) -> None:
    with services(mesos_cluster, tmp_path) as program:
        answer = post(program, **app)
        assert answer.status_code == 422
        assert message in answer.json()["message"]
        assert program.get("/v2/apps")["apps"] == []
