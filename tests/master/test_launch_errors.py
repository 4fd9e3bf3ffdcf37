"""What is wrong with a task of a LAUNCH, in Mesos's words and in its order (docs/reference/scheduler-api.md 4.4)."""

import pytest

from pymesoskit.testing.engine.network.messages import RunTask

NEGATIVE = {"nanoseconds": -1}
SECRET = {"type": "VALUE", "value": {"data": "eA=="}}
REFERENCE = {"type": "REFERENCE", "reference": {"name": "s"}}
DYNAMIC = [{"type": "DYNAMIC", "role": "web"}]
RW = {"container_path": "v", "mode": "RW"}


@pytest.fixture
def framework(world):
    return world.framework()


@pytest.fixture
def agent(world):
    return world.agent()


@pytest.fixture
def said(world, framework, agent, task):
    """The status that the framework gets for a task with these fields."""

    def launch(offered="cpus:4;mem:4096;disk:1000;ports:[31000-32000];gpus:2", **changes):
        offer = world.offer(framework, agent, offered)
        framework.launch(offer, {**task("t", offer), **changes})
        statuses = framework.take_statuses()
        if not statuses:
            assert agent.take(RunTask)
            return None
        (status,) = statuses
        assert (status["state"], status["source"]) == ("TASK_ERROR", "SOURCE_MASTER")
        assert status["reason"] == "REASON_TASK_INVALID"
        assert "uuid" not in status
        assert not agent.take(RunTask)
        return status["message"]

    return launch


@pytest.mark.parametrize(
    ("task_id", "error"),
    [
        ("", "ID must not be empty"),
        ("x" * 256, "ID must not be greater than 255 characters"),
        ("ü" * 128, "ID must not be greater than 255 characters"),
        (".", "'.' is disallowed"),
        ("..", "'..' is disallowed"),
        ("a/b", "'a/b' contains invalid characters"),
        ("a\\b", "'a\\b' contains invalid characters"),
        ("a\tb", "'a\tb' contains invalid characters"),
        ("a\x7f", "'a\x7f' contains invalid characters"),
        ("x" * 255, None),
        ("...", None),
        ("a b ü", None),
    ],
)
def test_ids_become_parts_of_paths(said, task_id, error):
    assert said(task_id={"value": task_id}) == error


def test_a_task_belongs_to_the_agent_of_the_offer(said, agent):
    assert said(agent_id={"value": "x"}) == f"Task uses invalid agent x while agent {agent.id} is expected"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"kill_policy": {"grace_period": NEGATIVE}}, "Task's 'kill_policy.grace_period' must be non-negative"),
        ({"kill_policy": {"grace_period": {"nanoseconds": 0}}}, None),
        ({"max_completion_time": NEGATIVE}, "Task's `max_completion_time` must be non-negative"),
        ({"max_completion_time": {"nanoseconds": 0}}, None),
    ],
)
def test_durations_are_not_negative(said, changes, error):
    assert said(**changes) == error


COMMAND_WITHOUT_VALUE = {"environment": {"variables": [{"name": "X"}]}, "value": "x"}


@pytest.mark.parametrize(
    ("check", "error"),
    [
        ({}, "CheckInfo must specify 'type'"),
        ({"type": "NEVER_HEARD_OF"}, "CheckInfo must specify 'type'"),
        ({"type": "UNKNOWN"}, "'UNKNOWN' is not a valid check type"),
        ({"type": "COMMAND"}, "Expecting 'command' to be set for COMMAND check"),
        ({"type": "HTTP"}, "Expecting 'http' to be set for HTTP check"),
        ({"type": "TCP"}, "Expecting 'tcp' to be set for TCP check"),
        ({"type": "COMMAND", "command": {"command": {}}}, "Command check must contain 'shell command'"),
        (
            {"type": "COMMAND", "command": {"command": {"shell": False}}},
            "Command check must contain 'executable path'",
        ),
        (
            {"type": "COMMAND", "command": {"command": COMMAND_WITHOUT_VALUE}},
            "Check's `CommandInfo` is invalid: Environment variable 'X' of type 'VALUE' must have a value set",
        ),
        ({"type": "HTTP", "http": {"port": 1, "path": "x"}}, "The path 'x' of HTTP check must start with '/'"),
        ({"type": "HTTP", "http": {"port": 1}}, None),
        ({"type": "TCP", "tcp": {"port": 1}}, None),
        ({"type": "TCP", "tcp": {"port": 1}, "delay_seconds": -1}, "Expecting 'delay_seconds' to be non-negative"),
        (
            {"type": "TCP", "tcp": {"port": 1}, "interval_seconds": -1},
            "Expecting 'interval_seconds' to be non-negative",
        ),
        ({"type": "TCP", "tcp": {"port": 1}, "timeout_seconds": -1}, "Expecting 'timeout_seconds' to be non-negative"),
    ],
)
def test_checks(said, check, error):
    assert said(check=check) == (error and f"Task uses invalid check: {error}")


@pytest.mark.parametrize(
    ("check", "error"),
    [
        ({}, "HealthCheck must specify 'type'"),
        ({"type": "UNKNOWN"}, "'UNKNOWN' is not a valid health check type"),
        ({"type": "COMMAND"}, "Expecting 'command' to be set for COMMAND health check"),
        ({"type": "HTTP"}, "Expecting 'http' to be set for HTTP health check"),
        ({"type": "TCP"}, "Expecting 'tcp' to be set for TCP health check"),
        ({"type": "COMMAND", "command": {}}, "Command health check must contain 'shell command'"),
        ({"type": "COMMAND", "command": {"shell": False}}, "Command health check must contain 'executable path'"),
        (
            {"type": "COMMAND", "command": COMMAND_WITHOUT_VALUE},
            "Health check's `CommandInfo` is invalid: Environment variable 'X' of type 'VALUE' must have a value set",
        ),
        (
            {"type": "HTTP", "http": {"port": 1, "scheme": "ftp", "path": "x"}},
            "Unsupported HTTP health check scheme: 'ftp'",
        ),
        ({"type": "HTTP", "http": {"port": 1, "path": "x"}}, "The path 'x' of HTTP health check must start with '/'"),
        ({"type": "HTTP", "http": {"port": 1, "scheme": "https", "path": "/"}}, None),
        (
            {"type": "TCP", "tcp": {"port": 1}, "delay_seconds": -1, "timeout_seconds": -1},
            "Expecting 'delay_seconds' to be non-negative",
        ),
        (
            {"type": "TCP", "tcp": {"port": 1}, "grace_period_seconds": -1},
            "Expecting 'grace_period_seconds' to be non-negative",
        ),
        (
            {"type": "TCP", "tcp": {"port": 1}, "interval_seconds": -1},
            "Expecting 'interval_seconds' to be non-negative",
        ),
        ({"type": "TCP", "tcp": {"port": 1}, "timeout_seconds": -1}, "Expecting 'timeout_seconds' to be non-negative"),
        # The type is that of the only thing that is set, but not if it is a port.
        ({"command": {"value": "true"}}, None),
        ({"http": {"port": 1, "path": "/x"}}, None),
        ({"http": {"port": 1}, "command": {"value": "true"}}, "HealthCheck must specify 'type'"),
        ({"tcp": {"port": 1}}, "HealthCheck must specify 'type'"),
    ],
)
def test_health_checks(said, check, error):
    assert said(health_check=check) == (error and f"Task uses invalid health check: {error}")


def disk(persistence_id="p", volume=None, **fields):
    volume = {"persistence": {"id": persistence_id}, "volume": RW if volume is None else volume}
    return {"name": "disk", "type": "SCALAR", "scalar": {"value": 1}, "disk": volume, **fields}


CPUS = {"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}}


@pytest.mark.parametrize(
    ("resources", "error"),
    [
        ([], "Task uses no resources"),
        # These are found before anything else is looked at.
        (
            [{**CPUS, "scalar": {"value": -1}}],
            "Resource 'cpus:-1' is invalid: Invalid scalar resource: value <= 0",
        ),
        (
            [{**CPUS, "reservations": [{"type": "DYNAMIC", "role": "*"}]}],
            "Resource 'cpus(reservations: [(DYNAMIC,*)]):1' is invalid: Invalid reservation: role \"*\" cannot be reserved",
        ),
        # And these in their turn.
        (
            [{"name": "gpus", "type": "SCALAR", "scalar": {"value": 0.5}}],
            "Task uses invalid resources: Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer",
        ),
        (
            [disk()],
            (
                "Task uses invalid resources: Invalid DiskInfo: Persistent volumes cannot be created from unreserved "
                "resources"
            ),
        ),
        (
            [disk(revocable={}, reservations=DYNAMIC)],
            (
                "Task uses invalid resources: Invalid DiskInfo: Persistent volumes cannot be created from revocable "
                "resources"
            ),
        ),
        (
            [disk(reservations=DYNAMIC, volume={**RW, "host_path": "/x"})],
            "Task uses invalid resources: Invalid DiskInfo: Expecting 'host_path' to be unset for persistent volume",
        ),
        (
            [disk("a/b", reservations=DYNAMIC)],
            (
                "Task uses invalid resources: Invalid DiskInfo: Invalid persistence ID for persistent volume: 'a/b' "
                "contains invalid characters"
            ),
        ),
        (
            [{"name": "disk", "type": "SCALAR", "scalar": {"value": 1}, "disk": {}}],
            "Task uses invalid resources: Invalid DiskInfo: DiskInfo is set but empty",
        ),
        (
            [{"name": "disk", "type": "SCALAR", "scalar": {"value": 1}, "disk": {"volume": RW}}],
            "Task uses invalid resources: Invalid DiskInfo: Non-persistent volume not supported",
        ),
        (
            [{**CPUS, "revocable": {}, "reservations": DYNAMIC}],
            (
                "Task uses invalid resources: Invalid ReservationInfo: Dynamically reserved resource cpus(allocated: web)"
                "(reservations: [(DYNAMIC,web)]){REV}:1 cannot be created from revocable resources"
            ),
        ),
        (
            [disk(reservations=DYNAMIC), {**disk(reservations=DYNAMIC), "scalar": {"value": 2}}],
            "Task uses duplicate persistence ID: Persistence ID 'p' is not unique",
        ),
        (
            [CPUS, {**CPUS, "name": "mem", "allocation_info": {"role": "other"}}],
            (
                "Invalid task resources: The resources have multiple allocation roles ('other' and 'web') but only one "
                "allocation role is allowed"
            ),
        ),
        (
            [CPUS, {**CPUS, "revocable": {}}],
            (
                "Task mixes revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus' at "
                "the same time"
            ),
        ),
        (
            [{**CPUS, "scalar": {"value": 5}}],
            (
                "Total resources cpus(allocated: web):5 required by task and its executor is more than available "
                "cpus(allocated: web):4; mem(allocated: web):4096; disk(allocated: web):1000; "
                "ports(allocated: web):[31000-32000]; gpus(allocated: web):2"
            ),
        ),
        ([{**CPUS, "scalar": {"value": 0}}], None),
    ],
)
def test_resources(said, resources, error):
    assert said(resources=resources) == error


def test_what_is_reserved_statically_may_be_revocable(said):
    static = [{"type": "STATIC", "role": "web"}]
    assert said(resources=[{**CPUS, "revocable": {}, "reservations": static}]).startswith("Total resources ")


@pytest.mark.parametrize(
    ("variable", "error"),
    [
        ({"type": "SECRET"}, "Environment variable 'X' of type 'SECRET' must have a secret set"),
        (
            {"type": "SECRET", "secret": SECRET, "value": "v"},
            "Environment variable 'X' of type 'SECRET' must not have a value set",
        ),
        (
            {"type": "SECRET", "secret": {"type": "VALUE"}},
            "Environment variable 'X' specifies an invalid secret: Secret of type VALUE must have the 'value' field set",
        ),
        (
            {"type": "SECRET", "secret": {"type": "REFERENCE"}},
            (
                "Environment variable 'X' specifies an invalid secret: "
                "Secret of type REFERENCE must have the 'reference' field set"
            ),
        ),
        (
            {"type": "SECRET", "secret": {**REFERENCE, "value": {"data": "eA=="}}},
            (
                "Environment variable 'X' specifies an invalid secret: "
                "Secret 's' of type REFERENCE must not have the 'value' field set"
            ),
        ),
        (
            {"type": "SECRET", "secret": {**SECRET, "reference": {"name": "s"}}},
            (
                "Environment variable 'X' specifies an invalid secret: "
                "Secret of type VALUE must not have the 'reference' field set"
            ),
        ),
        (
            {"type": "SECRET", "secret": {"type": "VALUE", "value": {"data": "AA=="}}},
            "Environment variable 'X' specifies a secret containing null bytes, which is not allowed in the environment",
        ),
        ({"type": "VALUE"}, "Environment variable 'X' of type 'VALUE' must have a value set"),
        (
            {"type": "VALUE", "value": "v", "secret": SECRET},
            "Environment variable 'X' of type 'VALUE' must not have a secret set",
        ),
        ({"type": "UNKNOWN", "value": "v"}, "Environment variable of type 'UNKNOWN' is not allowed"),
        ({"type": "SECRET", "secret": REFERENCE}, None),
        ({"value": "v"}, None),
    ],
)
def test_environments(said, variable, error):
    command = {"value": "true", "environment": {"variables": [{"name": "X", **variable}]}}
    assert said(command=command) == (error and f"Task's `CommandInfo` is invalid: {error}")


def volume(**fields):
    return {"type": "MESOS", "volumes": [{"container_path": "v", "mode": "RW", **fields}]}


ONE_OF = "Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'"


@pytest.mark.parametrize(
    ("container", "error"),
    [
        (volume(), ONE_OF),
        (volume(host_path="/x", source={"type": "HOST_PATH"}), ONE_OF),
        (volume(source={}), "Invalid volume: 'source.type' is unknown"),
        (volume(source={"type": "UNKNOWN"}), "Invalid volume: 'source.type' is unknown"),
        (
            volume(source={"type": "DOCKER_VOLUME"}),
            "Invalid volume: 'source.docker_volume' is not set for DOCKER_VOLUME volume",
        ),
        (volume(source={"type": "HOST_PATH"}), "Invalid volume: 'source.host_path' is not set for HOST_PATH volume"),
        (
            volume(source={"type": "SANDBOX_PATH"}),
            "Invalid volume: 'source.sandbox_path' is not set for SANDBOX_PATH volume",
        ),
        (volume(source={"type": "SECRET"}), "Invalid volume: 'source.secret' is not set for SECRET volume"),
        (volume(source={"type": "CSI_VOLUME"}), "Invalid volume: 'source.csi_volume' is not set for CSI volume"),
        (
            volume(source={"type": "CSI_VOLUME", "csi_volume": {"plugin_name": "p"}}),
            "Invalid volume: 'source.csi_volume.static_provisioning' is not set for CSI volume",
        ),
        ({"type": "DOCKER"}, "DockerInfo 'docker' is not set for DOCKER typed ContainerInfo"),
        (
            {"type": "DOCKER", "docker": {"image": "x", "parameters": [{"key": "name", "value": "x"}]}},
            "Parameter in DockerInfo must not be 'name'",
        ),
        ({"type": "MESOS", "docker": {"image": "x", "parameters": [{"key": "name", "value": "x"}]}}, None),
        (volume(host_path="/x"), None),
    ],
)
def test_containers(said, container, error):
    assert said(container=container) == (error and f"Task's `ContainerInfo` is invalid: {error}")


CPU_LIMIT = "The cpu limit must be greater than or equal to the cpu request"
MEM_LIMIT = "The memory limit must be greater than or equal to the memory request"


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        ({"disk": 1}, "Only cpus and mem may be included in a task's resource limits"),
        ({"cpus": 0.05, "gpus": 1}, "Only cpus and mem may be included in a task's resource limits"),
        ({"cpus": 0.05, "mem": 1}, CPU_LIMIT),
        ({"cpus": "-Infinity"}, CPU_LIMIT),
        ({"cpus": 0.1}, None),
        ({"cpus": "Infinity", "mem": "Infinity"}, None),
        ({"mem": 31}, MEM_LIMIT),
        ({"mem": 32}, None),
        ({"mem": 31.9}, MEM_LIMIT),
    ],
)
def test_limits(said, limits, error):
    assert said(limits={name: {"value": value} for name, value in limits.items()}) == error


def test_a_limit_of_memory_is_cut_to_whole_megabytes(said):
    resources = [CPUS, {**CPUS, "name": "mem", "scalar": {"value": 32.5}}]
    assert said(resources=resources, limits={"mem": {"value": 32.9}}) == MEM_LIMIT


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("cpus", "When a CPU limit is specified, a CPU request must also be specified"),
        ("mem", "When a memory limit is specified, a memory request must also be specified"),
    ],
)
def test_a_limit_needs_a_request(said, name, error):
    resources = [{**CPUS, "name": "disk"}]
    assert said(resources=resources, limits={name: {"value": 1}}) == error


def test_limits_need_an_agent_that_knows_them(world, framework, task):
    agent = world.agent(capabilities=["MULTI_ROLE", "RESERVATION_REFINEMENT"])
    offer = world.offer(framework, agent)
    framework.launch(offer, task("t", offer, limits={"cpus": {"value": 1}}))
    (status,) = framework.take_statuses()
    assert status["message"] == "Agent is not capable of handling task resource limits"


def test_a_task_has_a_command_or_an_executor(said, world, framework, agent, task):
    error = "Task should have at least one (but not both) of CommandInfo or ExecutorInfo present"
    executor = {"executor_id": {"value": "e"}, "command": {"value": "x"}}
    assert said(executor=executor) == error
    offer = world.offer(framework, agent)
    bare = task("t", offer)
    del bare["command"]
    framework.launch(offer, bare)
    (status,) = framework.take_statuses()
    assert status["message"] == error


#: In the order in which they are looked at.
WRONG = [
    ("task_id", {"value": ""}, "ID must not be empty"),
    ("agent_id", {"value": "x"}, "Task uses invalid agent "),
    ("kill_policy", {"grace_period": NEGATIVE}, "Task's 'kill_policy.grace_period'"),
    ("max_completion_time", NEGATIVE, "Task's `max_completion_time`"),
    ("check", {}, "Task uses invalid check: "),
    ("health_check", {}, "Task uses invalid health check: "),
    ("resources", [], "Task uses no resources"),
    ("command", {"environment": {"variables": [{"name": "X"}]}}, "Task's `CommandInfo` is invalid: "),
    ("container", {"type": "DOCKER"}, "Task's `ContainerInfo` is invalid: "),
    ("limits", {"disk": {"value": 1}}, "Only cpus and mem may be included"),
    ("executor", {"executor_id": {"value": "e"}}, "Task should have at least one (but not both)"),
]


@pytest.mark.parametrize("right", range(len(WRONG)))
def test_the_first_thing_that_is_wrong_is_told(said, right):
    error = said(**{field: value for field, value, _ in WRONG[right:]})
    assert error.startswith(WRONG[right][2])


def test_last_of_all_it_is_asked_whether_the_task_shares_its_cgroups(said):
    apart = {"type": "MESOS", "linux_info": {"share_cgroups": False}}
    assert said("cpus:0.01", container=apart).startswith("Total resources ")
    assert said(container=apart) == "Only tasks in a task group may have 'share_cgroups' set to 'false'"
    assert said(container={"type": "MESOS", "linux_info": {"share_cgroups": True}}) is None
