"""The driver and the client against the whole cluster: over sockets, in its thread, and in virtual time."""

from __future__ import annotations

import getpass
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pymesoskit.errors import ConnectionLost, FrameworkFailedOver, FrameworkRemoved
from pymesoskit.scheduler import (
    FileStore,
    MemoryStore,
    OfferPool,
    Scheduler,
    SchedulerClient,
    SchedulerDriver,
    command,
    command_task,
    custom_executor,
    executor_task,
    operations,
)
from pymesoskit.subscription import Backoff
from pymesoskit.testing.cluster.cluster import Cluster, SimulatedCluster
from pymesoskit.transport import JSON, PROTOBUF
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from pathlib import Path

Event = scheduler.Event

FLAGS = {"allocation_interval": "20ms"}
TERMINAL = {mesos.TASK_FINISHED, mesos.TASK_FAILED, mesos.TASK_KILLED, mesos.TASK_LOST, mesos.TASK_ERROR}


def framework(**given) -> mesos.FrameworkInfo:
    return mesos.FrameworkInfo(user=getpass.getuser(), name="tests", failover_timeout=60.0, **given)


class Runner(Scheduler):
    """Runs so many tasks of one command, then stops."""

    def __init__(self, count: int, line: str = "true") -> None:
        self.waiting = [f"task-{n}" for n in range(count)]
        self.line = line
        self.ended: dict[str, mesos.TaskState] = {}
        self.count = count

    def offers(self, driver, offers):
        for offer in offers:
            pool, tasks = OfferPool(offer), []
            while self.waiting and (resources := pool.take("cpus:0.1;mem:32")):
                tasks.append(command_task(self.line, resources, offer, task_id=self.waiting.pop()))
            driver.launch(offer, tasks)

    def update(self, driver, status):
        if status.state in TERMINAL:
            self.ended[status.task_id.value] = status.state
            if len(self.ended) == self.count:
                driver.stop()


@pytest.mark.parametrize("codec", [PROTOBUF, JSON], ids=["protobuf", "json"])
def test_tasks_run_over_http(codec):
    with Cluster(2, master_flags=FLAGS) as cluster:
        runner = Runner(5)
        SchedulerDriver(runner, framework(), cluster.address, content_type=codec).run()
    assert runner.ended == {f"task-{n}": mesos.TASK_FINISHED for n in range(5)}


@pytest.mark.parametrize("codec", [PROTOBUF, JSON], ids=["protobuf", "json"])
def test_tasks_run_in_process(codec):
    with Cluster(2, simulated={}, http=False, master_flags=FLAGS) as cluster:
        runner = Runner(50)
        driver = SchedulerDriver(runner, framework(), cluster.address, transport=cluster.transport, content_type=codec)
        driver.start()
        driver.join(60)
    assert len(runner.ended) == 50
    assert not [t for t in threading.enumerate() if t.name.startswith("pymesoskit-tests")]


def test_tasks_run_in_virtual_time():
    cluster = SimulatedCluster(2, simulated={})
    with cluster:
        runner = Runner(50)
        driver = SchedulerDriver(runner, framework(), cluster.address, transport=cluster.transport).start()
        cluster.wait_for(lambda: driver.ended)
        driver.join()
    assert len(runner.ended) == 50


def test_a_history_in_virtual_time_is_the_same_each_time():
    def history() -> list[str]:
        cluster = SimulatedCluster(3, simulated={}, seed=4)
        with cluster:
            runner = Runner(20)
            driver = SchedulerDriver(runner, framework(), cluster.address, transport=cluster.transport).start()
            cluster.wait_for(lambda: driver.ended)
            return [str(event) for event in cluster.events()]

    assert history() == history()


def test_the_iterator_form():
    with Cluster(1, master_flags=FLAGS) as cluster, SchedulerClient(framework(), cluster.address) as client:
        states = []
        for event in client.events():
            if event.type == Event.OFFERS and not states:
                offer = event.offers.offers[0]
                task = command_task("exit 3", "cpus:0.1;mem:32", offer, task_id="one")
                client.accept(offer, [operations.launch(task)]).result(10)
            elif event.type == Event.UPDATE:
                status = event.update.status
                states.append(status.state)
                client.acknowledge(status)
                if status.state in TERMINAL:
                    client.teardown()
        assert states == [mesos.TASK_STARTING, mesos.TASK_RUNNING, mesos.TASK_FAILED]


def test_9_a_scheduler_that_is_started_again_is_the_same_framework_and_its_task_lives(tmp_path: Path):
    class Starter(Runner):
        def update(self, driver, status):
            if status.state == mesos.TASK_RUNNING:
                driver.disconnect()

    class Finder(Scheduler):
        state: mesos.TaskState | None = None

        def subscribed(self, driver, subscribed):
            driver.reconcile()

        def update(self, driver, status):
            if self.state is None:
                self.state = status.state
                driver.teardown()

    with Cluster(1, master_flags=FLAGS) as cluster:
        store = FileStore(tmp_path / "id")
        SchedulerDriver(Starter(1, "sleep 100"), framework(), cluster.address, store=store).run()
        first = store.load()
        assert first is not None
        finder = Finder()
        driver = SchedulerDriver(finder, framework(), cluster.address, store=store)
        driver.start()
        driver.join(30)
        assert finder.state == mesos.TASK_RUNNING
        assert store.load() is None  # torn down


def test_9_taking_over_ends_the_other_and_the_removed_cannot_return():
    with Cluster(1, master_flags=FLAGS) as cluster:
        store = MemoryStore()
        one = SchedulerDriver(Scheduler(), framework(), cluster.address, store=store).start()
        one.wait_until_subscribed(20)
        framework_id = one.framework_id
        assert framework_id is not None
        two = SchedulerDriver(Scheduler(), framework(), cluster.address, store=MemoryStore(framework_id)).start()
        with pytest.raises(FrameworkFailedOver):
            one.join(20)
        two.wait_until_subscribed(20)
        two.teardown()
        two.join(20)
        three = SchedulerDriver(Scheduler(), framework(), cluster.address, store=MemoryStore(framework_id))
        with pytest.raises(FrameworkRemoved):
            three.run()


def test_a_master_that_is_restarted_is_found_again():
    class Counting(Scheduler):
        def __init__(self):
            self.subscriptions = 0
            self.reached = threading.Semaphore(0)
            self.lost = threading.Event()

        def subscribed(self, driver, subscribed):
            self.reached.release()

        def disconnected(self, driver, reason):
            self.lost.set()

    with Cluster(1, master_flags=FLAGS) as cluster:
        counting = Counting()
        driver = SchedulerDriver(counting, framework(), cluster.address, backoff=Backoff.constant(0.05)).start()
        assert counting.reached.acquire(timeout=20)
        framework_id = driver.framework_id
        cluster.master.kill()
        assert counting.lost.wait(20)
        cluster.master.start()
        assert counting.reached.acquire(timeout=20)
        assert driver.framework_id == framework_id
        driver.stop()
        driver.join(20)


EXECUTOR = """
import threading
from pymesoskit import Executor, ExecutorDriver, mesos, task_status

class Echo(Executor):
    def launch(self, driver, task):
        driver.send_update(task_status(task, mesos.TASK_RUNNING, data=task.data.upper()))
        driver.message(b"launched " + task.task_id.value.encode())
    def message(self, driver, data):
        driver.send_update(task_status(data.decode(), mesos.TASK_FINISHED, "told to"))
    def kill(self, driver, task_id, kill_policy):
        driver.send_update(task_status(task_id, mesos.TASK_KILLED))

ExecutorDriver(Echo()).run()
"""


def test_a_custom_executor_of_this_package_lives_its_life(tmp_path: Path):
    program = tmp_path / "executor.py"
    program.write_text(EXECUTOR)
    executor = custom_executor("echo", command([sys.executable, str(program)]), "cpus:0.1;mem:32")
    story = []

    class Author(Scheduler):
        def offers(self, driver, offers):
            tasks = []
            if not story:
                story.append("launched")
                tasks = [
                    executor_task(executor, "cpus:0.1;mem:32", offers[0], task_id="one", data=b"abc"),
                    executor_task(executor, "cpus:0.1;mem:32", offers[0], task_id="two", data=b"def"),
                ]
            driver.launch(offers[0], tasks)

        def message(self, driver, message):
            story.append(("message", message.data))

        def update(self, driver, status):
            task = status.task_id.value
            story.append((task, mesos.TaskState.Name(status.state), status.data or status.message))
            if status.state == mesos.TASK_RUNNING and task == "one":
                driver.message(status.executor_id, status.agent_id, b"one")
            elif status.state == mesos.TASK_RUNNING:
                driver.kill(status.task_id, status.agent_id)
            elif {("one", "TASK_FINISHED", "told to"), ("two", "TASK_KILLED", "")} <= set(story):
                driver.stop()

    with Cluster(1, master_flags=FLAGS) as cluster:
        driver = SchedulerDriver(Author(), framework(), cluster.address).start()
        driver.join(60)
    assert ("one", "TASK_RUNNING", b"ABC") in story
    assert ("two", "TASK_RUNNING", b"DEF") in story
    assert ("message", b"launched one") in story


@pytest.mark.parametrize("when", ["subscribed", "connecting", "not yet started"])
def test_a_driver_in_the_process_ends_with_its_cluster(when):
    with Cluster(1, simulated={}, http=False, master_flags=FLAGS) as cluster:
        driver = SchedulerDriver(Scheduler(), framework(), cluster.address, transport=cluster.transport)
        if when != "not yet started":
            driver.start()
        if when == "subscribed":
            driver.wait_until_subscribed(20)
    if when == "not yet started":
        driver.start()
    with pytest.raises(ConnectionLost, match="the cluster has ended"):
        driver.join(20)
    driver.disconnect()  # harmless
    assert driver.ended
