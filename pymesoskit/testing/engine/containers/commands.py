"""Turns a ``CommandInfo`` into what a launcher runs, and makes the sandbox in which it runs.

Source: docs/reference/agent-executor.md 8, 9 and 12.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.engine.machine.launcher import Command, Interaction
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


#: Only its user and group can look into a sandbox.
SANDBOX_MODE = 0o750

#: The files that hold a command's output.
OUTPUT = ("stdout", "stderr")


class SandboxError(Exception):
    """The container cannot be made as asked; the text says why."""


def command_of(
    info: mesos.CommandInfo,
    environment: Mapping[str, str],
    directory: str | None,
    *,
    user: str | None = None,
    container: mesos.ContainerInfo | None = None,
    task: mesos.TaskInfo | None = None,
    delay: float = 0.0,
    interaction: Interaction | None = None,
    path: str | None = None,
    output: tuple[str, str] = OUTPUT,
    whole_tree: bool = True,
) -> Command:
    """Returns the command for a launcher.

    A shell command runs as ``sh -c VALUE``; otherwise the arguments are all of argv. A command without a value says so
    on its stderr and exits with status 1. ``path`` is where programs are looked up, if not on the environment's PATH.
    """
    argv: tuple[str, ...]
    executable: str | None
    if not info.HasField("value"):
        missing = "Shell command" if info.shell else "Executable path"
        argv, executable = ("sh", "-c", f"echo '{missing} is not specified' >&2; exit 1"), "/bin/sh"
    elif info.shell:
        argv, executable = ("sh", "-c", info.value), "/bin/sh"
    else:
        argv, executable = tuple(info.arguments) or (info.value,), info.value
    return Command(
        argv=argv,
        executable=executable,
        environment=environment,
        directory=None if directory is None else Path(directory),
        user=user,
        rlimits=tuple(_rlimits(container)),
        task=task,
        delay=delay,
        interaction=interaction,
        path=path,
        stdout=output[0],
        stderr=output[1],
        whole_tree=whole_tree,
    )


def _rlimits(container: mesos.ContainerInfo | None) -> Iterable[tuple[str, int | None, int | None]]:
    for limit in container.rlimit_info.rlimits if container is not None else ():
        name = mesos.RLimitInfo.RLimit.Type.Name(limit.type).replace("RLMT_", "RLIMIT_")
        yield name, limit.soft if limit.HasField("soft") else None, limit.hard if limit.HasField("hard") else None


def overlaid(environment: Mapping[str, str], more: mesos.Environment) -> dict[str, str]:
    """Returns an environment with the variables of a message added, which win."""
    return {**environment, **{variable.name: variable.value for variable in more.variables}}


def describe_command(task: mesos.TaskInfo) -> str:
    """Returns the name of a command task's executor, which shows at most 15 characters of the command."""
    command = task.command
    if command.shell:
        text = f"sh -c '{_cut(command.value)}'" if command.HasField("value") else "NO COMMAND"
    elif command.HasField("value"):
        text = "[" + _cut(f"{command.value}, " + ", ".join(command.arguments)) + "]"
    else:
        text = "NO EXECUTABLE"
    return f"Command Executor (Task: {task.task_id.value}) (Command: {text})"


def _cut(text: str) -> str:
    return text if len(text) <= 15 else text[:12] + "..."


# Sandboxes


def is_docker(container: mesos.ContainerInfo) -> bool:
    """Returns whether it is a container of the Docker engine."""
    return container.HasField("type") and container.type == mesos.ContainerInfo.DOCKER


def check_supported(container: mesos.ContainerInfo, containerizers: str) -> None:
    """Raises ``SandboxError`` for a container that none of the agent's containerizers can make."""
    if is_docker(container) and "docker" not in containerizers.split(","):
        raise SandboxError(
            f"None of the enabled containerizers ({containerizers}) could create a container for the provided"
            " TaskInfo/ExecutorInfo message: this agent uses no Docker engine"
            " (start it with --containerizers=docker,mesos where one answers)"
        )
    _check_image(container)


def check_nested(container: mesos.ContainerInfo) -> None:
    """Raises ``SandboxError`` for a nested or standalone container that cannot be made."""
    if container.HasField("type") and container.type != mesos.ContainerInfo.MESOS:
        raise SandboxError("The provided ContainerInfo is not supported")
    _check_image(container)


def _check_image(container: mesos.ContainerInfo) -> None:
    if container.mesos.HasField("image"):
        kind = mesos.Image.Type.Name(container.mesos.image.type)
        raise SandboxError(f"Unsupported container image type: {kind}")


def make_sandbox(directory: Path, user: str | None, failure: str) -> None:
    """Makes the directory, and gives it to the user if the cluster runs as root.

    Raises ``SandboxError``, whose text begins with ``failure``; then there is no directory. That includes the case that
    a task has put a link in the place of a directory above it: the cluster makes nothing where the link leads.
    """
    try:
        make_directories(directory)
    except OSError as error:
        raise SandboxError(f"{failure}: Failed to create directory: {error.strerror}") from error
    if user is None or os.geteuid() != 0:
        return
    try:
        entry = pwd.getpwnam(user)
        os.chown(directory, entry.pw_uid, entry.pw_gid)
    except (KeyError, OSError) as error:
        with contextlib.suppress(OSError):
            directory.rmdir()
        why = f"No such user '{user}'" if isinstance(error, KeyError) else error.strerror
        raise SandboxError(f"{failure}: Failed to chown directory to '{user}': {why}") from None


def make_directories(directory: Path) -> None:
    """Makes the directory and its missing parents with as few system calls as possible.

    Raises OSError, also for a link in the place of a directory.
    """
    if os.path.realpath(directory) != str(directory):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    try:
        directory.mkdir(SANDBOX_MODE)
    except FileExistsError:
        directory.chmod(SANDBOX_MODE)
    except FileNotFoundError:
        for parent in (
            directory.parent.parent,
            directory.parent,
        ):  # an executor's directory and its runs: usually just these
            with contextlib.suppress(FileExistsError):
                parent.mkdir(parents=True)
        directory.mkdir(SANDBOX_MODE)


def note(sandbox: Path, text: str) -> None:
    """Writes a line for people to the sandbox's stderr, if that is a file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    with contextlib.suppress(OSError), os.fdopen(os.open(sandbox / "stderr", flags, 0o644), "w") as file:
        file.write(text + "\n")
