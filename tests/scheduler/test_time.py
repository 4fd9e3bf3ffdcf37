"""The driver's time, timers and chance."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pymesoskit.errors import HandlerFailed
from pymesoskit.scheduler import Scheduler, SchedulerDriver, framework_info, new_task_id
from pymesoskit.testing import Cluster, SimulatedCluster

INFO = framework_info("one", user="nobody", failover_timeout=60)


class Ticks(Scheduler):
    """Notes when its timers run."""

    def __init__(self, *delays: float) -> None:
        self.delays = delays
        self.ran: list[tuple[float, float]] = []
        self.ids: list[str] = []

    def subscribed(self, driver: Any, subscribed: Any) -> None:
        self.ids.append(new_task_id())
        for delay in self.delays:
            driver.call_later(delay, self.tick, driver, delay)

    def tick(self, driver: Any, delay: float) -> None:
        self.ran.append((delay, driver.time()))


def test_timers_run_in_virtual_time_in_order() -> None:
    scheduler = Ticks(30, 10, 20)
    with SimulatedCluster(1) as cluster:
        driver = SchedulerDriver(scheduler, INFO, cluster.address, transport=cluster.transport).start()
        start = driver.time()
        cluster.advance(3600)
        assert [(delay, at - start) for delay, at in scheduler.ran] == [
            (10, pytest.approx(10, abs=1)),
            (20, pytest.approx(20, abs=1)),
            (30, pytest.approx(30, abs=1)),
        ]


def test_a_cancelled_timer_does_not_run() -> None:
    scheduler = Ticks()
    with SimulatedCluster(1) as cluster:
        driver = SchedulerDriver(scheduler, INFO, cluster.address, transport=cluster.transport).start()
        timer = driver.call_later(10, scheduler.tick, driver, 10)
        cluster.advance(5)
        timer.cancel()
        cluster.advance(10)
        assert scheduler.ran == []
        timer.cancel()


def test_no_timer_runs_after_the_end() -> None:
    scheduler = Ticks(10)
    with SimulatedCluster(1) as cluster:
        driver = SchedulerDriver(scheduler, INFO, cluster.address, transport=cluster.transport).start()
        cluster.advance(5)
        driver.stop()
        cluster.advance(10)
        assert driver.ended
        assert scheduler.ran == []


def test_what_a_timer_raises_ends_the_driver() -> None:
    with SimulatedCluster(1) as cluster:
        driver = SchedulerDriver(Ticks(), INFO, cluster.address, transport=cluster.transport).start()
        driver.call_later(1, {}.__getitem__, "nothing")
        cluster.advance(2)
        assert isinstance(driver.failure, HandlerFailed)
        assert isinstance(driver.failure.__cause__, KeyError)


def test_a_negative_delay_is_refused() -> None:
    with SimulatedCluster(1) as cluster:
        driver = SchedulerDriver(Ticks(), INFO, cluster.address, transport=cluster.transport)
        with pytest.raises(ValueError, match="delay must not be negative, but is -1"):
            driver.call_later(-1, print)


@pytest.mark.parametrize("http", [True, False])
def test_timers_run_in_the_thread_of_the_handlers(http: bool) -> None:
    threads: list[int] = []
    ran = threading.Event()

    class Own(Scheduler):
        def subscribed(self, driver: Any, subscribed: Any) -> None:
            threads.append(threading.get_ident())
            driver.call_later(0, self.tick)

        def tick(self) -> None:
            threads.append(threading.get_ident())
            ran.set()

    with Cluster(0, http=http) as cluster:
        transport = None if http else cluster.transport
        with SchedulerDriver(Own(), INFO, cluster.address, transport=transport):
            assert ran.wait(10)
    assert threads[0] == threads[1] != threading.get_ident()


def test_the_seed_determines_ids_and_back_off() -> None:
    def ids(seed: int) -> list[str]:
        scheduler = Ticks()
        with SimulatedCluster(1, seed=seed) as cluster:
            driver = SchedulerDriver(scheduler, INFO, cluster.address, transport=cluster.transport).start()
            cluster.advance(1)
            return [*scheduler.ids, str(driver.chance.random())]

    assert ids(1) == ids(1)
    assert ids(1) != ids(2)
