"""FrameworkInfo made in one line."""

from __future__ import annotations

import getpass

import pytest

from pymesoskit.scheduler import framework_info
from pymesoskit.wire.v1 import mesos

Capability = mesos.FrameworkInfo.Capability


def test_a_framework_has_several_roles_and_is_aware_of_partitions() -> None:
    info = framework_info("web", ["a", "b/c"])
    assert (info.name, info.user, list(info.roles)) == ("web", getpass.getuser(), ["a", "b/c"])
    kinds = [capability.type for capability in info.capabilities]
    assert kinds == [Capability.MULTI_ROLE, Capability.PARTITION_AWARE, Capability.RESERVATION_REFINEMENT]
    assert not info.HasField("id")


def test_more_capabilities_are_added_and_none_is_there_twice() -> None:
    info = framework_info("web", capabilities=[Capability.GPU_RESOURCES, Capability.MULTI_ROLE])
    kinds = [capability.type for capability in info.capabilities]
    assert kinds[-1] == Capability.GPU_RESOURCES
    assert len(kinds) == len(set(kinds)) == 4


@pytest.mark.parametrize(("seconds", "checkpoint"), [(0.0, False), (3600.0, True)])
def test_tasks_that_outlive_the_scheduler_outlive_the_agents_restart_too(seconds: float, checkpoint: bool) -> None:
    info = framework_info("web", failover_timeout=seconds)
    assert (info.failover_timeout, info.checkpoint) == (seconds, checkpoint)


def test_one_role_given_as_text_is_an_error_that_says_how_it_is_meant() -> None:
    with pytest.raises(TypeError, match=r"not a string: \['web'\]"):
        framework_info("web", "web")
