"""What a cluster is given is checked when it is made: errors of ours, which name the value and what is accepted."""

from __future__ import annotations

import pytest

from pymesoskit.testing import AgentSpec, Cluster, ClusterError, FlagError, Outcome, SimulatedCluster


@pytest.mark.parametrize("agents", ["cpus:1;mem:64@rack:r1", AgentSpec("cpus:1;mem:64", "rack:r1")])
def test_one_text_or_spec_is_one_agent(agents: object) -> None:
    with SimulatedCluster(agents) as cluster:
        assert [(agent.spec.resources, agent.spec.attributes) for agent in cluster.agents] == [
            ("cpus:1;mem:64", "rack:r1")
        ]


def test_any_iterable_of_texts_will_do() -> None:
    with SimulatedCluster(f"cpus:{number};mem:64" for number in (1, 2)) as cluster:
        assert len(cluster.agents) == 2


@pytest.mark.parametrize("kind", [Cluster, SimulatedCluster])
@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"agents": 1.5}, ClusterError, "agents must be a number, or .* not 1.5"),
        ({"agents": True}, ClusterError, "agents must be a number, or .* not True"),
        ({"agents": None}, ClusterError, "agents must be a number, or .* not None"),
        ({"agents": b"cpus:1"}, ClusterError, "agents must be a number, or .* not b'cpus:1'"),
        ({"agents": {"cpus": 1}}, ClusterError, "agents must be a number, or .* not {'cpus': 1}"),
        ({"agents": [1]}, ClusterError, "agents must be a number, or .* not 1"),
        ({"agents": "cpus4"}, ClusterError, "resources 'cpus4' of an agent"),
        ({"agents": [AgentSpec(4)]}, ClusterError, "resources of an AgentSpec must be text, not 4"),
        ({"agents": [AgentSpec(flags={})]}, ClusterError, "flags of an AgentSpec must be AgentFlags, not {}"),
        ({"agents": -1}, ClusterError, "a cluster has 0 or more agents, not -1"),
        ({"masters": 0}, ClusterError, "a cluster has 1 or more masters, not 0"),
        ({"masters": "2"}, ClusterError, "masters must be a whole number, not '2'"),
        ({"seed": "7"}, ClusterError, "seed must be a whole number, not '7'"),
        ({"simulated": True}, ClusterError, r"simulated must be a function .* not True; with {} all simulated tasks"),
        ({"simulated": [Outcome()]}, ClusterError, "simulated must be a function"),
        ({"simulated": {"t": 5}}, ClusterError, "simulated: expected an Outcome by task id or name, not 't': 5"),
        ({"clock": 5}, ClusterError, "clock must be VirtualClock, not 5"),
        ({"allocator": "drf"}, ClusterError, "the allocator 'drf' cannot be called"),
        ({"authorizers": ["local"]}, ClusterError, "authorizers must be a dictionary of authorizers by name"),
        ({"master_flags": {"quiet": 1}}, FlagError, "'?quiet'?.*1"),
        ({"master_flags": {"x": 1}}, FlagError, "'?x'?"),
        ({"master_flags": "quiet"}, FlagError, "flags of mesos-master must be"),
        ({"agent_flags": ["quiet"]}, FlagError, "flags of mesos-agent must be"),
    ],
)
def test_a_wrong_value_is_a_clear_error(kind, arguments: dict, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        kind(**arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"bind": 5}, "bind must be str, not 5"),
        ({"port": "5050"}, "port must be a whole number, not '5050'"),
        ({"work_dir": 5}, "work_dir must be str or Path, not 5"),
        ({"pace": 2.0}, "pace must be Pace, not 2.0"),
    ],
)
def test_a_wrong_value_of_a_cluster_in_real_time_as_well(arguments: dict, said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        Cluster(**arguments)


def test_what_tests_hold_shows_what_it_is() -> None:
    with SimulatedCluster(["cpus:1;mem:64"], seed=3) as cluster:
        agent = cluster.agents[0]
        assert repr(cluster) == "<SimulatedCluster at 127.0.0.1:5050: 1 master, 1 agents, seed 3>"
        assert repr(agent) == f"<agent 0 at 127.0.0.1:5051: registered, id '{agent.id}', cpus:1;mem:64>"
        assert repr(cluster.master) == "<master at 127.0.0.1:5050: leads>"
        cluster.master.pause()
        agent.kill()
        assert repr(agent) == "<agent 0 at 127.0.0.1:5051: is not running, id '', cpus:1;mem:64>"
        assert repr(cluster.master) == "<master at 127.0.0.1:5050: frozen, leads>"
        fault = cluster.faults.slow(agent, 1)
        assert repr(fault) == "<fault slow agent 0>"
        fault.heal()
        assert repr(fault) == "<fault slow agent 0, healed>"
