"""Where masters and agents listen, and what they advertise (agent-executor.md 1: ip, port, hostname, advertise_*)."""

from __future__ import annotations

import json
import socket
import sys
import urllib.request

import pytest

from pymesoskit.testing import (
    AgentFlags,
    AgentSpec,
    Cluster,
    ClusterError,
    ListenError,
    SimulatedCluster,
)
from pymesoskit.testing.cluster import addresses

needs_loopback_network = pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is Linux's")


def free_port() -> int:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def state(url: str) -> dict:
    with urllib.request.urlopen(f"{url}/state", timeout=10) as answer:
        return json.load(answer)


def test_by_default_all_are_at_127_0_0_1_with_ports_of_their_own() -> None:
    with Cluster(2) as cluster:
        slaves = [f"slave(1)@127.0.0.1:{agent.port}" for agent in cluster.agents]
        shown = state(cluster.master_url)
        assert shown["pid"] == f"master@127.0.0.1:{cluster.master.port}"
        assert sorted(one["pid"] for one in shown["slaves"]) == sorted(slaves)
        assert {one["hostname"] for one in shown["slaves"]} == {"127.0.0.1"} == {shown["hostname"]}


@needs_loopback_network
def test_agents_with_one_port_have_addresses_of_their_own() -> None:
    port = free_port()
    with Cluster(3, agent_flags={"port": str(port)}) as cluster:
        assert [agent.address for agent in cluster.agents] == [f"127.0.0.{index}:{port}" for index in (2, 3, 4)]
        assert [state(agent.url)["hostname"] for agent in cluster.agents] == ["127.0.0.2", "127.0.0.3", "127.0.0.4"]


def test_one_agent_with_a_port_is_there() -> None:
    port = free_port()
    with Cluster(1, agent_flags={"port": str(port)}) as cluster:
        assert cluster.agents[0].address == f"127.0.0.1:{port}"
        assert state(cluster.agents[0].url)["flags"]["port"] == str(port)


@needs_loopback_network
def test_agents_listen_at_the_ip_of_their_flags() -> None:
    specs = [AgentSpec(flags=AgentFlags(ip=f"127.0.0.{number}", hostname=f"host-{number}")) for number in (7, 8)]
    with Cluster(specs) as cluster:
        assert [agent.url.rpartition(":")[0] for agent in cluster.agents] == ["http://127.0.0.7", "http://127.0.0.8"]
        assert [state(agent.url)["hostname"] for agent in cluster.agents] == ["host-7", "host-8"]


@needs_loopback_network
def test_a_master_listens_at_the_ip_and_port_of_its_flags() -> None:
    port = free_port()
    with Cluster(0, master_flags={"ip": "127.0.0.9", "port": str(port), "hostname": "leader.example"}) as cluster:
        assert cluster.address == f"127.0.0.9:{port}"
        assert state(cluster.master_url)["hostname"] == "leader.example"


def test_what_is_advertised_can_differ_from_where_they_listen() -> None:
    flags = {"advertise_ip": "192.0.2.7", "advertise_port": "5051"}
    with Cluster(1, master_flags={"advertise_ip": "192.0.2.1", "advertise_port": "80"}, agent_flags=flags) as cluster:
        shown = state(cluster.master_url)
        assert shown["pid"] == "master@192.0.2.1:80"
        assert [one["pid"] for one in shown["slaves"]] == ["slave(1)@192.0.2.7:5051"]
        assert cluster.address.startswith("127.0.0.1:")


def test_agents_cannot_advertise_one_address() -> None:
    cluster = Cluster(2, agent_flags={"advertise_port": "5051"})
    with pytest.raises(ClusterError, match=r"agent 0 and agent 1 both have the address 127\.0\.0\.1:5051"):
        cluster.start()


def test_without_sockets_addresses_are_the_same() -> None:
    flags = {"port": "5051"}
    with SimulatedCluster(2, master_flags={"port": "6060"}, agent_flags=flags) as cluster:
        assert cluster.address == "127.0.0.1:6060"
        assert [agent.address for agent in cluster.agents] == ["127.0.0.2:5051", "127.0.0.3:5051"]


def test_without_sockets_clients_reach_agents_by_their_addresses() -> None:
    from pymesoskit.transport.address import Address

    with SimulatedCluster(2, agent_flags={"port": "5051"}) as cluster:
        first, second = (cluster._resolve(Address.parse(agent.address)) for agent in cluster.agents)
        assert first is not second
        assert cluster._resolve(Address.parse("127.0.0.4:5051")) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"port": 1234, "master_flags": {"port": "1235"}},
            "port=1234 and the flag 'port' of mesos-master, 1235, differ",
        ),
        ({"masters": 2, "master_flags": {"port": "1235"}}, "would put 2 masters at one port"),
        (
            {"agents": 2, "agent_flags": {"port": "5051", "ip": "127.0.0.1"}},
            "agents 0, 1 would all listen at 127.0.0.1:5051",
        ),
        ({"agents": 2, "agent_flags": {"port": "5051"}, "bind": "0.0.0.0"}, "agents 0, 1 would all listen at 0.0.0.0"),
        ({"agent_flags": {"ip": "here"}}, "the flag 'ip' of mesos-agent must be an IP address .* not 'here'"),
        ({"agent_flags": {"advertise_ip": "there"}}, "the flag 'advertise_ip' must be an IP address .* not 'there'"),
        ({"agent_flags": {"work_dir": "/tmp/x"}}, "the flag 'work_dir' of mesos-agent cannot be set here: give the"),
        ({"agent_flags": {"resources": "cpus:1"}}, "the flag 'resources' of mesos-agent cannot be set here"),
        ({"agent_flags": {"attributes": "a:b"}}, "the flag 'attributes' of mesos-agent cannot be set here"),
        ({"agent_flags": {"master": "1.2.3.4:5050"}}, "the flag 'master' of mesos-agent cannot be set here"),
        ({"bind": "localhost"}, "bind must be an IP address such as 127.0.0.1 or ::1, not 'localhost'"),
        ({"port": 70000}, "port must be between 0 .* and 65535, not 70000"),
    ],
)
def test_what_cannot_take_effect_is_refused(arguments: dict, said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        Cluster(**arguments)


def test_a_taken_port_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        cluster = Cluster(1, agent_flags={"port": str(taken.getsockname()[1])})
        with pytest.raises(ListenError, match="the port is taken by another process"):
            cluster.start()


def test_a_wildcard_is_advertised_as_an_address_that_others_can_use() -> None:
    assert addresses.advertised("0.0.0.0") not in {"0.0.0.0", ""}
    assert addresses.advertised("::") not in {"::", ""}
    with Cluster(1, bind="0.0.0.0") as cluster:
        assert "0.0.0.0" not in cluster.master_url
        assert state(cluster.master_url)["activated_slaves"] == 1
