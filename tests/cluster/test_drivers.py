"""A driver in this process that dies is in the cluster's story, and ends all waiting."""

from __future__ import annotations

import pytest

from pymesoskit import Scheduler, SchedulerDriver, framework_info
from pymesoskit.errors import HandlerFailed
from pymesoskit.testing import Cluster, ClusterError, SimulatedCluster


class Broken(Scheduler):
    def offers(self, driver, offers):
        raise ZeroDivisionError("in offers")


def broken_driver(cluster, http: bool) -> SchedulerDriver:
    transport = None if http else cluster.transport
    return SchedulerDriver(Broken(), framework_info("broken", user="nobody"), cluster.address, transport=transport)


@pytest.mark.parametrize("http", [True, False])
def test_waiting_fails_at_once_with_the_error_of_a_dead_driver_as_cause(http: bool) -> None:
    with Cluster(1, http=http) as cluster:
        driver = broken_driver(cluster, http).start()
        with pytest.raises(
            ClusterError, match=r"(?s)broken' has died while .* task 't'.*the handler 'offers' raised"
        ) as failed:
            cluster.wait_for_task("t", "TASK_RUNNING", timeout=60)
        assert isinstance(failed.value.__cause__, HandlerFailed)
        assert isinstance(failed.value.__cause__.__cause__, ZeroDivisionError)
        with pytest.raises(HandlerFailed):
            driver.join(60)


def test_in_virtual_time_as_well() -> None:
    with SimulatedCluster(1) as cluster:
        broken_driver(cluster, http=False).start()
        with pytest.raises(ClusterError, match="the handler 'offers' raised ZeroDivisionError: in offers"):
            cluster.wait_for_task("t", "TASK_RUNNING")


@pytest.mark.parametrize("http", [True, False])
def test_the_death_is_in_the_story(http: bool) -> None:
    with Cluster(1, http=http) as cluster:
        driver = broken_driver(cluster, http).start()
        cluster.wait_for(lambda: any("has died: HandlerFailed" in event.text for event in cluster.events()))
        with pytest.raises(HandlerFailed):
            driver.join(60)


def test_an_error_that_the_test_was_given_fails_nothing_else() -> None:
    with Cluster(1) as cluster:
        driver = broken_driver(cluster, http=True).start()
        with pytest.raises(HandlerFailed):
            driver.join(60)
        cluster.agents[0].kill()
        cluster.wait_for_agents(0)


def test_a_condition_that_holds_already_does_not_fail() -> None:
    with SimulatedCluster(1) as cluster:
        driver = broken_driver(cluster, http=False).start()
        cluster.wait_for(lambda: driver.ended)


def test_a_dead_driver_of_another_cluster_does_not_matter() -> None:
    with Cluster(1) as other, Cluster(1) as cluster:
        driver = broken_driver(other, http=True).start()
        other.wait_for(lambda: driver.ended)
        cluster.agents[0].kill()
        cluster.wait_for_agents(0)
