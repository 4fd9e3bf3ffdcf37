"""Virtual time has no traps: no loop without end, no clock that keeps a cluster from starting, enough patience."""

from __future__ import annotations

import threading

import pytest

from pymesoskit import OfferPool, Scheduler, SchedulerDriver, command_task, framework_info
from pymesoskit.testing import Cluster, ClusterError, Livelock, Outcome, SimulatedCluster, VirtualClock
from pymesoskit.testing.runtime.actor import SimulatedActor, ThreadActor


class Relaunches(Scheduler):
    """Launches a task as often as it is offered something, without end."""

    launched = 0

    def offers(self, driver, offers):
        for offer in offers:
            self.launched += 1
            pool = OfferPool(offer)
            task = command_task("true", pool.take("cpus:1;mem:32"), offer, task_id=f"t{self.launched}")
            driver.launch(offer, task, refuse_seconds=0)

    def update(self, driver, status):
        driver.revive()


class DeclinesAndRevives(Scheduler):
    def offers(self, driver, offers):
        driver.decline(offers, refuse_seconds=0)
        driver.revive()


class OneTask(Scheduler):
    def offers(self, driver, offers):
        driver.launch(offers[0], command_task("x", OfferPool(offers[0]).take("cpus:1;mem:32"), offers[0], task_id="t"))
        driver.decline(offers[1:])
        driver.suppress()


def start(cluster, scheduler) -> None:
    SchedulerDriver(
        scheduler, framework_info("one", user="nobody"), cluster.address, transport=cluster.transport
    ).start()


@pytest.mark.parametrize("scheduler", [DeclinesAndRevives, Relaunches])
@pytest.mark.parametrize("move", [lambda cluster: cluster.advance(1), lambda cluster: cluster.wait_for_task("never")])
def test_a_loop_that_makes_no_time_pass_is_an_error_with_the_story(scheduler, move) -> None:
    with SimulatedCluster(1, simulated={}) as cluster:
        cluster.actor._moment._limit = 2000
        start(cluster, scheduler())
        with pytest.raises(Livelock, match=r"(?s)virtual time stands still: 2000 .*seed 0\n.*S0"):
            move(cluster)


def test_a_burst_at_one_moment_is_no_loop() -> None:
    actor = SimulatedActor(max_chain=3)
    done = []
    for number in range(1000):
        actor.post(actor.post, done.append, number)
    actor.settle()
    assert len(done) == 1000


def test_timers_without_delay_are_a_loop_too() -> None:
    actor = SimulatedActor(max_chain=10)

    def again() -> None:
        actor.clock.call_later(0.0, again)

    again()
    with pytest.raises(Livelock):
        actor.advance(1)


@pytest.mark.parametrize("http", [True, False])
@pytest.mark.parametrize("masters", [1, 2])
def test_a_cluster_with_a_virtual_clock_starts_and_its_time_stands_still(http: bool, masters: int) -> None:
    clock = VirtualClock()
    with Cluster(3, clock=clock, http=http, masters=masters, simulated={"*": Outcome(run_time=60)}) as cluster:
        assert [agent.registered for agent in cluster.agents] == [True] * 3
        assert clock.monotonic() == 0
        cluster.advance(10)
        assert clock.monotonic() == 10


def test_time_advances_while_other_threads_ask() -> None:
    with Cluster(2, clock=VirtualClock(), http=False, simulated={}) as cluster:
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                cluster.tasks()

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            cluster.advance(30)
        stop.set()
        for thread in threads:
            thread.join()
        assert cluster.history.failures == 0


def test_who_advances_in_a_turn_leaves_nothing_behind_for_it() -> None:
    actor = ThreadActor(VirtualClock())
    failures = []
    actor.report = lambda _where, error: failures.append(error)
    actor.start()
    try:
        actor.call(lambda: [actor.post(actor.advance, 1.0), *(actor.post(int) for _ in range(10))])
        actor.call(int)
    finally:
        actor.stop()
    assert failures == []


def test_conditions_are_asked_while_time_advances() -> None:
    clock = VirtualClock()
    actor = ThreadActor(clock)
    actor.start()
    try:
        asked = threading.Event()
        seen = []

        def condition() -> bool:
            seen.append(clock.monotonic())
            asked.set()
            return clock.monotonic() == 5

        waiting = threading.Thread(target=lambda: seen.append(actor.wait_for(condition, 60)))
        waiting.start()
        asked.wait()
        for second in range(10):
            actor.call(clock.call_later, float(second), int)
        actor.advance(10)
        waiting.join()
        assert seen[-1] is True
    finally:
        actor.stop()


def test_a_task_that_has_ended_otherwise_is_not_waited_for() -> None:
    with SimulatedCluster(1, simulated={"t": Outcome.fails(code=3)}) as cluster:
        start(cluster, OneTask())
        expected = "task 't' to be TASK_FINISHED, but it has ended as TASK_FAILED: Command exited with status 3"
        with pytest.raises(ClusterError, match=expected):
            cluster.wait_for_task("t", "TASK_FINISHED")
        assert cluster.wait_for_task("t", "TASK_RUNNING").ended
        assert cluster.actor.clock.monotonic() < 10


def test_the_patience_is_longer_than_the_timeouts_of_mesos() -> None:
    with SimulatedCluster(1, masters=1) as cluster:
        cluster.agents[0].kill()
        cluster.wait_for(lambda: "is unreachable" in cluster.story() or "removed" in cluster.story())


def test_a_wait_in_virtual_time_ends() -> None:
    with SimulatedCluster(1) as cluster, pytest.raises(ClusterError, match=r"timed out after 3600 s of virtual time"):
        cluster.wait_for_task("never")
