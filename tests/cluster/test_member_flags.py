"""Flags of master and agents that a cluster gives them: names and places (agent-executor.md 2)."""

from __future__ import annotations

import json

from pymesoskit.testing.cluster.cluster import SimulatedCluster

REGION = json.dumps({"fault_domain": {"region": {"name": "r"}, "zone": {"name": "z"}}})


def test_master_and_agents_have_the_hostname_of_their_flag() -> None:
    flags = {"hostname": "one.example"}
    with SimulatedCluster(1, master_flags=flags, agent_flags={"hostname": "two.example"}) as cluster:
        process = cluster.master._member.process
        assert process is not None
        assert process.core.info.hostname == "one.example"
        (agent,) = process.core.state.agents.values()
        assert agent.info.hostname == "two.example"


def test_agents_register_with_the_domain_of_their_flag() -> None:
    with SimulatedCluster(1, master_flags={"domain": REGION}, agent_flags={"domain": REGION}) as cluster:
        process = cluster.master._member.process
        assert process is not None
        (agent,) = process.core.state.agents.values()
        assert agent.info.domain.fault_domain.zone.name == "z"
