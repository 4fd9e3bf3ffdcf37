"""What is wrong with executors, and with tasks and groups together with them, in Mesos's words and order.

Source: docs/reference/scheduler-api.md 4.4, items 12 to 15 and LAUNCH_GROUP.
"""

import json

import pytest

from pymesoskit.testing.engine.network.messages import RunTask, RunTaskGroup

DYNAMIC = [{"type": "DYNAMIC", "role": "web"}]
NEGATIVE = {"nanoseconds": -1}
NO_VALUE = {"environment": {"variables": [{"name": "X"}]}}
OFFERED = "cpus:4;mem:4096;disk:1000;ports:[31000-32000]"


@pytest.fixture
def framework(world):
    return world.framework(
        capabilities=[
            {"type": kind} for kind in ("MULTI_ROLE", "RESERVATION_REFINEMENT", "PARTITION_AWARE", "SHARED_RESOURCES")
        ]
    )


@pytest.fixture
def agent(world):
    return world.agent()


def ports(begin, end):
    return {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": begin, "end": end}]}}


@pytest.fixture
def custom(framework, amount):
    def make(**fields):
        return {
            "executor_id": {"value": "e"},
            "command": {"value": "x"},
            "resources": [amount("cpus", 0.1), amount("mem", 32)],
            **fields,
        }

    return make


@pytest.fixture
def default(framework, amount):
    def make(*without, **fields):
        executor = {
            "type": "DEFAULT",
            "executor_id": {"value": "e"},
            "framework_id": {"value": framework.id},
            "resources": [amount("cpus", 0.1), amount("mem", 32), amount("disk", 1)],
            **fields,
        }
        return {field: value for field, value in executor.items() if field not in without}

    return make


@pytest.fixture
def launch(world, framework, agent, task):
    """The status that the framework gets for a task with that executor."""

    def launch(executor, offered=OFFERED, **fields):
        offer = world.offer(framework, agent, offered)
        framework.launch(offer, {**task("t", offer, executor=executor), **fields})
        statuses = framework.take_statuses()
        if not statuses:
            assert agent.take(RunTask)
            return None
        (status,) = statuses
        assert status["reason"] == "REASON_TASK_INVALID"
        assert not agent.take(RunTask)
        return status["message"]

    return launch


@pytest.fixture
def launch_group(world, framework, agent, task):
    """The statuses that the framework gets for the tasks of a group: all the same."""

    def launch(executor, *changes, offered=OFFERED):
        offer = world.offer(framework, agent, offered)
        tasks = [{**task(f"t{n}", offer), **each} for n, each in enumerate(changes or ({}, {}))]
        group = {"type": "LAUNCH_GROUP", "launch_group": {"executor": executor, "task_group": {"tasks": tasks}}}
        framework.accept(offer, operations=[group])
        statuses = framework.take_statuses()
        if not statuses:
            assert agent.take(RunTaskGroup)
            return None
        assert [status["task_id"] for status in statuses] == [each["task_id"] for each in tasks]
        assert {(status["state"], status["reason"]) for status in statuses} == {
            ("TASK_ERROR", "REASON_TASK_GROUP_INVALID")
        }
        assert not agent.take(RunTaskGroup)
        (message,) = {status["message"] for status in statuses}
        return message

    return launch


#: Wrong, whatever launches it.
ANY = [
    ({"type": "DEFAULT", "command": {}}, "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"),
    (
        {"type": "DEFAULT", "command": None, "container": {"type": "DOCKER"}},
        "'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor",
    ),
    (
        {"type": "DEFAULT", "command": None, "container": {"type": "MESOS", "mesos": {"image": {"type": "DOCKER"}}}},
        "'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor",
    ),
    ({"type": "CUSTOM", "command": None}, "'ExecutorInfo.command' must be set for 'CUSTOM' executor"),
    ({"executor_id": {"value": "a/b"}}, "'a/b' contains invalid characters"),
    ({"executor_id": {"value": ""}}, "ID must not be empty"),
    ({"shutdown_grace_period": NEGATIVE}, "ExecutorInfo's 'shutdown_grace_period' must be non-negative"),
    (
        {"type": "CUSTOM", "command": NO_VALUE},
        "Executor's `CommandInfo` is invalid: Environment variable 'X' of type 'VALUE' must have a value set",
    ),
    (
        {"container": {"type": "MESOS", "volumes": [{"container_path": "v", "mode": "RW"}]}},
        (
            "Executor's `ContainerInfo` is invalid: Invalid volume: Only one of them should be set: "
            "'host_path', 'image' and 'source'"
        ),
    ),
    (
        {"resources": [{"name": "gpus", "type": "SCALAR", "scalar": {"value": 0.5}}]},
        "Executor uses invalid resources: Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer",
    ),
]


@pytest.mark.parametrize(("fields", "error"), ANY)
def test_executors_of_tasks_and_of_groups(launch, launch_group, custom, default, fields, error):
    assert launch(custom(**fields)) == error
    assert launch_group(default(**fields)) == error


def test_the_framework_of_an_executor_is_filled_in_for_tasks_only(launch, launch_group, custom, default, framework):
    other = {"value": "other"}
    error = f"ExecutorInfo has an invalid FrameworkID (Actual: other vs Expected: {framework.id})"
    assert launch(custom(framework_id=other)) == error
    assert launch_group(default(framework_id=other)) == error
    assert launch_group(default("framework_id")) == "'ExecutorInfo.framework_id' must be set"
    assert launch(custom()) is None


def volume(size=1, **fields):
    return {
        "name": "disk",
        "type": "SCALAR",
        "scalar": {"value": size},
        "reservations": DYNAMIC,
        "disk": {"persistence": {"id": "p"}, "volume": {"container_path": "v", "mode": "RW"}},
        **fields,
    }


def test_resources_of_executors(launch, custom, amount):
    cpus = amount("cpus", 1)
    for resources, error in (
        (
            [volume(1), volume(2)],
            "Executor uses duplicate persistence ID: Persistence ID 'p' is not unique",
        ),
        (
            [cpus, {**amount("mem", 32), "allocation_info": {"role": "other"}}],
            (
                "Invalid executor resources: The resources have multiple allocation roles ('other' and 'web') but only one "
                "allocation role is allowed"
            ),
        ),
        (
            [cpus, {**cpus, "revocable": {}}],
            (
                "Executor mixes revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus' "
                "at the same time"
            ),
        ),
    ):
        assert launch(custom(resources=resources)) == error


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"type": "DEFAULT", "command": None}, "'ExecutorInfo.type' must be 'CUSTOM'"),
        ({"type": "UNKNOWN"}, "'ExecutorInfo.type' must be 'CUSTOM'"),
        ({"command": None}, "'ExecutorInfo.command' must be set"),
        (
            {"resources": [volume(shared={})]},
            (
                "Executor resources disk(allocated: web)(reservations: [(DYNAMIC,web)])[p:v]<SHARED>:1<1> should not contain "
                "any shared resources"
            ),
        ),
        (
            {"container": {"type": "MESOS", "linux_info": {"share_cgroups": True}}},
            "The 'share_cgroups' field cannot be set to 'true' on executor containers",
        ),
        ({"container": {"type": "MESOS", "linux_info": {"share_cgroups": False}}}, None),
        ({"container": {"type": "DOCKER", "docker": {"image": "x"}}}, None),
        ({"resources": []}, None),
        ({"type": "CUSTOM"}, None),
    ],
)
def test_executors_of_tasks(launch, custom, fields, error):
    assert launch(custom(**fields)) == error


def test_what_task_and_executor_cannot_use_together(launch, custom, amount):
    cpus = {**amount("cpus", 1), "allocation_info": {"role": "web"}}
    for own, executors, error in (
        (
            [amount("gpus", 1), volume()],
            [volume()],
            "Task and its executor use duplicate persistence ID: Persistence ID 'p' is not unique",
        ),
        (
            [cpus],
            [{**cpus, "revocable": {}}],
            (
                "Task and its executor mix revocable and non-revocable resources: Cannot use both revocable and "
                "non-revocable 'cpus' at the same time"
            ),
        ),
    ):
        assert launch(custom(resources=executors), resources=own) == error


def as_mesos_prints(*resources):
    for resource in resources:
        if "scalar" in resource:
            resource["scalar"] = {"value": float(resource["scalar"]["value"])}
    return json.dumps(resources, sort_keys=True, separators=(",", ":"))


def test_a_port_is_that_of_the_task_or_of_the_executor(launch, custom):
    own, executors = ({**ports(31000, end), "allocation_info": {"role": "web"}} for end in (31010, 31000))
    assert launch(custom(resources=[ports(31000, 31000)]), resources=[ports(31000, 31010)]) == (
        f"There are overlapping resources in the task resources {as_mesos_prints(own)} and executor resources "
        f"{as_mesos_prints(executors)}"
    )


def test_task_and_executor_must_fit_into_what_is_left(launch, custom):
    assert launch(custom(), "cpus:0.1;mem:64") == (
        "Total resources cpus(allocated: web):0.2; mem(allocated: web):64 required by task and its executor is more "
        "than available cpus(allocated: web):0.1; mem(allocated: web):64"
    )


# Groups


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"type": None}, "'ExecutorInfo.type' must be set"),
        ({"type": "UNKNOWN"}, "Unknown executor type"),
        (
            {"type": "CUSTOM", "command": {"value": "x"}, "container": {"type": "DOCKER", "docker": {"image": "x"}}},
            "Docker ContainerInfo is not supported on the executor",
        ),
        (
            {"container": {"type": "MESOS", "linux_info": {"share_cgroups": True}}},
            "The 'share_cgroups' field cannot be set to 'true' on executor containers",
        ),
        ({"type": "CUSTOM", "command": {"value": "x"}}, None),
    ],
)
def test_executors_of_groups(launch_group, default, fields, error):
    assert launch_group(default(**fields)) == error


@pytest.mark.parametrize(
    ("resources", "error"),
    [
        ({"mem": 32, "disk": 1}, "Executor 'e' uses less CPUs (None) than the minimum required (0.01)"),
        ({"cpus": 0.005, "mem": 32, "disk": 1}, "Executor 'e' uses less CPUs (0.005) than the minimum required (0.01)"),
        ({"cpus": 0.01, "disk": 1}, "Executor 'e' uses less memory (None) than the minimum required (32MB)"),
        ({"cpus": 0.01, "mem": 16, "disk": 1}, "Executor 'e' uses less memory (16MB) than the minimum required (32MB)"),
        (
            {"cpus": 0.01, "mem": 31.5, "disk": 1},
            "Executor 'e' uses less memory (32256KB) than the minimum required (32MB)",
        ),
        (
            {"cpus": 0.01, "mem": 31.999, "disk": 1},
            "Executor 'e' uses less memory (33553383B) than the minimum required (32MB)",
        ),
        ({"cpus": 0.01, "mem": 32}, "Executor 'e' uses no disk"),
        ({"cpus": 0.01, "mem": 32, "disk": 0}, "Executor 'e' uses no disk"),
        ({"cpus": 0.01, "mem": 32, "disk": 0.001}, None),
    ],
)
def test_what_an_executor_of_a_group_needs(launch_group, default, amount, resources, error):
    assert launch_group(default(resources=[amount(name, value) for name, value in resources.items()])) == error


NESTED = {"type": "MESOS", "network_infos": [{}]}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"task_id": {"value": "a/b"}}, "Task 'a/b' is invalid: 'a/b' contains invalid characters"),
        ({"resources": []}, "Task 't1' is invalid: Task uses no resources"),
        (
            {"container": NESTED, "health_check": {"type": "HTTP", "http": {"port": 1}}},
            (
                "Task 't1' is invalid: HTTP and TCP health checks are not supported for nested containers not joining "
                "parent's network"
            ),
        ),
        (
            {"container": NESTED, "health_check": {"type": "TCP", "tcp": {"port": 1}}},
            (
                "Task 't1' is invalid: HTTP and TCP health checks are not supported for nested containers not joining "
                "parent's network"
            ),
        ),
        ({"container": NESTED, "health_check": {"type": "COMMAND", "command": {"value": "true"}}}, None),
        # Unlike in a LAUNCH, the type of a health check is not guessed.
        (
            {"health_check": {"command": {"value": "true"}}},
            "Task 't1' is invalid: Task uses invalid health check: HealthCheck must specify 'type'",
        ),
        (
            {"container": {"type": "DOCKER", "docker": {"image": "x"}}},
            "Task 't1' is invalid: Docker ContainerInfo is not supported on the task",
        ),
        (
            {"limits": {"cpus": {"value": 1}}},
            (
                "Task 't1' is invalid: Resource limits may only be set for tasks within a task group when the "
                "'share_cgroups' field is set to 'false'."
            ),
        ),
        ({"command": None}, None),
    ],
)
def test_tasks_of_groups(launch_group, default, changes, error):
    assert launch_group(default(), {}, changes) == error


def test_tasks_of_a_group_that_name_an_executor_name_that_of_the_group(launch_group, default):
    """Its resources in another order are the same; another name is not."""
    same = default(resources=list(reversed(default()["resources"])))
    assert launch_group(default(), {}, {"executor": default(name="n")}) == (
        "The `ExecutorInfo` of task 't1' is different from executor 'e'"
    )
    assert launch_group(default(), {"executor": same}, {}) is None


def test_what_a_group_cannot_use_together(launch_group, default, amount):
    cpus = amount("cpus", 1)
    for own, executors, error in (
        (
            [volume()],
            [volume()],
            "Task group and executor use duplicate persistence ID: Persistence ID 'p' is not unique",
        ),
        (
            [cpus],
            [{**cpus, "revocable": {}}],
            (
                "Task group and executor mix revocable and non-revocable resources: Cannot use both revocable and "
                "non-revocable 'cpus' at the same time"
            ),
        ),
    ):
        basic = [each for each in default()["resources"] if each["name"] not in {one["name"] for one in executors}]
        assert launch_group(default(resources=[*basic, *executors]), {"resources": own}) == error


def test_a_port_is_that_of_one_task_of_a_group(launch_group, default):
    executors = as_mesos_prints(*({**each, "allocation_info": {"role": "web"}} for each in default()["resources"]))
    assert launch_group(default(), {"resources": [ports(31000, 31001)]}, {"resources": [ports(31001, 31001)]}) == (
        "There are overlapping resources in the task group's task resources "
        "[ ports(allocated: web):[31000-31001], ports(allocated: web):[31001-31001] ] "
        f"and/or executor resources {executors}"
    )


def test_a_group_and_its_executor_must_fit_into_what_is_left(launch_group, default):
    assert launch_group(default(), offered="cpus:0.2;mem:96;disk:1") == (
        "Total resources cpus(allocated: web):0.3; mem(allocated: web):96; disk(allocated: web):1 required by task group "
        "and its executor are more than available cpus(allocated: web):0.2; mem(allocated: web):96; "
        "disk(allocated: web):1"
    )


APART = {"container": {"type": "MESOS", "linux_info": {"share_cgroups": False}}}
SHARED = {"container": {"type": "MESOS", "linux_info": {"share_cgroups": True}}}
SAME = (
    "If set, the value of 'share_cgroups' must be the same for all tasks in each task group and under a single executor"
)


def test_all_tasks_of_an_executor_share_their_cgroups_or_none_does(launch_group, default):
    assert launch_group(default(), APART, {}) == SAME
    assert launch_group(default(), APART, SHARED) == SAME
    assert launch_group(default(), {**APART, "limits": {"cpus": {"value": 1}}}, APART) is None
    assert launch_group(default(), {"task_id": {"value": "later"}, **SHARED}) == SAME
    assert launch_group(default(), {"task_id": {"value": "later"}}) == SAME
    assert launch_group(default(), {"task_id": {"value": "later"}, **APART}) is None


# The same executor again


DUMP = """\
executor_id {{
  value: "e"
}}
resources {{
  name: "cpus"
  type: SCALAR
  scalar {{
    value: 0.1
  }}
  allocation_info {{
    role: "web"
  }}
}}
resources {{
  name: "mem"
  type: SCALAR
  scalar {{
    value: 32
  }}
  allocation_info {{
    role: "web"
  }}
}}
command {{
  value: "x"
}}
framework_id {{
  value: "{framework}"
}}
"""


def test_an_executor_may_not_change(launch, custom, framework):
    assert launch(custom(labels={"labels": [{"key": "k"}]})) is None
    rule, dump = "-" * 60, DUMP.format(framework=framework.id)
    labels = 'labels {\n  labels {\n    key: "k"\n  }\n}\n'
    name = 'name: "n\\303\\251"\n'
    assert launch(custom(name="né"), task_id={"value": "u"}) == (
        "ExecutorInfo is not compatible with existing ExecutorInfo with same ExecutorID.\n"
        f"{rule}\nExisting ExecutorInfo:\n{dump}{labels}\n{rule}\nExecutorInfo:\n{dump}{name}\n{rule}\n"
    )


def command(**fields):
    return {"command": {"value": "x", **fields}}


VARIABLES = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
URIS = [{"value": "a"}, {"value": "b"}]
VOLUMES = [{"container_path": path, "mode": "RW", "host_path": "/x"} for path in ("a", "b")]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"labels": {"labels": [{"key": "k"}]}}),
        ({}, {"name": ""}),
        ({}, {"shutdown_grace_period": {"nanoseconds": 5}}),
        (command(uris=URIS), command(uris=[{"value": "b"}, {"value": "a", "cache": True}])),
        (
            command(environment={"variables": VARIABLES}),
            command(environment={"variables": list(reversed(VARIABLES))}),
        ),
        (
            {"container": {"type": "MESOS", "volumes": VOLUMES}},
            {"container": {"type": "MESOS", "volumes": list(reversed(VOLUMES)), "network_infos": [{}]}},
        ),
    ],
)
def test_executors_that_mesos_cannot_tell_apart(launch, custom, first, second):
    assert launch(custom(**first)) is None
    assert launch(custom(**second), task_id={"value": "u"}) is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"type": "CUSTOM"}),
        ({}, {"name": "n"}),
        ({}, {"source": "s"}),
        ({}, {"data": "eA=="}),
        ({}, command(shell=False)),
        ({}, command(user="u")),
        (command(arguments=["a", "b"]), command(arguments=["b", "a"])),
        (command(uris=URIS), command(uris=URIS[:1])),
        (command(uris=URIS[:1]), command(uris=[{"value": "a", "extract": False}])),
        (command(environment={"variables": VARIABLES}), command(environment={"variables": VARIABLES[:1]})),
        ({}, {"container": {"type": "MESOS"}}),
        (
            {"container": {"type": "MESOS", "volumes": VOLUMES[:1]}},
            {"container": {"type": "MESOS", "volumes": VOLUMES[1:]}},
        ),
        ({}, {"discovery": {"visibility": "CLUSTER"}}),
        ({}, {"resources": []}),
    ],
)
def test_executors_that_differ(launch, custom, first, second):
    assert launch(custom(**first)) is None
    assert launch(custom(**second), task_id={"value": "u"}).startswith("ExecutorInfo is not compatible ")
