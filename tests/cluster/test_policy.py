"""An allocation policy of one's own in a whole cluster."""

from __future__ import annotations

import pytest
from attrs import evolve

from pymesoskit.scheduler import Scheduler, SchedulerDriver
from pymesoskit.testing.allocator import HierarchicalAllocator
from pymesoskit.testing.cluster.cluster import BaseCluster, Cluster, ClusterError, SimulatedCluster
from pymesoskit.wire.v1 import mesos
from tests.allocator.first_come import FirstCome


class Halves(HierarchicalAllocator):
    """Mesos's policy on agents that it takes to have half of the CPUs that they have; the newest is ``made[-1]``."""

    made: list[Halves]

    def __init__(self, clock, rng, listener, options) -> None:
        super().__init__(clock, rng, listener, options)
        self.options = options
        type(self).made.append(self)

    def add_agent(self, agent_id, options, total, **more) -> None:
        half = type(total)(r.with_value(r.value / 2) if r.name == "cpus" else r for r in total)
        super().add_agent(agent_id, options, half, **more)


@pytest.fixture
def policy():
    return type("Halves", (Halves,), {"made": []})


class Watcher(Scheduler):
    def __init__(self) -> None:
        self.cpus: list[float] = []

    def offers(self, driver, offers) -> None:
        for offer in offers:
            self.cpus += [resource.scalar.value for resource in offer.resources if resource.name == "cpus"]
            driver.decline(offer, refuse_seconds=1)


def watch(cluster: BaseCluster) -> Watcher:
    watcher = Watcher()
    info = mesos.FrameworkInfo(user="root", name="watcher", failover_timeout=1000)
    SchedulerDriver(watcher, info, cluster.addresses, transport=cluster.transport).start()
    return watcher


def test_the_masters_offers_are_those_of_the_policy(policy) -> None:
    with SimulatedCluster(1, allocator=policy) as cluster:
        watcher = watch(cluster)
        cluster.advance(10)
        assert set(watcher.cpus) == {2.0}


def test_it_is_told_the_masters_flags(policy) -> None:
    flags = {"allocation_interval": "2secs", "framework_sorter": "random"}
    with SimulatedCluster(0, allocator=policy, master_flags=flags):
        (made,) = policy.made
        assert (made.options.allocation_interval, made.options.framework_sorter) == (2.0, "random")


def test_each_life_of_each_master_has_one_of_its_own_and_a_stopped_one_is_heard_of_no_more(policy) -> None:
    with SimulatedCluster(1, masters=2, allocator=policy) as cluster:
        watcher = watch(cluster)
        cluster.advance(5)
        assert len(policy.made) == 2
        cluster.masters[0].kill()
        cluster.masters[0].start()
        assert len(policy.made) == 3
        runs = policy.made[0].metrics()["allocator/mesos/allocation_runs"]
        cluster.wait_for(lambda: cluster.masters[1].leads)
        cluster.wait_for_agents(timeout=60)
        before = len(watcher.cpus)
        cluster.wait_for(lambda: len(watcher.cpus) > before, timeout=120)
        assert set(watcher.cpus) == {2.0}
        assert policy.made[0].metrics()["allocator/mesos/allocation_runs"] == runs


def test_its_metrics_are_the_masters(policy) -> None:
    with Cluster(1, http=False, simulated={}, allocator=policy) as cluster:
        metrics = cluster.call(cluster.master._member.process._operators.read_metrics)
        assert metrics["allocator/mesos/resources/cpus/total"] == 2.0
        assert metrics["master/cpus_total"] == 4.0


def test_any_callable_makes_one() -> None:
    def lottery(clock, rng, listener, options):
        return HierarchicalAllocator(clock, rng, listener, evolve(options, role_sorter="random"))

    with SimulatedCluster(1, allocator=lottery) as cluster:
        watcher = watch(cluster)
        cluster.advance(10)
        assert watcher.cpus


def test_a_policy_that_owes_nothing_to_the_hierarchical_one_serves_a_cluster() -> None:
    """Whoever came first gets all: the second framework sees nothing until the first one refuses it."""
    with SimulatedCluster(3, allocator=FirstCome) as cluster:
        first, second = watch(cluster), Watcher()
        cluster.advance(0.5)
        info = mesos.FrameworkInfo(user="root", name="second")
        SchedulerDriver(second, info, cluster.addresses, transport=cluster.transport).start()
        cluster.advance(0.2)
        assert (len(first.cpus), len(second.cpus)) == (3, 3)  # what was refused goes to the next
        cluster.advance(60)
        assert set(first.cpus) == set(second.cpus) == {4.0}
        metrics = cluster.master._member.alive().core.allocator.metrics()
        assert metrics["allocator/mesos/resources/cpus/total"] == 12


def test_what_cannot_be_called_is_an_error() -> None:
    with pytest.raises(ClusterError, match="the allocator 'lottery' cannot be called with"):
        SimulatedCluster(allocator="lottery")
