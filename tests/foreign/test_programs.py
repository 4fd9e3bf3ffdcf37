"""Whole programs of other people do their work on the cluster: a workflow engine, a task library, an executor, an exporter."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from pymesoskit.scheduler import (
    OfferPool,
    Scheduler,
    SchedulerDriver,
    command_task,
    custom_executor,
    executor_task,
    framework_info,
)
from pymesoskit.wire.v1 import mesos, scheduler
from tests.foreign.conftest import PROGRAMS, run_client, running_cluster

Run = Callable[..., str]

#: What an agent's machine has installed where its tasks look for programs.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_a_workflow_of_toil_runs_with_its_own_executor(toil_python: str, tmp_path: Path) -> None:
    programs = f"{Path(toil_python).parent}:{SYSTEM_PATH}"
    variables = {"PATH": programs, "HOME": str(tmp_path), "TOIL_HISTORY": "False"}
    options = ["--batchSystem", "mesos", "--disableProgress", "--defaultMemory", "64M", "--defaultDisk", "10M"]
    flag = f"executor_environment_variables={json.dumps(variables)}"
    with running_cluster(tmp_path, "--agent-flag", flag) as address:
        command = [toil_python, str(PROGRAMS / "toil_workflow.py"), "./jobs", "--mesosEndpoint", address, *options]
        output = run_client(command, tmp_path, **variables)
    assert "the sum is 14" in output


def test_task_processing_hears_how_each_command_ended(run_foreign: Run, cluster_address: str) -> None:
    output = run_foreign("task_processing_runner.py", cluster_address, "true", "exit 3")
    assert "true: finished success" in output
    assert "exit 3: failed failure" in output


class OneTask(Scheduler):
    """Launches one task on the first offer; keeps its statuses and messages until it has reached the wanted state."""

    def __init__(
        self, make_task: Callable[[mesos.Offer, Sequence[mesos.Resource]], mesos.TaskInfo], until: int
    ) -> None:
        self.make_task, self.until = make_task, until
        self.launched = False
        self.agent = ""  # HOST:PORT of the agent that runs it
        self.states: list[str] = []
        self.messages: list[dict[str, object]] = []
        self.reached = threading.Event()

    def offers(self, driver: SchedulerDriver, offers: Sequence[mesos.Offer]) -> None:
        for offer in offers:
            taken = None if self.launched else OfferPool(offer).take("cpus:0.5;mem:64")
            if taken is None:
                driver.decline(offer)
            else:
                self.agent = f"{offer.url.address.ip}:{offer.url.address.port}"
                driver.launch(offer, self.make_task(offer, taken))
                self.launched = True

    def update(self, driver: SchedulerDriver, status: mesos.TaskStatus) -> None:
        self.states.append(mesos.TaskState.Name(status.state))
        if status.state == self.until:
            self.reached.set()

    def message(self, driver: SchedulerDriver, message: scheduler.Event.Message) -> None:
        self.messages.append(json.loads(message.data))


def test_cooks_executor_runs_a_command_and_reports_its_exit_code(
    foreign_python: str, cluster_address: str, tmp_path: Path
) -> None:
    program = Path(foreign_python).parent / "cook-executor"
    executor = custom_executor("cook", f"exec {program}", "cpus:0.1;mem:32", environment={"PATH": SYSTEM_PATH})
    data = json.dumps({"command": "echo done; exit 3"}).encode()
    task = OneTask(
        lambda offer, taken: executor_task(executor, taken, offer, task_id="cooked", data=data), mesos.TASK_FAILED
    )
    with SchedulerDriver(task, framework_info("cook"), cluster_address):
        assert task.reached.wait(60), task.states
    assert task.states == ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"]
    assert {"exit-code": 3, "task-id": "cooked"} in task.messages


@contextmanager
def exporter(python: str, agent: str) -> Iterator[str]:
    """The URL of a Mesos App Exporter for the agent at HOST:PORT."""
    host, _, port = agent.rpartition(":")
    command = [python, "-u", str(Path(python).parent / "mae"), "0", host, port]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        try:
            found = next(filter(None, (re.search(r"on port (\d+)", line) for line in process.stdout)))
            yield f"http://127.0.0.1:{found[1]}/"
        finally:
            process.kill()


def get(url: str) -> str:
    """The answer of a server that may still be starting."""
    for attempt in Retrying(
        retry=retry_if_exception_type(requests.ConnectionError), wait=wait_fixed(0.1), stop=stop_after_delay(30)
    ):
        with attempt:
            answer = requests.get(url, timeout=20)
    answer.raise_for_status()
    return answer.text


def test_an_exporter_finds_the_metrics_of_tasks_by_their_labels(
    foreign_python: str, cluster_address: str, tmp_path: Path
) -> None:
    (tmp_path / "metrics").write_text("answers_total 42\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve = f"exec {sys.executable} -m http.server {port} --bind 127.0.0.1 --directory {tmp_path}"

    def make(offer: mesos.Offer, taken: Sequence[mesos.Resource]) -> mesos.TaskInfo:
        task = command_task(serve, taken, offer, task_id="web")
        task.labels.labels.add(key="prometheus.metrics.enabled", value="true")
        task.discovery.visibility = mesos.DiscoveryInfo.CLUSTER
        task.discovery.ports.ports.add(number=port)
        return task

    task = OneTask(make, mesos.TASK_RUNNING)
    with SchedulerDriver(task, framework_info("web"), cluster_address):
        assert task.reached.wait(60), task.states
        assert get(f"http://127.0.0.1:{port}/metrics") == "answers_total 42\n"
        with exporter(foreign_python, task.agent) as url:
            assert get(url) == "answers_total 42"
