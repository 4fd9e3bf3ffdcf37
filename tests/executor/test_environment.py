"""The environment of an executor: what is read, and how problems are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pymesoskit.executor import EnvironmentProblems, ExecutorEnvironment, parse_duration

RECORDED = Path(__file__).resolve().parents[1] / "conformance" / "recorded" / "executor-environment.json"

LEAST = {"MESOS_FRAMEWORK_ID": "f", "MESOS_EXECUTOR_ID": "e", "MESOS_AGENT_ENDPOINT": "10.0.0.1:5051"}


def test_the_environment_that_a_real_agent_gave_is_read():
    environment = ExecutorEnvironment.read(json.loads(RECORDED.read_text()))
    assert environment.executor_id == "ex"
    assert environment.framework_id.endswith("-0000")
    assert environment.agent_id is not None
    assert environment.agent.host == "127.0.0.1"
    assert environment.checkpoint
    assert environment.shutdown_grace_period == 5.0
    assert environment.recovery_timeout == 900.0
    assert environment.subscription_backoff_max == 2.0


def test_the_least_that_is_needed():
    environment = ExecutorEnvironment.read(LEAST)
    assert str(environment.agent) == "http://10.0.0.1:5051"
    assert not environment.checkpoint
    assert environment.shutdown_grace_period == 5.0
    assert environment.authentication_token is None


def test_checkpoint_0_is_false():
    assert not ExecutorEnvironment.read({**LEAST, "MESOS_CHECKPOINT": "0"}).checkpoint
    assert ExecutorEnvironment.read({**LEAST, "MESOS_CHECKPOINT": "1"}).checkpoint


def test_a_domain_socket_goes_before_the_endpoint():
    environment = ExecutorEnvironment.read({**LEAST, "MESOS_DOMAIN_SOCKET": "/run/agent.sock"})
    assert (environment.agent.scheme, environment.agent.host) == ("unix", "/run/agent.sock")


def test_over_a_domain_socket_the_agent_is_called_by_its_name():
    socket = {**LEAST, "MESOS_DOMAIN_SOCKET": "/run/agent.sock"}
    assert ExecutorEnvironment.read(LEAST).target == "/api/v1/executor"
    assert ExecutorEnvironment.read(socket).target == "/slave(1)/api/v1/executor"
    named = {**socket, "MESOS_SLAVE_PID": "slave(2)@10.0.0.1:5051"}
    assert ExecutorEnvironment.read(named).target == "/slave(2)/api/v1/executor"
    with pytest.raises(EnvironmentProblems, match="MESOS_SLAVE_PID: not a process"):
        ExecutorEnvironment.read({**LEAST, "MESOS_SLAVE_PID": "10.0.0.1:5051"})


def test_the_token_is_not_printed():
    environment = ExecutorEnvironment.read({**LEAST, "MESOS_EXECUTOR_AUTHENTICATION_TOKEN": "s3cret"})
    assert environment.authentication_token == "s3cret"
    assert "s3cret" not in repr(environment)


def test_all_problems_are_told_at_once():
    bad = {
        "MESOS_FRAMEWORK_ID": "",
        "MESOS_AGENT_ENDPOINT": "host:port",
        "MESOS_CHECKPOINT": "true",
        "MESOS_RECOVERY_TIMEOUT": "15 minutes",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "-5secs",
        "MESOS_SLAVE_ID": "a/b",
    }
    with pytest.raises(EnvironmentProblems) as caught:
        ExecutorEnvironment.read(bad)
    named = [problem.split()[0].rstrip(":") for problem in caught.value.problems]
    assert sorted(named) == sorted([*bad, "MESOS_EXECUTOR_ID"])
    assert "MESOS_FRAMEWORK_ID is empty" in caught.value.problems
    assert "MESOS_EXECUTOR_ID is not set" in caught.value.problems
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    assert "15mins" in str(caught.value)


def test_this_process_was_not_started_by_an_agent(monkeypatch):
    for name in LEAST:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(EnvironmentProblems, match="not started by a Mesos agent"):
        ExecutorEnvironment.read()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5secs", 5.0),
        ("500ms", 0.5),
        ("1.5mins", 90.0),
        ("2hrs", 7200.0),
        ("1weeks", 604800.0),
        ("3us", 3e-6),
        ("7ns", 7e-9),
    ],
)
def test_durations_in_the_syntax_of_mesos(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "secs", "5 secs", "5s", "1e3secs", "five secs"])
def test_what_is_no_duration(text):
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)
