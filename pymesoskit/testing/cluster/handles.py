"""The masters and agents of a cluster as tests hold them: commands of an operator with a shell, and what can be seen.

Each method takes the cluster's turn and returns when the command has been carried out.
Source: tests/conformance/README.md, "Control".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymesoskit.testing.cluster.agents import AgentMember
    from pymesoskit.testing.cluster.masters import MasterMember
    from pymesoskit.testing.cluster.specs import AgentSpec
    from pymesoskit.testing.engine.flags.flags import AgentFlags, MasterFlags

T = TypeVar("T")


class Runner(Protocol):
    """The cluster: it gives handles their turn."""

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Runs ``function(*args)`` in the cluster's turn."""

    def wait_for(self, condition: Callable[[], bool], what: str = ..., timeout: float | None = ...) -> None:
        """Waits until the condition holds."""


class ClusterMaster:
    """A master of a cluster. It keeps its address and registry when it is started again."""

    def __init__(self, runner: Runner, member: MasterMember) -> None:
        self._runner = runner
        self._member = member

    def __repr__(self) -> str:
        what = ("leads" if self.leads else "does not lead") if self.running else "is not running"
        return f"<{self.name} at {self.address}: {'frozen, ' if self.frozen else ''}{what}>"

    @property
    def name(self) -> str:
        """``master``, or ``master N`` if there are several."""
        return self._member.name

    @property
    def flags(self) -> MasterFlags:
        """Its flags, as they were given."""
        return self._member.flags

    @property
    def running(self) -> bool:
        """Whether its process runs; a frozen one does."""
        return self._member.process is not None

    @property
    def frozen(self) -> bool:
        """Whether its process is frozen (``pause``)."""
        return self._member.frozen

    @property
    def leads(self) -> bool:
        """Whether it runs and leads. A master that is frozen or cut off leads until another one is elected."""
        return self._member.leads

    @property
    def reason(self) -> str:
        """Why its process ended by itself the last time; "" if it runs or was killed."""
        return self._member.reason

    @property
    def id(self) -> str:
        """The id of the running master. Raises ``ClusterError`` if it is not running."""
        return self._member.alive().id

    @property
    def port(self) -> int:
        """The port at which it answers HTTP, the same whenever it runs."""
        return self._member.port

    @property
    def address(self) -> str:
        """``ip:port`` at which it answers HTTP."""
        return self._member.address

    @property
    def url(self) -> str:
        """``http://ip:port`` at which it answers HTTP."""
        return f"http://{self._member.address}"

    def kill(self) -> None:
        """Ends the process as by SIGKILL. Harmless if it is not running."""
        self._runner.call(self._member.end)

    def start(self) -> None:
        """Starts the process with its flags, address and registry. Raises ``ClusterError`` if it is running."""
        self._runner.call(self._member.begin)

    def pause(self) -> None:
        """Freezes the process as by SIGSTOP. Raises ``ClusterError`` if it is not running."""
        self._runner.call(self._member.pause)

    def resume(self) -> None:
        """Lets the process go on as by SIGCONT. It ends if it led and another one leads by now.

        Raises ``ClusterError`` if it is not running.
        """
        self._runner.call(self._member.resume)


class ClusterAgent:
    """An agent of a cluster. Executors and their tasks live on its machine and outlive its process."""

    def __init__(self, runner: Runner, member: AgentMember) -> None:
        self._runner = runner
        self._member = member

    def __repr__(self) -> str:
        if not self.running:
            state = "is not running"
        else:
            state = f"{'frozen, ' if self.frozen else ''}{'registered' if self.registered else 'not registered'}"
        return f"<{self.name} at {self._member.address}: {state}, id {self.id!r}, {self.spec.resources}>"

    @property
    def name(self) -> str:
        """``agent N``."""
        return self._member.name

    @property
    def index(self) -> int:
        """Its number in ``cluster.agents``."""
        return self._member.index

    @property
    def spec(self) -> AgentSpec:
        """What it has."""
        return self._member.spec

    @property
    def flags(self) -> AgentFlags:
        """Its flags, as they were given."""
        return self._member.flags

    @property
    def running(self) -> bool:
        """Whether its process runs; a frozen one does."""
        return self._member.process is not None

    @property
    def frozen(self) -> bool:
        """Whether its process is frozen (``pause``)."""
        process = self._member.process
        return process is not None and process.lifeline.frozen

    @property
    def registered(self) -> bool:
        """Whether it is registered with a master, as far as it knows."""
        process = self._member.process
        return process is not None and process.registered

    @property
    def id(self) -> str:
        """Its agent id; "" before it has one, or while it is not running."""
        process = self._member.process
        return process.agent_id if process is not None else ""

    @property
    def port(self) -> int:
        """The port at which it answers HTTP, the same whenever it runs."""
        return self._member.port

    @property
    def hostname(self) -> str:
        """The host name that it registers with."""
        return self._member.hostname

    @property
    def address(self) -> str:
        """``ip:port`` at which it answers HTTP."""
        return self._member.address

    @property
    def url(self) -> str:
        """``http://ip:port`` at which it answers HTTP.

        An agent with simulated tasks begins to listen when this is first read: a thousand of them need no sockets.
        Raises ``ListenError`` if another process has taken its port.
        """
        if self.spec.simulated is not None:
            self._runner.call(self._member.listen)
        return f"http://{self._member.address}"

    def kill(self) -> None:
        """Ends the process as by SIGKILL; its executors live on. Harmless if it is not running."""
        self._runner.call(self._member.end)

    def term(self) -> None:
        """Ends the process as by SIGTERM, which has the same effect as SIGKILL."""
        self._runner.call(self._member.end)

    def shutdown(self, timeout: float = 30.0) -> None:
        """Ends it as by SIGUSR1: it unregisters and shuts its executors down. Returns when it has ended.

        Raises ``ClusterError`` if that takes more than ``timeout`` seconds.
        """
        self._runner.call(self._member.shut_down)
        self._runner.wait_for(lambda: not self.running, f"{self.name} to end", timeout)

    def start(self, spec: AgentSpec | None = None) -> None:
        """Starts the process with its address, work directory and flags; with ``spec`` from now on if one is given.

        ``--reconfiguration_policy`` decides what may have changed. Raises ``ClusterError`` if it is running, or if it
        refuses to start; then it is still what it was. Whether its tasks are simulated cannot change.
        """
        self._runner.call(self._member.start, spec)

    def reset(self) -> None:
        """Starts the process with an empty work directory: a new agent at the old address.

        Raises ``ClusterError`` if it is running.
        """
        self._runner.call(self._member.reset)

    def reboot(self) -> None:
        """Reboots its machine: nothing that ran there is left, what is on disk stays.

        Raises ``ClusterError`` if the agent is running.
        """
        self._runner.call(self._member.reboot)

    def pause(self) -> None:
        """Freezes the process as by SIGSTOP; its executors go on. Raises ``ClusterError`` if it is not running."""
        self._runner.call(self._member.pause)

    def resume(self) -> None:
        """Lets the process go on as by SIGCONT. Raises ``ClusterError`` if it is not running."""
        self._runner.call(self._member.resume)
