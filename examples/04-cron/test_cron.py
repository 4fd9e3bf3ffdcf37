import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from examples.support import Program, cluster, http, wait_for

HERE = Path(__file__).parent


@pytest.fixture
def mesos_cluster(tmp_path: Path) -> Iterator[Program]:
    with cluster(tmp_path) as program:
        yield program


@contextlib.contextmanager
def cron(mesos_cluster: Program, directory: Path) -> Iterator[Program]:
    arguments = ["cron", "--master", mesos_cluster.address, "--port", "0", "--database", str(directory / "cron.sqlite")]
    program = Program(arguments, directory / "cron.log", HERE)
    try:
        yield program
    finally:
        program.end()


def post(program: Program, kind: str, **job: Any) -> requests.Response:
    return http("POST", f"{program.url}/v1/scheduler/{kind}", json=job)


def soon(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def runs(program: Program, name: str, state: str = "finished") -> list[dict[str, Any]]:
    return [run for run in program.get(f"/v1/scheduler/job/{name}/runs") if run["state"] == state]


def test_a_job_runs_as_often_as_it_says_and_its_child_after_each_success(
    mesos_cluster: Program, tmp_path: Path
) -> None:
    with cron(mesos_cluster, tmp_path) as program:
        marks = tmp_path / "marks"
        assert (
            post(
                program, "iso8601", name="tick", command=f"echo tick >> {marks}", schedule=f"R3/{soon(1)}/PT2S"
            ).status_code
            == 204
        )
        assert (
            post(program, "dependency", name="tock", command=f"echo tock >> {marks}", parents=["tick"]).status_code
            == 204
        )
        wait_for("three runs of the child", lambda: len(runs(program, "tock")) == 3)
        assert sorted(marks.read_text().split()) == ["tick"] * 3 + ["tock"] * 3
        assert program.get("/v1/scheduler/job/tick")["schedule"].startswith("R0/")
        assert len(runs(program, "tick")) == 3


def test_a_child_waits_for_all_of_its_parents(mesos_cluster: Program, tmp_path: Path) -> None:
    with cron(mesos_cluster, tmp_path) as program:
        later = soon(3600)
        for name in ("left", "right"):
            assert post(program, "iso8601", name=name, command="true", schedule=f"R1/{later}/PT1H").status_code == 204
        assert post(program, "dependency", name="child", command="true", parents=["left", "right"]).status_code == 204
        http("PUT", f"{program.url}/v1/scheduler/job/left").raise_for_status()
        wait_for("the first parent", lambda: runs(program, "left"))
        assert program.get("/v1/scheduler/job/child/runs") == []
        http("PUT", f"{program.url}/v1/scheduler/job/right").raise_for_status()
        wait_for("the child", lambda: runs(program, "child"))
        assert len(program.get("/v1/scheduler/job/child/runs")) == 1


def test_a_restart_loses_and_doubles_nothing(mesos_cluster: Program, tmp_path: Path) -> None:
    """Killed while a run is under way and another falls due: the first is finished once, the other is made up for,
    once.
    """
    marks = tmp_path / "marks"
    with cron(mesos_cluster, tmp_path) as program:
        start = soon(1)
        command = f"echo begin >> {marks}; sleep 3; echo end >> {marks}"
        assert post(program, "iso8601", name="slow", command=command, schedule=f"R2/{start}/PT2S").status_code == 204
        wait_for("the first run", lambda: runs(program, "slow", "running"))
        wait_for("its beginning", marks.exists)
        program.end(signal.SIGKILL)
    with cron(mesos_cluster, tmp_path) as program:
        wait_for("both runs", lambda: len(runs(program, "slow")) == 2)
        assert program.get("/v1/scheduler/job/slow")["successCount"] == 2
        assert marks.read_text().split() == ["begin", "end"] * 2
        assert len(program.get("/v1/scheduler/job/slow/runs")) == 2


def test_a_failed_run_is_tried_again_as_often_as_the_job_allows(mesos_cluster: Program, tmp_path: Path) -> None:
    with cron(mesos_cluster, tmp_path) as program:
        assert (
            post(program, "iso8601", name="bad", command="exit 3", schedule=f"R1/{soon(1)}/PT1H", retries=2).status_code
            == 204
        )
        wait_for("three failures", lambda: len(runs(program, "bad", "failed")) == 3)
        first = program.get("/v1/scheduler/job/bad/runs")[-1]
        assert "Command exited with status 3" in first["message"]
        assert program.get("/v1/scheduler/job/bad")["errorCount"] == 3


@pytest.mark.parametrize(
    ("kind", "job", "message"),
    [
        (
            "iso8601",
            {"name": "x", "command": "true", "schedule": "every day"},
            "is not of the form R[times]/[start]/period",
        ),
        (
            "iso8601",
            {"name": "x", "command": "true", "schedule": "R/2026-13-01/P1D"},
            "the start '2026-13-01' is no ISO 8601 time",
        ),
        ("iso8601", {"name": "x", "command": "true"}, "needs a schedule"),
        ("iso8601", {"name": "a b", "command": "true", "schedule": "R//P1D"}, "name must consist of letters"),
        ("dependency", {"name": "x", "command": "true", "parents": ["nobody"]}, "there is no such other job"),
        ("dependency", {"name": "x", "command": "true", "parents": ["x"]}, "there is no such other job"),
    ],
)
def test_a_bad_job_is_refused_with_the_reason(
    mesos_cluster: Program, tmp_path: Path, kind: str, job: dict[str, Any], message: str
) -> None:
    with cron(mesos_cluster, tmp_path) as program:
        answer = post(program, kind, **job)
        assert answer.status_code == 400
        assert message in answer.json()["message"]
        assert program.get("/v1/scheduler/jobs") == []
