"""Agents that are started again as something else, and machines that are rebooted (agent-executor.md 5.5)."""

from __future__ import annotations

import pytest

from pymesoskit.resources import Resources
from pymesoskit.scheduler import SchedulerDriver
from pymesoskit.testing.cluster.cluster import AgentSpec, BaseCluster, ClusterError, SimulatedCluster
from pymesoskit.testing.engine.agent import FixedEstimator, Outcome
from tests.cluster.test_cluster import OneTask, framework

RUNS = {"*": Outcome.runs()}
SMALL = "cpus:1;mem:128;disk:10;ports:[1-10]"
LARGE = "cpus:8;mem:128;disk:10;ports:[1-10]"
ADDITIVE = {"reconfiguration_policy": "additive", "executor_reregistration_timeout": "100ms"}


def known_to_the_master(cluster: BaseCluster) -> tuple[str, dict[str, str]]:
    process = cluster.master._member.process
    assert process is not None
    (agent,) = process.core.state.agents.values()
    return str(Resources(agent.total_resources).quantities()), {a.name: a.text.value for a in agent.info.attributes}


def restart(cluster: BaseCluster, spec: AgentSpec | None = None) -> None:
    cluster.agents[0].kill()
    cluster.agents[0].start(spec)
    cluster.wait_for_agents()


def test_an_agent_may_grow_under_its_tasks() -> None:
    with SimulatedCluster([AgentSpec(SMALL, "rack:r1")], simulated=RUNS, agent_flags=ADDITIVE) as cluster:
        driver = SchedulerDriver(OneTask(), framework(), cluster.address, transport=cluster.transport).start()
        cluster.wait_for_task("t", "TASK_RUNNING")
        before = cluster.agents[0].id
        restart(cluster, AgentSpec(LARGE, "rack:r1;zone:z"))
        assert cluster.agents[0].id == before
        quantities, attributes = known_to_the_master(cluster)
        assert "cpus:8" in quantities
        assert attributes == {"rack": "r1", "zone": "z"}
        task = cluster.task("t")
        assert task is not None
        assert task.state == "TASK_RUNNING"
        restart(cluster)  # it stays what it is
        assert "cpus:8" in known_to_the_master(cluster)[0]
        driver.stop()


def test_an_agent_that_refuses_its_new_flags_is_what_it_was() -> None:
    with SimulatedCluster([AgentSpec(SMALL)]) as cluster:
        before = cluster.agents[0].id
        cluster.agents[0].kill()
        with pytest.raises(ClusterError, match="Incompatible agent info detected"):
            cluster.agents[0].start(AgentSpec(LARGE))
        assert not cluster.agents[0].running
        cluster.agents[0].start()
        cluster.wait_for_agents()
        assert cluster.agents[0].id == before


def test_a_running_agent_cannot_be_started_as_something_else() -> None:
    with SimulatedCluster([AgentSpec(SMALL)]) as cluster:
        with pytest.raises(ClusterError, match="is running"):
            cluster.agents[0].start(AgentSpec(LARGE))
        restart(cluster)
        assert "cpus:1" in known_to_the_master(cluster)[0]


def test_tasks_do_not_survive_a_reboot_but_the_agents_id_does() -> None:
    with SimulatedCluster([AgentSpec(SMALL)], simulated=RUNS, agent_flags=ADDITIVE) as cluster:
        driver = SchedulerDriver(OneTask(), framework(), cluster.address, transport=cluster.transport).start()
        cluster.wait_for_task("t", "TASK_RUNNING")
        before = cluster.agents[0].id
        with pytest.raises(ClusterError, match="is running"):
            cluster.agents[0].reboot()
        cluster.agents[0].kill()
        cluster.agents[0].reboot()
        cluster.wait_for_task("t", "TASK_FAILED")
        assert cluster.agents[0].id == before
        driver.stop()


def test_agents_with_simulated_tasks_keep_all_that_they_are_given() -> None:
    spec = AgentSpec(SMALL, estimator=FixedEstimator(Resources.parse("cpus:2")))
    with SimulatedCluster([spec], simulated=RUNS) as cluster:
        assert "cpus:3" in known_to_the_master(cluster)[0]
