"""Fragments of the older endpoints' JSON: what is there always, and what only if it is set."""

from __future__ import annotations

import pytest

from pymesoskit.resources import Resource, Resources, ValueType
from pymesoskit.testing.engine.formats import legacy_json as model
from pymesoskit.wire.v1 import mesos

TASK = {
    "name": "t",
    "task_id": {"value": "t"},
    "framework_id": {"value": "f"},
    "agent_id": {"value": "a"},
    "state": "TASK_RUNNING",
}
AMOUNTS = Resources.parse("cpus:0.1;mem:32").allocated("web")
BARE = ["id", "name", "framework_id", "executor_id", "slave_id", "state", "resources", "role", "statuses"]


class TestResources:
    def test_the_usual_scalars_are_always_there(self):
        assert model.resources(Resources()) == {"disk": 0.0, "mem": 0.0, "gpus": 0.0, "cpus": 0.0}

    def test_reservations_are_summed_up_and_ranges_merged(self):
        resources = Resources.parse("cpus:1;cpus(a):2;ports:[1-2];ports(a):[3-4,8-9];x:{a,b};x(a):{c};weird:1.5")
        shown = model.resources(resources)
        assert (shown["cpus"], shown["ports"], shown["x"], shown["weird"]) == (3.0, "[1-4, 8-9]", "{a, b, c}", 1.5)

    def test_what_was_put_in_last_stands_first_scalars_before_ranges_before_sets(self):
        shown = model.resources(Resources.parse("cpus:1;y:{a};ports:[1-2];bananas:3;x:{b};mem:4"))
        assert list(shown) == ["bananas", "disk", "mem", "gpus", "cpus", "ports", "x", "y"]

    def test_revocable_ones_stand_apart(self):
        revocable = Resource("cpus", ValueType.SCALAR, 2.0, revocable=True)
        shown = model.resources(Resources.parse("cpus:1") + revocable)
        assert (shown["cpus"], shown["cpus_revocable"]) == (1.0, 2.0)


class TestTask:
    def test_a_bare_task(self, message):
        shown = model.task(message(mesos.Task, **TASK), AMOUNTS)
        assert list(shown) == BARE
        assert (shown["executor_id"], shown["role"], shown["statuses"]) == ("", "web", [])

    def test_a_task_with_everything(self, message):
        labels = {"labels": [{"key": "k", "value": "v"}, {"key": "only"}]}
        extras = {
            "limits": {"cpus": {"value": 2}, "mem": {"value": "Infinity"}},
            "user": "u",
            "labels": labels,
            "discovery": {"visibility": "CLUSTER", "name": "d"},
            "container": {"type": "MESOS"},
            "health_check": {"type": "TCP", "tcp": {"port": 1}},
        }
        shown = model.task(message(mesos.Task, **TASK, **extras), AMOUNTS)
        at = BARE.index("resources") + 1
        expected = [*BARE[:at], "limits", *BARE[at:], "user", "labels", "discovery", "container", "health_check"]
        assert list(shown) == expected
        assert shown["labels"] == [{"key": "k", "value": "v"}, {"key": "only"}]
        assert shown["limits"] == {"cpus": 2.0, "mem": float("inf")}
        assert shown["discovery"] == {"visibility": "CLUSTER", "name": "d"}

    def test_statuses_tell_of_health_labels_and_containers(self, message):
        container = {
            "container_id": {"value": "c", "parent": {"value": "p"}},
            "network_infos": [
                {
                    "ip_addresses": [{"ip_address": "::1", "protocol": "IPv6"}],
                    "groups": ["g"],
                    "name": "n",
                    "labels": {"labels": [{"key": "k"}]},
                    "port_mappings": [{"host_port": 1, "container_port": 2}],
                }
            ],
            "cgroup_info": {"net_cls": {"classid": 7}},
            "executor_pid": 1,
        }
        ids = {"task_id": {"value": "t"}, "state": "TASK_RUNNING", "timestamp": 1.5, "message": "m", "uuid": "MQ=="}
        status = {**ids, "healthy": False, "labels": {"labels": [{"key": "k"}]}, "container_status": container}
        task = message(mesos.Task, **TASK, statuses=[{**ids, "container_status": container}, status])
        first, second = model.task(task, AMOUNTS)["statuses"]
        assert list(first) == ["state", "timestamp", "container_status"]
        assert list(second) == ["state", "timestamp", "labels", "container_status", "healthy"]
        assert first["container_status"] == second["container_status"]
        assert list(first["container_status"]) == ["container_id", "network_infos", "cgroup_info"]
        (network,) = first["container_status"]["network_infos"]
        assert list(network) == ["groups", "labels", "ip_addresses", "name", "port_mappings"]


class TestExecutor:
    def test_one_without_resources_has_no_role(self, message):
        info = message(mesos.ExecutorInfo, executor_id={"value": "e"}, type="DEFAULT", framework_id={"value": "f"})
        shown = model.executor(info, Resources())
        assert shown["command"] == {"argv": [], "uris": []}
        assert (shown["name"], shown["type"]) == ("", "DEFAULT")
        assert "role" not in shown

    def test_its_command(self, message):
        command = {"shell": False, "value": "x", "arguments": ["a"], "uris": [{"value": "u"}], "user": "root"}
        variable = {"name": "A", "value": "1"}
        info = message(
            mesos.ExecutorInfo,
            executor_id={"value": "e"},
            command={**command, "environment": {"variables": [variable]}},
        )
        shown = model.executor(info, AMOUNTS)
        assert list(shown["command"]) == ["shell", "value", "argv", "environment", "uris"]
        assert shown["command"]["uris"] == [{"value": "u", "executable": False}]
        assert shown["command"]["environment"] == {"variables": [{"name": "A", "type": "VALUE", "value": "1"}]}
        assert shown["role"] == "web"


class TestOthers:
    @pytest.mark.parametrize("domain", [{}, {"fault_domain": {"region": {"name": "r"}, "zone": {"name": "z"}}}])
    def test_domains(self, message, domain):
        assert model.domain(message(mesos.DomainInfo, **domain)) == domain

    def test_an_agent_from_the_registry(self, message):
        attributes = [
            {"name": "n", "type": "SCALAR", "scalar": {"value": 2.5}},
            {"name": "r", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 3}, {"begin": 5, "end": 5}]}},
            {"name": "t", "type": "TEXT", "text": {"value": "x"}},
        ]
        info = message(mesos.AgentInfo, hostname="h", port=1, id={"value": "a"}, attributes=attributes)
        shown = {"id": "a", "hostname": "h", "port": 1, "attributes": {"n": 2.5, "r": "[1-3, 5-5]", "t": "x"}}
        assert model.agent_info(info) == shown
