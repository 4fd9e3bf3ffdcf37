"""What ``docker run`` is asked for (agent-executor.md 10.1)."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.executors.docker import options
from pymesoskit.testing.engine.executors.docker.options import DockerOptionsError, Place, RunOptions, run_arguments
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Sequence

PLACE = Place(name="mesos-1", sandbox="/agent/run", mapped="/mnt/mesos/sandbox")
DockerInfo = mesos.ContainerInfo.DockerInfo
Source = mesos.Volume.Source


def docker(**fields: Any) -> mesos.ContainerInfo:
    container = mesos.ContainerInfo(type=mesos.ContainerInfo.DOCKER)
    container.docker.CopyFrom(DockerInfo(image="alpine", **fields))
    return container


def arguments(*args: Any, **fields: Any) -> tuple[str, ...]:
    return options_of(*args, **fields).arguments()


def options_of(
    container: mesos.ContainerInfo | None = None,
    command: mesos.CommandInfo | None = None,
    resources: str = "",
    place: Place = PLACE,
    **more: Any,
) -> RunOptions:
    held = Resources.parse(resources).allocated("web").to_messages() if resources else []
    return run_arguments(
        docker() if container is None else container,
        mesos.CommandInfo(value="true") if command is None else command,
        place,
        held,
        **more,
    )


def values(found: Sequence[str], option: str) -> list[str]:
    return [value for name, value in itertools.pairwise(found) if name == option]


def refusal(*args: Any, **fields: Any) -> str:
    with pytest.raises(DockerOptionsError) as caught:
        arguments(*args, **fields)
    return str(caught.value)


def test_all_in_mesos_order() -> None:
    container = docker(privileged=True, network=DockerInfo.BRIDGE)
    container.hostname = "h"
    container.docker.port_mappings.add(host_port=31000, container_port=80, protocol="TCP")
    container.docker.parameters.add(key="label", value="a=b")
    found = arguments(container, mesos.CommandInfo(value="echo $A"), "cpus:0.5;mem:64;ports:[31000-31001]")
    assert found == (
        "--privileged",
        *("--cpu-shares", "512"),
        *("--memory", str(64 << 20)),
        *("-e", "MESOS_ALLOCATION_ROLE"),
        *("-e", "MESOS_CONTAINER_NAME"),
        *("-e", "MESOS_SANDBOX"),
        *("-v", "/agent/run:/mnt/mesos/sandbox"),
        *("--net", "bridge"),
        *("--hostname", "h"),
        *("-p", "31000:80/tcp"),
        *("--entrypoint", "/bin/sh"),
        *("--name", "mesos-1"),
        "--label=a=b",
        "alpine",
        *("-c", "echo $A"),
    )


def test_without_docker_info_there_is_nothing_to_run() -> None:
    container = mesos.ContainerInfo(type=mesos.ContainerInfo.DOCKER)
    assert refusal(container) == "No docker info found in container info"


# Commands


def test_without_shell_the_value_comes_before_the_arguments_and_the_entrypoint_is_the_images() -> None:
    found = arguments(command=mesos.CommandInfo(shell=False, value="ls", arguments=["-l", "/"]))
    assert found[-4:] == ("alpine", "ls", "-l", "/")
    assert "--entrypoint" not in found


def test_without_a_value_the_image_says_what_runs() -> None:
    assert arguments(command=mesos.CommandInfo(shell=False))[-1] == "alpine"


def test_a_shell_needs_a_command() -> None:
    assert refusal(None, mesos.CommandInfo(shell=True)) == "Shell specified but no command value provided"


def test_variables_are_sorted_and_mesos_own_win() -> None:
    command = mesos.CommandInfo(value="true")
    for name in ("Z", "A", "MESOS_SANDBOX", "GIVEN"):
        command.environment.variables.add(name=name, value="own")
    found = options_of(command=command, environment={"GIVEN": "more"})
    expected = {
        "A": "own",
        "GIVEN": "more",
        "MESOS_CONTAINER_NAME": "mesos-1",
        "MESOS_SANDBOX": "/mnt/mesos/sandbox",
        "Z": "own",
    }
    assert list(found.variables.items()) == list(expected.items())
    assert values(found.arguments(), "-e") == list(expected)


def with_variable(name: str, value: str) -> mesos.CommandInfo:
    command = mesos.CommandInfo(value="true")
    command.environment.variables.add(name=name, value=value)
    return command


@pytest.mark.parametrize("name", ["PATH", "HOME", "DOCKER_HOST", "DOCKER_TLS_VERIFY", "https_proxy", "LD_PRELOAD"])
def test_variables_that_mean_something_to_docker_itself_are_in_a_file(name: str) -> None:
    found = options_of(command=with_variable(name, "of the task"))
    assert name not in found.variables
    assert found.file_text() == f"{name}=of the task\n"
    assert values(found.arguments("/file"), "--env-file") == ["/file"]
    assert "of the task" not in " ".join(found.arguments("/file"))


@pytest.mark.parametrize("value", ["two\nlines", "", "a=b", "grün"])
def test_other_variables_may_have_any_value(value: str) -> None:
    assert options_of(command=with_variable("OWN", value)).variables["OWN"] == value


def test_what_cannot_be_passed_on_is_refused() -> None:
    assert refusal(command=with_variable("PATH", "two\nlines")) == (
        "The environment variable 'PATH' of a Docker task has several lines"
    )
    assert refusal(command=with_variable("A=B", "c")) == "Invalid environment variable 'A=B'"


def test_variables_among_the_parameters_are_not_shown_either() -> None:
    container = docker()
    container.docker.parameters.add(key="env", value="SECRET=hush")
    found = options_of(container)
    assert found.variables["SECRET"] == "hush"
    assert "hush" not in " ".join(found.arguments())


# Resources


@pytest.mark.parametrize(
    ("held", "limits", "cfs", "expected"),
    [
        ("", {}, True, {}),
        ("cpus:2;mem:128.9", {}, False, {"--cpu-shares": 2048, "--memory": 128 << 20}),
        ("cpus:0.001;mem:1", {}, False, {"--cpu-shares": 2, "--memory": 32 << 20}),
        ("cpus:1.5", {}, True, {"--cpu-shares": 1536, "--cpu-quota": 150_000}),
        ("cpus:1", {"cpus": 2.5}, False, {"--cpu-shares": 1024, "--cpu-quota": 250_000}),
        ("cpus:1", {"cpus": 0.001}, True, {"--cpu-shares": 1024, "--cpu-quota": 1_000}),
        ("cpus:1", {"cpus": math.inf}, True, {"--cpu-shares": 1024}),
        ("mem:64", {"mem": 64}, False, {"--memory": 64 << 20, "--memory-reservation": 64 << 20}),
        (
            "mem:64",
            {"mem": 128},
            False,
            {"--memory": 128 << 20, "--memory-reservation": 64 << 20, "--oom-score-adj": 7},
        ),
        ("mem:64", {"mem": math.inf}, False, {"--memory-reservation": 64 << 20, "--oom-score-adj": 7}),
    ],
)
def test_resources_and_limits_become_shares_quota_and_memory(
    held: str, limits: dict[str, float], cfs: bool, expected: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(options, "oom_score", lambda _: 7)
    place = Place(PLACE.name, PLACE.sandbox, PLACE.mapped, cfs=cfs)
    scalars = {name: mesos.Value.Scalar(value=value) for name, value in limits.items()}
    found = arguments(resources=held, place=place, limits=scalars)
    numbers = ("--cpu-shares", "--cpu-quota", "--memory", "--memory-reservation", "--oom-score-adj")
    assert {name: int(values(found, name)[0]) for name in numbers if name in found} == expected


def test_who_holds_little_memory_is_ended_first_but_never_as_the_very_last_or_first() -> None:
    assert options.oom_score(0) == 999
    assert options.oom_score(1 << 60) == 2


# Volumes


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"host_path": "/data", "container_path": "/in", "mode": "RO"}, "/data:/in:ro"),
        ({"host_path": "/data", "container_path": "in", "mode": "RW"}, "/data:/mnt/mesos/sandbox/in:rw"),
        ({"host_path": "data", "container_path": "/in", "mode": "RW"}, "/agent/run/data:/in:rw"),
    ],
)
def test_host_paths_are_mounted(fields: dict[str, str], expected: str) -> None:
    container = docker()
    container.volumes.add(**fields)
    assert values(arguments(container), "-v") == [expected, "/agent/run:/mnt/mesos/sandbox"]


def test_docker_volumes_are_mounted_by_their_driver_and_other_sources_are_not() -> None:
    container = docker()
    volume = container.volumes.add(container_path="/in", mode=mesos.Volume.RW)
    volume.source.type = Source.DOCKER_VOLUME
    volume.source.docker_volume.name = "v"
    volume.source.docker_volume.driver = "rexray"
    other = container.volumes.add(container_path="/other", mode=mesos.Volume.RW)
    other.source.type = Source.HOST_PATH
    other.source.host_path.path = "/somewhere"
    found = arguments(container)
    assert values(found, "-v")[0] == "v:/in:rw"
    assert len(values(found, "-v")) == 2
    assert "--volume-driver=rexray" in found


def test_with_a_driver_a_relative_host_path_is_a_volumes_name() -> None:
    container = docker(volume_driver="local")
    container.volumes.add(host_path="name", container_path="/in", mode=mesos.Volume.RW)
    assert values(arguments(container), "-v")[0] == "name:/in:rw"


def test_volumes_that_cannot_be() -> None:
    container = docker()
    container.volumes.add(host_path="a", container_path="b", mode=mesos.Volume.RW)
    assert refusal(container) == "Both host_path 'a' and container_path 'b' of a volume are relative"
    container = docker()
    container.volumes.add(container_path="/b", mode=mesos.Volume.RW)
    assert refusal(container) == "Host path or volume source is required"


def test_there_is_one_volume_driver() -> None:
    container = docker()
    for driver in ("one", "two"):
        volume = container.volumes.add(container_path="/in", mode=mesos.Volume.RW)
        volume.source.type = Source.DOCKER_VOLUME
        volume.source.docker_volume.name = driver
        volume.source.docker_volume.driver = driver
    assert refusal(container) == "Only one volume driver is supported"
    del container.volumes[1]
    container.docker.volume_driver = "other"
    assert refusal(container) == "Only one volume driver per task is supported"
    container.docker.volume_driver = "one"
    assert "--volume-driver=one" in arguments(container)


# Networks


@pytest.mark.parametrize(
    ("mode", "expected"), [(None, "host"), ("HOST", "host"), ("BRIDGE", "bridge"), ("NONE", "none"), ("USER", "mine")]
)
def test_networks(mode: str | None, expected: str) -> None:
    container = docker(**({} if mode is None else {"network": mode}))
    container.network_infos.add(name="mine")
    assert values(arguments(container), "--net") == [expected]


def test_a_network_of_the_users_has_one_name() -> None:
    container = docker(network=DockerInfo.USER)
    assert refusal(container) == "No network info found in container info"
    container.network_infos.add()
    assert refusal(container) == "No network name found in network info"
    container.network_infos.add(name="b")
    assert refusal(container) == "Only a single network can be defined in Docker run"


@pytest.mark.parametrize("mode", ["HOST", "NONE"])
def test_ports_are_not_mapped_without_a_network(mode: str) -> None:
    container = docker(network=mode)
    container.docker.port_mappings.add(host_port=31000, container_port=80)
    expected = "Port mappings are only supported for bridge and user-defined networks"
    assert refusal(container, None, "ports:[31000-31001]") == expected


def test_mapped_ports_are_those_that_the_task_holds() -> None:
    container = docker(network=DockerInfo.BRIDGE)
    container.docker.port_mappings.add(host_port=31002, container_port=80)
    assert refusal(container) == "Port mappings require port resources"
    assert refusal(container, None, "ports:[31000-31001]") == "Port [31002] not included in resources"
    assert values(arguments(container, None, "ports:[31000-31001,31002-31003]"), "-p") == ["31002:80"]


def test_a_container_on_the_hosts_network_has_the_hosts_name() -> None:
    container = docker()
    container.hostname = "h"
    assert refusal(container) == "Unable to set hostname with host network mode"
