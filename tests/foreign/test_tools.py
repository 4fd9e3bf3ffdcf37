"""Command-line tools and dashboards of other people read what a cluster with running tasks says of itself."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from pymesoskit.scheduler import OfferPool, Scheduler, SchedulerDriver, command_task
from pymesoskit.wire.v1 import mesos, scheduler
from tests.foreign.conftest import run_client

Tool = Callable[..., str]
Dashboard = Callable[..., list[dict[str, object]]]


class Sleepers(Scheduler):
    """Runs a task that finishes, and `svc_a` and `svc_b` until the end."""

    def __init__(self) -> None:
        self.waiting = {"done": "true", "svc_a": "sleep 1000", "svc_b": "sleep 1000"}
        self.wanted = {("done", mesos.TASK_FINISHED), ("svc_a", mesos.TASK_RUNNING), ("svc_b", mesos.TASK_RUNNING)}
        self.ready = threading.Event()
        self.framework_id = ""

    def subscribed(self, driver: SchedulerDriver, subscribed: scheduler.Event.Subscribed) -> None:
        self.framework_id = subscribed.framework_id.value

    def offers(self, driver: SchedulerDriver, offers: Sequence[mesos.Offer]) -> None:
        for offer in offers:
            pool, tasks = OfferPool(offer), []
            while self.waiting and (resources := pool.take("cpus:0.5;mem:64")):
                name = next(iter(self.waiting))
                tasks.append(command_task(self.waiting.pop(name), resources, offer, task_id=name))
            if tasks:
                driver.launch(offer, tasks)
            else:
                driver.decline(offer)

    def update(self, driver: SchedulerDriver, status: mesos.TaskStatus) -> None:
        self.wanted.discard((status.task_id.value, status.state))
        if not self.wanted:
            self.ready.set()


@contextmanager
def running_framework(address: str) -> Iterator[Sleepers]:
    """The framework `sleepers` while its tasks run."""
    sleepers = Sleepers()
    driver = SchedulerDriver(sleepers, mesos.FrameworkInfo(user="root", name="sleepers", hostname="here"), address)
    thread = threading.Thread(target=driver.run, name="sleepers")
    thread.start()
    try:
        assert sleepers.ready.wait(60), sleepers.wanted
        yield sleepers
    finally:
        driver.stop()
        thread.join(60)


@pytest.fixture
def framework(cluster_address: str) -> Iterator[Sleepers]:
    with running_framework(cluster_address) as sleepers:
        yield sleepers


@pytest.fixture
def tool(mesos_cli: str, cluster_address: str, tmp_path: Path) -> Tool:
    """Runs a command of avmesos-cli against the cluster."""
    config = tmp_path / "config.toml"
    config.write_text(f'[master]\naddress = "{cluster_address}"\n')
    path = f"{Path(mesos_cli).parent}{os.pathsep}{os.environ['PATH']}"

    def run(*arguments: str) -> str:
        return run_client([mesos_cli, *arguments], tmp_path, MESOS_CLI_CONFIG=str(config), PATH=path)

    return run


@pytest.fixture
def dashboard(run_foreign: Callable[..., str], cluster_address: str) -> Dashboard:
    """Asks the Asgard API's plugin for paths; its answers."""

    def ask(*paths: str) -> list[dict[str, object]]:
        return [json.loads(line) for line in run_foreign("asgard_metrics.py", cluster_address, *paths).splitlines()]

    return ask


def rows(table: str) -> list[list[str]]:
    """The cells of a table, without its heading."""
    return [line.split() for line in table.splitlines()[1:]]


def test_a_command_line_tool_lists_agents_frameworks_and_tasks(tool: Tool, framework: Sleepers) -> None:
    agents = rows(tool("agent", "list"))
    assert [(row[0][-3:], row[2]) for row in agents] == [("-S0", "True"), ("-S1", "True")]
    assert rows(tool("framework", "list")) == [[framework.framework_id, "True", "here", "sleepers"]]
    running = {tuple(row[:3]) for row in rows(tool("task", "list"))}
    assert running == {(name, "TASK_RUNNING", framework.framework_id) for name in ("svc_a", "svc_b")}
    assert ["done", "TASK_FINISHED", framework.framework_id] in [row[:3] for row in rows(tool("task", "list", "--all"))]


def test_a_command_line_tool_inspects_a_framework_and_a_task(tool: Tool, framework: Sleepers) -> None:
    shown = json.loads(tool("framework", "inspect", framework.framework_id))
    assert (shown["name"], shown["used_resources"]["cpus"], shown["connected"]) == ("sleepers", 1.0, True)
    task = json.loads(tool("task", "inspect", "svc_a"))
    assert [status["state"] for status in task["statuses"]] == ["TASK_STARTING", "TASK_RUNNING"]
    assert task["resources"] == {"cpus": 0.5, "disk": 0.0, "gpus": 0.0, "mem": 64.0}


def test_a_command_line_tool_runs_a_command_beside_a_task(tool: Tool, framework: Sleepers) -> None:
    assert tool("task", "exec", "svc_a", "echo", "beside", "it") == "beside it\n"


def test_a_dashboard_reads_metrics_of_the_leader(dashboard: Dashboard, framework: Sleepers) -> None:
    tasks, slaves = dashboard("/leader?prefix=master/tasks_", "/leader?prefix=master/slaves_")
    assert {name: value for name, value in tasks.items() if value} == {
        "master/tasks_running": 2.0,
        "master/tasks_finished": 1.0,
    }
    assert (slaves["master/slaves_active"], slaves["master/slaves_unreachable"]) == (2.0, 0.0)


def test_a_dashboard_counts_tasks_attributes_and_what_is_used(dashboard: Dashboard, framework: Sleepers) -> None:
    tasks, attributes, with_attribute, usage = dashboard(
        "/tasks/count", "/attrs", "/slaves-with-attrs/count?rack=r1", "/attr-usage"
    )
    assert tasks == {"total": 3, "task_running": 2, "task_finished": 1, "svc_task_running": 2, "done_task_running": 0}
    assert sorted(attributes["rack"]) == ["r1", "r2"]  # type: ignore[call-overload]
    assert with_attribute == {"total_slaves": 1}
    assert (usage["cpu_total"], usage["cpu_used"]) == (8.0, 1.0)


def test_a_dashboard_knows_which_masters_are_healthy(dashboard: Dashboard, cluster_address: str) -> None:
    assert dashboard("/masters/alive") == [{f"http://{cluster_address}": 1, "all_ok": 1, "masters_down": 0}]
