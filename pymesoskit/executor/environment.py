"""The environment that an agent gives to an executor: the ``MESOS_*`` variables. Rules:
docs/reference/agent-executor.md 7.

Every problem is reported, not just the first; the mapping is handed in, so that nothing here reads ``os.environ``
behind one's back.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, TypeVar

from attrs import field, frozen

from pymesoskit.executor.errors import EnvironmentProblems
from pymesoskit.transport.address import AGENT_PORT, Address

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

TARGET = "/api/v1/executor"

#: Mesos's units of time, in seconds.
UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "secs": 1.0,
    "mins": 60.0,
    "hrs": 3600.0,
    "days": 86400.0,
    "weeks": 604800.0,
}

_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)(" + "|".join(UNITS) + r")\s*")


def parse_duration(text: str) -> float:
    """Seconds, from Mesos's syntax (``5secs``, ``1.5mins``). Raises ``ValueError``."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"not a duration: {text!r} (as in 500ms, 5secs, 15mins; units are {', '.join(UNITS)})")
    return float(match[1]) * UNITS[match[2]]


@frozen
class ExecutorEnvironment:
    """What an executor knows of its agent. Times are in seconds."""

    framework_id: str
    executor_id: str
    agent: Address
    agent_id: str | None = None
    process: str = "slave(1)"  # the agent's name among the processes at its address
    directory: str | None = None  # the sandbox, on the host
    sandbox: str | None = None  # the sandbox, as the executor sees it
    checkpoint: bool = False  # whether the executor outlives its agent for a time
    shutdown_grace_period: float = 5.0
    recovery_timeout: float = 900.0  # how long to wait for the agent, with ``checkpoint``
    subscription_backoff_max: float = 2.0  # the longest pause between attempts to subscribe again
    authentication_token: str | None = field(default=None, repr=False)
    local: bool = False  # MESOS_LOCAL: the executor runs in a process that is not its own

    @property
    def target(self) -> str:
        """The path of the executor API. Agents serve it on their domain socket under their own name only."""
        return f"/{self.process}{TARGET}" if self.agent.scheme == "unix" else TARGET

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> ExecutorEnvironment:
        """Reads the variables of ``environ`` (None: of this process). Raises ``EnvironmentProblems`` that names all
        problems.
        """
        reader = _Reader(os.environ if environ is None else environ)
        framework_id = reader.required("MESOS_FRAMEWORK_ID", _identifier)
        executor_id = reader.required("MESOS_EXECUTOR_ID", _identifier)
        agent = reader.agent()
        rest = {
            "agent_id": reader.optional("MESOS_SLAVE_ID", _identifier, None),
            "directory": reader.optional("MESOS_DIRECTORY", str, None),
            "sandbox": reader.optional("MESOS_SANDBOX", str, None),
            "authentication_token": reader.optional("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", str, None),
        }
        process = reader.optional("MESOS_SLAVE_PID", _process, "slave(1)")
        checkpoint = reader.optional("MESOS_CHECKPOINT", _flag, default=False)
        grace = reader.optional("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", parse_duration, 5.0)
        recovery = reader.optional("MESOS_RECOVERY_TIMEOUT", parse_duration, 900.0)
        backoff = reader.optional("MESOS_SUBSCRIPTION_BACKOFF_MAX", parse_duration, 2.0)
        local = reader.optional("MESOS_LOCAL", _present, default=False)
        if reader.problems or framework_id is None or executor_id is None or agent is None:
            raise EnvironmentProblems(reader.problems)
        return cls(
            framework_id,
            executor_id,
            agent,
            process=process,
            checkpoint=checkpoint,
            shutdown_grace_period=grace,
            recovery_timeout=recovery,
            subscription_backoff_max=backoff,
            local=local,
            **rest,
        )


class _Reader:
    """Reads variables and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def required(self, name: str, parse: Callable[[str], T]) -> T | None:
        if not self._environ.get(name):
            self.problems.append(f"{name} is {'empty' if name in self._environ else 'not set'}")
            return None
        return self.optional(name, parse, None)

    def optional(self, name: str, parse: Callable[[str], T], default: T) -> T:
        value = self._environ.get(name)
        if not value:
            return default
        try:
            return parse(value)
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return default

    def agent(self) -> Address | None:
        """Where the agent is: its domain socket, else its endpoint."""
        socket = self._environ.get("MESOS_DOMAIN_SOCKET")
        if socket:
            return self.optional("MESOS_DOMAIN_SOCKET", lambda path: Address.parse(f"unix://{path}"), None)
        return self.required("MESOS_AGENT_ENDPOINT", lambda text: Address.parse(text, AGENT_PORT))


def _identifier(text: str) -> str:
    if any(character.isspace() or character in "/\\" for character in text):
        raise ValueError(f"not an id: {text!r}")
    return text


def _process(text: str) -> str:
    name, at, _ = text.partition("@")
    if not at:
        raise ValueError(f"not a process: {text!r} (as in slave(1)@10.0.0.1:5051)")
    return _identifier(name)


def _flag(text: str) -> bool:
    if text not in {"0", "1"}:
        raise ValueError(f"expected 0 or 1, not {text!r}")
    return text == "1"


def _present(_: str) -> bool:
    return True
