"""Forms of commands, and what their processes see, as real processes (agent-executor.md 7, 8 and 9)."""

from __future__ import annotations

import os
import pwd
import signal
from typing import TYPE_CHECKING, Any

import pytest

from pymesoskit.testing.engine.containers.commands import describe_command
from pymesoskit.wire.v1 import mesos
from tests.agent.world import RealWorld, open_to_all, task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can switch users")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[RealWorld]:
    world = RealWorld(tmp_path / "work")
    world.start()
    yield world
    world.close()


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def argv(*arguments: str, value: str | None = None, **fields: Any) -> mesos.TaskInfo:
    info = task(command=None, **fields)
    info.command.shell = False
    if value is not None:
        info.command.value = value
    info.command.arguments.extend(arguments)
    return info


def environment(world: RealWorld, text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines())


def group_sandbox(world: RealWorld, task_id: str = "t1") -> Path:
    return (world.sandbox("default") / "tasks" / task_id).resolve()


def end_of(world: RealWorld, task_id: str = "t1") -> mesos.TaskStatus:
    ends = {"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED"}
    world.actor.run_until(lambda: ends & set(world.master.states(task_id)))
    return world.master.statuses(task_id)[-1]


# Forms


def test_the_first_argument_is_only_the_name_the_program_is_told(world: RealWorld) -> None:
    world.run(argv("any-name", "-c", 'echo "$0 $1"', "zero", "one", value="sh"))
    end_of(world)
    assert (world.sandbox() / "stdout").read_text() == "zero one\n"


def test_a_program_is_looked_for_in_the_sandbox_before_the_path(world: RealWorld, tmp_path: Path) -> None:
    source = script(tmp_path / "ls", "echo mine")
    info = argv("ls", value="ls")
    info.command.uris.add(value=str(source), executable=True)
    world.run(info)
    assert end_of(world).state == mesos.TASK_FINISHED
    assert (world.sandbox() / "stdout").read_text() == "mine\n"


def test_a_relative_path_is_one_below_the_sandbox(world: RealWorld, tmp_path: Path) -> None:
    source = script(tmp_path / "tool", "echo below")
    info = argv("tool", value="bin/tool")
    info.command.uris.add(value=str(source), executable=True, output_file="bin/tool")
    world.run(info)
    end_of(world)
    assert (world.sandbox() / "stdout").read_text() == "below\n"


def test_a_command_task_finds_its_program_on_the_path_it_was_given(world: RealWorld, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script(tmp_path / "bin/own-tool", "echo found")
    info = argv("own-tool", value="own-tool")
    info.command.environment.variables.add(name="PATH", value=f"{tmp_path}/bin:/usr/bin:/bin")
    world.run(info)
    end_of(world)
    assert (world.sandbox() / "stdout").read_text() == "found\n"


@pytest.mark.parametrize("value", ["no-such-program", "/no/such/program", "./no-such-program"])
def test_a_program_that_is_not_there_is_a_command_that_exits_with_1(world: RealWorld, value: str) -> None:
    world.run(argv("x", value=value))
    status = end_of(world)
    assert (status.state, status.message) == (mesos.TASK_FAILED, "Command exited with status 1")
    assert world.master.states() == ["TASK_STARTING", "TASK_RUNNING", "TASK_FAILED"]
    assert (world.sandbox() / "stderr").read_text() == "Failed to execute command: No such file or directory\n"


@pytest.mark.parametrize("shell", [True, False])
def test_a_command_without_a_value_is_the_end_of_its_executor(world: RealWorld, shell: bool) -> None:
    info = task(command=None)
    info.command.shell = shell
    world.run(info)
    status = end_of(world)
    assert world.master.states() == ["TASK_STARTING", "TASK_FAILED"]
    assert (status.source, status.reason, status.message) == (
        mesos.TaskStatus.SOURCE_AGENT,
        mesos.TaskStatus.REASON_EXECUTOR_TERMINATED,
        "Executor terminated",
    )


def test_in_a_group_a_command_without_a_value_exits_with_1(world: RealWorld) -> None:
    info = task(command=None)
    info.command.shell = True
    world.run_group(info)
    assert end_of(world).message == "Command exited with status 1"
    assert (group_sandbox(world) / "stderr").read_text() == "Shell command is not specified\n"


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1])
def test_a_command_that_a_signal_ends_fails_with_the_signals_name(world: RealWorld, number: signal.Signals) -> None:
    world.run(task(command=f"kill -{int(number)} $$"))
    status = end_of(world)
    assert status.state == mesos.TASK_FAILED
    assert status.message == f"Command terminated with signal {signal.strsignal(number)}"
    assert not status.HasField("reason")


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ({"value": "123456789012345"}, "sh -c '123456789012345'"),
        ({"value": "1234567890123456"}, "sh -c '123456789012...'"),
        ({"shell": False, "value": "ls"}, "[ls, ]"),
        ({"shell": False, "value": "ls", "arguments": ["ls", "-l"]}, "[ls, ls, -l]"),
        ({"shell": False, "value": "/bin/ls", "arguments": ["ls", "-la"]}, "[/bin/ls, ls,...]"),
        ({"shell": True}, "NO COMMAND"),
        ({"shell": False, "arguments": ["ls"]}, "NO EXECUTABLE"),
    ],
)
def test_the_executor_of_a_command_is_called_after_it(command: dict[str, Any], text: str) -> None:
    info = task(command=None)
    info.command.CopyFrom(mesos.CommandInfo(**command))
    assert describe_command(info) == f"Command Executor (Task: t1) (Command: {text})"


# What they see


def test_the_role_of_a_command_task_cannot_be_replaced(world: RealWorld) -> None:
    info = task(command="env")
    info.command.environment.variables.add(name="MESOS_ALLOCATION_ROLE", value="mine")
    info.command.environment.variables.add(name="MESOS_SANDBOX", value="elsewhere")
    world.run(info)
    end_of(world)
    seen = environment(world, (world.sandbox() / "stdout").read_text())
    assert (seen["MESOS_ALLOCATION_ROLE"], seen["MESOS_SANDBOX"]) == ("web", "elsewhere")


def test_a_task_of_a_group_sees_nothing_of_the_machines_environment(world: RealWorld) -> None:
    world.host.environment["MACHINE"] = "shows"
    info = task(command="env")
    info.command.environment.variables.add(name="OWN", value="x")
    info.command.environment.variables.add(name="MESOS_CONTAINER_IP", value="mine")
    world.run_group(info, task("t2", "exit 0"))
    end_of(world)
    seen = environment(world, (group_sandbox(world) / "stdout").read_text())
    assert {name: value for name, value in seen.items() if name not in {"PWD", "_", "SHLVL", "OLDPWD"}} == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "MESOS_ALLOCATION_ROLE": "web",
        "MESOS_CONTAINER_IP": "127.0.0.1",
        "MESOS_SANDBOX": str(group_sandbox(world)),
        "OWN": "x",
    }


def secret_task(kind: str, command: str = "env") -> mesos.TaskInfo:
    info = task(command=command)
    variable = info.command.environment.variables.add(name="SECRET", type="SECRET")
    if kind == "VALUE":
        variable.secret.type = mesos.Secret.VALUE
        variable.secret.value.data = b"s3cret"
    else:
        variable.secret.type = mesos.Secret.REFERENCE
        variable.secret.reference.name = "vault"
    return info


@pytest.mark.parametrize("kind", ["VALUE", "REFERENCE"])
def test_a_variable_that_is_a_secret_is_not_there_unless_it_is_resolved(world: RealWorld, kind: str) -> None:
    world.run(secret_task(kind, 'echo "${SECRET-none}"'))
    end_of(world)
    assert (world.sandbox() / "stdout").read_text() == "none\n"


@pytest.fixture
def secretive(tmp_path: Path) -> Iterator[RealWorld]:
    world = RealWorld(tmp_path / "work", isolation="posix/cpu,posix/mem,environment_secret")
    world.start()
    yield world
    world.close()


def test_with_the_isolator_for_it_a_secret_is_resolved(secretive: RealWorld) -> None:
    secretive.run(secret_task("VALUE", "echo $SECRET"))
    end_of(secretive)
    assert (secretive.sandbox() / "stdout").read_text() == "s3cret\n"
    info = secret_task("VALUE", "echo $SECRET")
    info.task_id.value = "t2"
    secretive.run_group(info)
    end_of(secretive, "t2")
    assert (group_sandbox(secretive, "t2") / "stdout").read_text() == "s3cret\n"


def test_a_secret_that_is_elsewhere_cannot_be_resolved(secretive: RealWorld) -> None:
    secretive.run(secret_task("REFERENCE"))
    status = end_of(secretive)
    assert status.reason == mesos.TaskStatus.REASON_CONTAINER_LAUNCH_FAILED
    assert status.message == "Failed to launch container: Default secret resolver cannot resolve references"
    info = secret_task("REFERENCE")
    info.task_id.value = "t2"
    secretive.run_group(info)
    assert end_of(secretive, "t2").message == "Default secret resolver cannot resolve references"


# Users


@needs_root
def test_output_and_fetched_files_are_the_users(world: RealWorld, tmp_path: Path) -> None:
    open_to_all(tmp_path)
    (tmp_path / "data").write_text("x")
    info = task(command="echo more >> stdout; echo own > data; id -un")
    info.command.user = "nobody"
    info.command.uris.add(value=str(tmp_path / "data"), output_file="sub/data")
    info.command.uris.add(value=str(tmp_path / "data"))
    world.run(info)
    assert end_of(world).state == mesos.TASK_FINISHED
    assert (world.sandbox() / "stdout").read_text() == "more\nnobody\n"
    for name in ("stdout", "data", "sub", "sub/data"):
        assert pwd.getpwuid((world.sandbox() / name).stat().st_uid).pw_name == "nobody"


@needs_root
def test_without_switch_user_nobody_is_switched_to(tmp_path: Path) -> None:
    world = RealWorld(tmp_path / "work", switch_user="false")
    world.start()
    try:
        for each, start in ((task("t1", "id -un"), world.run), (task("t2", "id -un"), world.run_group)):
            each.command.user = "nobody"
            start(each)
            assert end_of(world, each.task_id.value).state == mesos.TASK_FINISHED
        assert (world.sandbox() / "stdout").read_text() == "root\n"
        assert (group_sandbox(world, "t2") / "stdout").read_text() == "root\n"
    finally:
        world.close()


@needs_root
def test_an_unknown_user_is_named_in_the_failure(world: RealWorld) -> None:
    single = task("t1")
    single.command.user = "nobody-here"
    world.run(single)
    status = world.until_state("t1", "TASK_DROPPED", 20)
    assert status.reason == mesos.TaskStatus.REASON_EXECUTOR_TERMINATED
    assert status.message.startswith("Failed to create executor directory '")
    end = "': Failed to chown directory to 'nobody-here': No such user 'nobody-here'"
    assert status.message.endswith(end)
    grouped, other = task("t2"), task("t3", "sleep 1000")
    grouped.command.user = "nobody-here"
    world.run_group(grouped, other)
    status = end_of(world, "t2")
    assert (status.state, status.source) == (mesos.TASK_FAILED, mesos.TaskStatus.SOURCE_EXECUTOR)
    assert status.message.startswith("Failed to create nested sandbox '")
    assert status.message.endswith(end)


# Killing


def test_sigterm_reaches_all_processes_of_a_command_task(world: RealWorld) -> None:
    world.run(task(command="trap 'exit 7' TERM; sh -c 'touch ready; exec sleep 1000'; true"))
    world.until_state("t1", "TASK_RUNNING", 20)
    world.actor.run_until((world.sandbox() / "ready").exists)
    world.kill("t1")
    status = end_of(world)  # the shell waits for its sleep, which has got the signal, too
    assert (status.state, status.message) == (mesos.TASK_KILLED, "Command exited with status 7")


def test_sigterm_reaches_only_the_first_process_of_a_task_of_a_group(world: RealWorld) -> None:
    patient = task(
        command="trap 'echo told > told' TERM; sleep 1000 & echo $! > pid; wait; kill $! && echo alive > was"
    )
    world.run_group(patient)
    world.until_state("t1", "TASK_RUNNING", 20)
    world.actor.run_until((group_sandbox(world) / "pid").exists)
    world.kill("t1")
    end_of(world)
    assert (group_sandbox(world) / "told").exists()
    assert (group_sandbox(world) / "was").read_text() == "alive\n"
