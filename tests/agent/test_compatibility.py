"""Whether an agent with other flags may take up what the one before it left (agent-executor.md 5.5)."""

from __future__ import annotations

from typing import Any

import pytest

from pymesoskit.resources import Resources, parse_attributes
from pymesoskit.testing.engine.agent.compatibility import additive_error, equal_error
from pymesoskit.wire.v1 import mesos


def agent(
    resources: str = "cpus:4;ports:[1-10]", attributes: str = "rack:r1;weight:2;slots:[1-5]", **fields: Any
) -> Any:
    info = mesos.AgentInfo(hostname="h", port=5051)
    info.resources.extend(Resources.parse(resources).to_messages())
    info.attributes.extend(parse_attributes(attributes).to_messages() if attributes else [])
    for name, value in fields.items():
        setattr(info, name, value)
    return info


def with_region(name: str) -> mesos.AgentInfo:
    info: mesos.AgentInfo = agent()
    info.domain.fault_domain.region.name = name
    info.domain.fault_domain.zone.name = "z"
    return info


def test_equal_is_equal() -> None:
    assert equal_error(agent(), agent()) is None
    error = equal_error(agent(), agent("cpus:5"))
    assert error is not None
    assert error.startswith("Incompatible agent info detected.")
    assert "Old agent info:" in error


@pytest.mark.parametrize(
    "now",
    [
        agent(),
        agent("cpus:5;ports:[1-20];gpus:1"),
        agent("cpus(web):1;cpus:4;ports:[1-10]"),
        agent(attributes="rack:r1;weight:2;slots:[1-3,4-9];more:yes"),
        with_region("r"),
    ],
)
def test_more_is_allowed(now: mesos.AgentInfo) -> None:
    assert additive_error(agent(), now) is None


@pytest.mark.parametrize(
    ("now", "error"),
    [
        (agent(hostname="other"), "Hostname changed from h to other"),
        (agent(port=1), "Port changed from 5051 to 1"),
        (agent("cpus:3;ports:[1-10]"), "Resource 'cpus' decreased from cpus:4 to cpus:3"),
        (agent("cpus:4;ports:[1-5]"), "Resource 'ports' decreased from ports:[1-10] to ports:[1-5]"),
        (agent("cpus:4"), "Resource not found: ports:[1-10]"),
        (agent("cpus(web):4;ports:[1-10]"), "Resource 'cpus' decreased from cpus:4 to cpus"),
        (agent(attributes="weight:2;slots:[1-5]"), "Couldn't find attribute 'rack'"),
        (agent(attributes="rack:r2;weight:2;slots:[1-5]"), "Value of attribute 'rack' changed"),
        (agent(attributes="rack:r1;weight:3;slots:[1-5]"), "Value of attribute 'weight' changed"),
        (agent(attributes="rack:r1;weight:2;slots:[2-5]"), "Value of attribute 'slots' changed"),
        (agent(attributes="rack:7;weight:2;slots:[1-5]"), "Type of attribute 'rack' changed"),
    ],
)
def test_less_or_other_is_not(now: mesos.AgentInfo, error: str) -> None:
    found = additive_error(agent(), now)
    assert found is not None
    assert found.startswith(f"Configuration change not permitted under `additive` policy: {error}")


def test_a_domain_can_be_added_but_neither_changed_nor_taken_away() -> None:
    for now in (with_region("other"), agent()):
        error = additive_error(with_region("r"), now)
        assert error is not None
        assert "Domain changed" in error
