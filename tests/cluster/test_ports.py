"""Which host ports the agents of one cluster have for real tasks."""

from __future__ import annotations

import socket

import pytest

from pymesoskit.resources import Resources
from pymesoskit.testing.cluster import ports
from pymesoskit.testing.cluster.cluster import AgentSpec, Cluster, SimulatedCluster
from pymesoskit.testing.cluster.ports import own_ports


def ports_of(text: str) -> set[int]:
    (resource,) = Resources.parse(f"ports:{text}").to_messages()
    return {port for bounds in resource.ranges.range for port in range(bounds.begin, bounds.end + 1)}


def offered(cluster: Cluster | SimulatedCluster) -> list[set[int]]:
    process = cluster.master._member.process
    assert process is not None
    return [
        {port for r in agent.total_resources.to_messages() if r.name == "ports" for b in r.ranges.range
         for port in range(b.begin, b.end + 1)}
        for agent in process.core.state.agents.values()
    ]  # fmt: skip


@pytest.mark.parametrize("resources", [None, "cpus:1;mem:64;ports:auto", "auto"])
def test_agents_on_one_host_have_no_port_in_common(resources: str | None) -> None:
    with Cluster(agents=[AgentSpec() if resources is None else resources] * 3) as cluster:
        first, second, third = offered(cluster)
    assert min(len(first), len(second), len(third)) > 900
    assert not first & second
    assert not first & third
    assert not second & third
    assert first <= set(range(31000, 32001))


def test_no_two_of_many_agents_have_a_port_in_common() -> None:
    found = [ports_of(own_ports(index)) for index in (*range(24), 100, 101)]
    assert len(set.union(*found)) == sum(map(len, found))


@pytest.mark.parametrize("linux", [True, False])
def test_a_port_on_which_something_listens_is_not_handed_out(monkeypatch: pytest.MonkeyPatch, linux: bool) -> None:
    if not linux:
        monkeypatch.setattr(ports, "listening", lambda: None)
    port = min(ports_of(own_ports(0))) + 5
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", port))
        listener.listen()
        assert port not in ports_of(own_ports(0))
    assert port in ports_of(own_ports(0))


def test_an_agent_that_is_told_its_ports_has_those() -> None:
    with Cluster(agents=["cpus:1;mem:64;ports:[31000-31009]", "auto;ports:[31000-31009]"]) as cluster:
        assert offered(cluster) == [set(range(31000, 31010))] * 2


def test_simulated_agents_have_the_usual_ports_on_every_machine() -> None:
    with SimulatedCluster(agents=2) as cluster:
        assert offered(cluster) == [set(range(31000, 32001))] * 2


def test_an_agent_has_the_same_ports_when_it_starts_again() -> None:
    with Cluster(agents=1) as cluster:
        (before,) = offered(cluster)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", min(before)))  # as a task of its own does
            listener.listen()
            cluster.agents[0].kill()
            cluster.agents[0].start()
            cluster.wait_for(lambda: cluster.agents[0].registered)
            assert offered(cluster) == [before]
