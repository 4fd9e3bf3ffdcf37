"""Flags of the master that no other page of tests is about (allocator.md 2 to 4 and 10, failover.md, agent-executor.md 2)."""

import base64
import json

import pytest

from pymesoskit.testing.engine.network.messages import RunTask
from pymesoskit.wire.v1 import mesos

UUID = b"\x11" * 6 + b"\x40\x00\x80" + b"\x11" * 7
PING = {"agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "2"}


def offered(framework):
    """The ids of the agents in the offers that came since it was asked last."""
    return [
        offer["agent_id"]["value"]
        for event in framework.take()
        if event["type"] == "OFFERS"
        for offer in event["offers"]["offers"]
    ]


def launch(world, framework, agent, task, task_id):
    offer = world.offer(framework, agent, "cpus:1;mem:32")
    framework.launch(offer, task(task_id, offer))
    agent.take(RunTask)


def complete(world, framework, agent, task, task_id):
    launch(world, framework, agent, task, task_id)
    agent.update(framework.id, task_id, "TASK_FINISHED", UUID)
    framework.call(
        "ACKNOWLEDGE",
        {
            "agent_id": {"value": agent.id},
            "task_id": {"value": task_id},
            "uuid": base64.b64encode(UUID).decode(),
        },
    )
    world.settle()


# After a failover with quota


class TestRecovery:
    def failed_over(self, world, agents):
        """A new master that expects so many agents, with quota, and a framework of a role without."""
        parties = [world.agent(port=5051 + number) for number in range(agents)]
        limit = {"role": "web", "limits": {"cpus": {"value": 100}}}
        assert world.operator("UPDATE_QUOTA", {"quota_configs": [limit]}).status == 200
        world.master.terminate()
        world.start_master()
        return world.framework(roles=["dev"]), parties

    def test_offers_wait_for_a_part_of_the_agents(self, make_real_world):
        world = make_real_world(allocator_agent_recovery_factor="0.5")
        framework, agents = self.failed_over(world, 4)
        agents[0].reregister()
        world.advance(3)
        assert offered(framework) == []
        agents[1].reregister()
        world.advance(1)
        assert sorted(offered(framework)) == [agents[0].id, agents[1].id]

    def test_offers_wait_no_longer_than_the_timeout(self, make_real_world):
        world = make_real_world(allocator_recovery_timeout="2mins")
        framework, agents = self.failed_over(world, 4)
        agents[0].reregister()
        world.advance(119)
        assert offered(framework) == []
        world.advance(2)
        assert offered(framework) == [agents[0].id]


# Sharing


@pytest.mark.parametrize(("excluded", "winner"), [({}, 1), ({"fair_sharing_excluded_resource_names": "mem"}, 0)])
def test_what_is_excluded_does_not_count_as_a_share(make_real_world, excluded, winner):
    world = make_real_world(**excluded)
    frameworks = [world.framework(roles=["a"]), world.framework(roles=["b"])]
    world.agent(port=5051, resources="cpus:1;mem:1000")
    world.advance(1)
    assert len(offered(frameworks[0])) == 1, "the first by name"
    world.agent(port=5052, resources="cpus:4;mem:100")
    world.advance(1)
    assert len(offered(frameworks[1])) == 1, "the one with nothing"
    world.agent(port=5053, resources="cpus:1;mem:100")
    world.advance(1)
    assert len(offered(frameworks[winner])) == 1
    assert offered(frameworks[1 - winner]) == []


@pytest.mark.parametrize(
    ("flags", "roles", "fair"),
    [
        ({"role_sorter": "drf"}, (["a"], ["b"]), True),
        ({"role_sorter": "random"}, (["a"], ["b"]), False),
        ({"framework_sorter": "drf"}, (["web"], ["web"]), True),
        ({"framework_sorter": "random"}, (["web"], ["web"]), False),
    ],
)
def test_turns_are_fair_or_left_to_chance(make_real_world, flags, roles, fair):
    world = make_real_world(**flags)
    frameworks = [world.framework(roles=own) for own in roles]
    turns = []
    for number in range(16):
        world.agent(port=5051 + number)
        world.advance(1)
        turns += [index for index, framework in enumerate(frameworks) if offered(framework)]
    assert len(turns) == 16
    in_turn = all(sorted(turns[at : at + 2]) == [0, 1] for at in range(0, 16, 2))
    assert in_turn == fair


@pytest.mark.parametrize(("flags", "seen"), [({}, False), ({"filter_gpu_resources": "false"}, True)])
def test_agents_with_gpus_are_kept_for_those_who_can_use_them(make_real_world, flags, seen):
    world = make_real_world(**flags)
    plain = world.framework()
    agent = world.agent(resources="cpus:4;mem:1024;gpus:1")
    world.advance(1)
    assert offered(plain) == ([agent.id] if seen else [])
    if not seen:
        capable = world.framework(capabilities=[{"type": "GPU_RESOURCES"}, {"type": "MULTI_ROLE"}])
        world.advance(1)
        assert offered(capable) == [agent.id]


@pytest.mark.parametrize(
    ("flag", "pattern", "error"),
    [
        (
            {"offer_constraints_re2_max_program_size": "10"},
            "a{20}",
            "Regex 'a{20}' is too complex: program size of 24 is larger than maximum of 10 allowed",
        ),
        ({"offer_constraints_re2_max_mem": "1KB"}, "(abc){20}", "Failed to construct regex from pattern '(abc){20}'"),
    ],
)
def test_patterns_of_constraints_are_bounded(make_world, make_framework, flag, pattern, error):
    constraint = {"selector": {"attribute_name": "rack"}, "predicate": {"text_matches": {"regex": pattern}}}
    group = {"attribute_constraints": [constraint]}
    constraints = {"role_constraints": {"web": {"groups": [group]}}}
    world = make_world(offer_constraints_re2_max_program_size="1000")
    assert make_framework(world).subscribe(offer_constraints=constraints).id, "with larger bounds it is fine"
    framework = make_framework(make_world(**flag)).subscribe(offer_constraints=constraints)
    (event,) = framework.events
    assert event["type"] == "ERROR"
    assert error in event["error"]["message"]


# What is remembered


def test_completed_tasks_are_forgotten_beyond_the_bound(make_world, task):
    world = make_world(max_completed_tasks_per_framework="2")
    framework, agent = world.framework(), world.agent()
    for task_id in ("1", "2", "3"):
        complete(world, framework, agent, task, task_id)
    assert [one["id"] for one in world.get("/state")["frameworks"][0]["completed_tasks"]] == ["2", "3"]


def test_unreachable_tasks_are_forgotten_beyond_the_bound(make_world, task):
    world = make_world(max_unreachable_tasks_per_framework="2", **PING)
    framework, agent = world.framework(), world.agent()
    for task_id in ("1", "2", "3"):
        launch(world, framework, agent, task, task_id)
    agent.answers_pings = False
    world.advance(4)
    assert len(framework.take_statuses()) == 3, "all are told"
    assert len(world.get("/state")["frameworks"][0]["unreachable_tasks"]) == 2


def gone(world, agent):
    world.operator("MARK_AGENT_GONE", {"agent_id": {"value": agent.id}})


def test_the_registry_forgets_gone_agents_of_long_ago(make_world):
    world = make_world(registry_gc_interval="1mins", registry_max_agent_age="10mins")
    agent = world.agent()
    gone(world, agent)
    world.advance(599)
    assert list(world.registry.gone) == [agent.id]
    world.advance(61)
    assert world.registry.gone == {}


def test_the_registry_keeps_so_many_gone_agents(make_world):
    world = make_world(registry_gc_interval="5mins", registry_max_agent_count="1")
    agents = [world.agent(port=5051 + number) for number in range(3)]
    for agent in agents:
        gone(world, agent)
        world.advance(1)
    assert len(world.registry.gone) == 3, "it is not time yet"
    world.advance(300)
    assert list(world.registry.gone) == [agents[-1].id]


# Who may come in


def test_agents_without_a_domain_are_ignored_where_one_is_required(make_world):
    domain = {"fault_domain": {"region": {"name": "r"}, "zone": {"name": "z"}}}
    world = make_world(require_agent_domain="true", domain=json.dumps(domain))
    world.agent(port=5051)
    assert not world.state.agents
    place = mesos.DomainInfo()
    place.fault_domain.region.name = "r"
    place.fault_domain.zone.name = "other"
    located = world.agent(port=5052, domain=place)
    assert list(world.state.agents) == [located.id]


def test_agents_have_at_least_ten_minutes_to_come_back_after_a_failover(make_world):
    world = make_world(agent_reregister_timeout="12mins")
    agent = world.agent()
    agent.die()
    world.master.terminate()
    world.start_master()
    world.advance(719)
    assert list(world.state.recovered_agents) == [agent.id]
    world.advance(2)
    assert list(world.registry.unreachable) == [agent.id]


def test_only_agents_on_hosts_of_the_whitelist_are_offered(make_real_world, make_agent, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("good\n\nbetter\n")
    world = make_real_world(whitelist=str(hosts))
    framework = world.framework()
    agents = {}
    for number, hostname in enumerate(("good", "bad")):
        agents[hostname] = make_agent(world, port=5051 + number)
        agents[hostname].info.hostname = hostname
        agents[hostname].register()
    world.advance(10)
    assert offered(framework) == [agents["good"].id]
    hosts.write_text("bad\n")
    world.advance(10)
    assert offered(framework) == [agents["bad"].id], "the file is read again every few seconds"


def test_the_name_of_the_cluster_is_shown(make_world):
    assert make_world(cluster="blue").get("/state")["cluster"] == "blue"
    assert "cluster" not in make_world().get("/state")
