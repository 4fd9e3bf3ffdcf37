"""`python -m pymesoskit cluster --masters N`: where they are, commands to each, and a framework that survives it all."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pymesoskit.scheduler import OfferPool, Scheduler, SchedulerDriver, command_task
from pymesoskit.wire.v1 import mesos
from tests.cli.test_cluster_command import AGENT, Launched, run

FLAGS = (
    *("--master-flag", "zk_session_timeout=200ms"),
    *("--master-flag", "allocation_interval=50ms"),
    *("--agent-flag", "registration_backoff_factor=10ms"),
)


@pytest.fixture
def cluster(tmp_path: Path):
    launched = Launched("--masters", "3", "--control", "--agent", AGENT, "--work-dir", str(tmp_path), *FLAGS)
    yield launched
    launched.end()


@pytest.fixture
def masters(cluster: Launched) -> list[str]:
    """The addresses of all, from the second line that the command prints."""
    word, addresses = cluster.line().split(" ")
    assert word == "masters"
    return addresses.split(",")


def get(address: str, path: str) -> tuple[int, str, dict]:
    """The status, where it came from in the end, and the JSON."""
    with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
        return answer.status, answer.url, json.load(answer)


def is_elected(address: str) -> bool:
    try:
        return get(address, "/metrics/snapshot")[2]["master/elected"] == 1
    except OSError:
        return False


def wait(condition) -> None:
    """Asks again and again; each question is a request, which takes its time."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "timed out"


def test_the_others_point_to_the_one_that_is_named(cluster, masters) -> None:
    assert len(set(masters)) == 3
    assert masters[0] == cluster.address
    assert [is_elected(address) for address in masters] == [True, False, False]
    for address in masters:
        assert get(address, "/state")[1] == f"{cluster.url}/state"


def test_without_a_number_the_leader_is_meant_and_then_what_is_missing(cluster, masters) -> None:
    assert cluster.control("master kill") == "ok"
    wait(lambda: is_elected(masters[1]))
    assert cluster.control("master kill") == "ok"
    wait(lambda: is_elected(masters[2]))
    assert cluster.control("master start") == "ok"
    assert not is_elected(masters[0])
    assert cluster.control("master start") == "ok"
    assert cluster.control("master start") == "error: the master 2 is running"
    assert [is_elected(address) for address in masters] == [False, False, True]
    assert cluster.control("master pause") == "ok"
    wait(lambda: is_elected(masters[0]))
    assert cluster.control("master resume") == "ok"  # the frozen one, which has to end
    with pytest.raises(urllib.error.URLError):
        get(masters[2], "/health")


def test_each_can_be_named(cluster, masters) -> None:
    assert cluster.control("master 1 kill") == "ok"
    assert cluster.control("master 1 kill") == "ok"  # nothing happens if it is not running
    assert cluster.control("master 1 pause") == "error: the master 1 is not running"
    assert cluster.control("master 1 start") == "ok"
    assert cluster.control("master 1 start") == "error: the master 1 is running"
    assert cluster.control("master 2 pause") == "ok"
    assert cluster.control("master 2 resume") == "ok"
    assert is_elected(masters[0])


def test_what_there_is_not_is_an_error(cluster, masters) -> None:
    assert len(masters) == 3
    assert cluster.control("master 3 kill") == "error: there is no master 3, the cluster has 3"
    answer = cluster.control("master 0 reset")
    assert re.fullmatch(r"error: unknown command 'master 0 reset', expected agent I .*, or master I …", answer)


def test_there_is_at_least_one_master() -> None:
    done = run("--masters", "0")
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        "pymesoskit: a cluster has 1 or more masters, not 0\n",
    )


class OneTask(Scheduler):
    """Runs one command; writes down what it hears."""

    def __init__(self, command: str) -> None:
        self.command = command
        self.leaders: list[str] = []
        self.states: list[str] = []
        self.heard = threading.Condition()

    def subscribed(self, driver, subscribed) -> None:
        with self.heard:
            self.leaders.append(subscribed.master_info.pid.partition("@")[2])
            self.heard.notify_all()

    def offers(self, driver, offers) -> None:
        for offer in offers:
            if self.states:
                driver.decline(offer, refuse_seconds=600)
                continue
            resources = OfferPool(offer).take("cpus:0.1;mem:32")
            driver.launch(offer, command_task(self.command, resources, offer, task_id="t"), refuse_seconds=600)
            self.states.append("TASK_STAGING")

    def update(self, driver, status) -> None:
        with self.heard:
            self.states.append(mesos.TaskState.Name(status.state))
            self.heard.notify_all()

    def wait(self, condition) -> None:
        with self.heard:
            assert self.heard.wait_for(condition, 60), (self.leaders, self.states)


def test_a_framework_and_its_task_survive_the_death_of_two_leaders(cluster, masters, tmp_path: Path) -> None:
    """The task is one process from beginning to end, and its end arrives through the third leader."""
    marker, goal = tmp_path / "pid", tmp_path / "goal"
    command = f"echo $$ >> {marker}; while ! test -e {goal}; do sleep 0.05; done"
    capability = mesos.FrameworkInfo.Capability(type=mesos.FrameworkInfo.Capability.PARTITION_AWARE)
    info = mesos.FrameworkInfo(
        user="root", name="one", checkpoint=True, failover_timeout=600, capabilities=[capability]
    )
    scheduler = OneTask(command)
    with SchedulerDriver(scheduler, info, ",".join(reversed(masters))) as driver:
        scheduler.wait(lambda: "TASK_RUNNING" in scheduler.states)
        framework_id = driver.framework_id
        for index in range(2):
            assert cluster.control(f"master {index} kill") == "ok"
            scheduler.wait(lambda index=index: len(scheduler.leaders) == index + 2)
            wait(lambda index=index: len(get(masters[index + 1], "/slaves")[2]["slaves"]) == 1)
        assert scheduler.leaders == masters
        (running,) = get(masters[2], "/tasks")[2]["tasks"]
        assert (running["id"], running["state"]) == ("t", "TASK_RUNNING")
        assert (driver.framework_id, running["framework_id"]) == (framework_id, framework_id)
        goal.touch()
        scheduler.wait(lambda: scheduler.states[-1] == "TASK_FINISHED")
    assert len(marker.read_text().split()) == 1
