"""One agent in virtual time, and a master that does what the test says."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import queue
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.agent import (
    Agent,
    Endpoint,
    Host,
    Outcomes,
    ProcessLauncher,
    SimulatedLauncher,
)
from pymesoskit.testing.engine.flags.flags import AgentFlags
from pymesoskit.testing.engine.http.handler import Headers, Request, Response
from pymesoskit.testing.engine.leadership import FixedLeader
from pymesoskit.testing.engine.machine.prober import NetworkProber
from pymesoskit.testing.engine.network.messages import (
    AgentRegistered,
    AgentReregistered,
    KillTask,
    Message,
    PingAgent,
    RegisterAgent,
    ReregisterAgent,
    RunTask,
    RunTaskGroup,
    StatusUpdate,
    StatusUpdateAcknowledgement,
)
from pymesoskit.testing.engine.network.network import Address, Network
from pymesoskit.testing.runtime.actor import Deadlock, SimulatedActor
from pymesoskit.testing.runtime.clock import VirtualTimer
from pymesoskit.testing.runtime.history import History
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable

MASTER = "master@127.0.0.1:5050"
FRAMEWORK_ID = "M-0000"
PA = mesos.FrameworkInfo.Capability.PARTITION_AWARE

M = TypeVar("M")


def open_to_all(directory: Path) -> None:
    """Lets all users pass through the directory of a test: pytest closes the directories above it."""
    for part in (directory, *directory.parents):
        if part == Path(tempfile.gettempdir()):
            return
        part.chmod(0o755)


def framework(
    *capabilities: Any, checkpoint: bool = False, framework_id: str = FRAMEWORK_ID, partition_aware: bool = True
) -> mesos.FrameworkInfo:
    info = mesos.FrameworkInfo(name="f", user="root", checkpoint=checkpoint, roles=["web"])
    info.id.value = framework_id
    for capability in (*((PA,) if partition_aware else ()), *capabilities):
        info.capabilities.add(type=capability)
    return info


def resources(text: str = "cpus:0.1;mem:32", role: str = "web") -> list[mesos.Resource]:
    return Resources.parse(text).allocated(role).to_messages()


def task(task_id: str = "t1", command: str | None = "true", **fields: Any) -> mesos.TaskInfo:
    info = mesos.TaskInfo(name=task_id, **fields)
    info.task_id.value = task_id
    info.agent_id.value = "M-S0"
    info.resources.extend(resources())
    if command is not None:
        info.command.value = command
    return info


def executor(executor_id: str = "custom", command: str = "run", **fields: Any) -> mesos.ExecutorInfo:
    info = mesos.ExecutorInfo(type=mesos.ExecutorInfo.CUSTOM, **fields)
    info.executor_id.value = executor_id
    info.framework_id.value = FRAMEWORK_ID
    info.command.value = command
    info.resources.extend(resources())
    return info


def default_executor(executor_id: str = "default") -> mesos.ExecutorInfo:
    info = mesos.ExecutorInfo(type=mesos.ExecutorInfo.DEFAULT)
    info.executor_id.value = executor_id
    info.framework_id.value = FRAMEWORK_ID
    info.resources.extend(resources("cpus:0.1;mem:32;disk:32"))
    return info


class FakeMaster:
    """Registers agents at once, acknowledges updates if asked to, keeps all it has received."""

    def __init__(self, network: Network, actor: SimulatedActor) -> None:
        self.network = network
        self.actor = actor
        self.pings = True
        self.received: list[Message] = []
        self.acknowledges = True
        self.answers = True
        self.agents = 0
        network.attach(MASTER, self)

    def receive(self, sender: Address, message: Message) -> None:
        self.received.append(message)
        if isinstance(message, RegisterAgent) and self.answers:
            self.send(sender, AgentRegistered(f"M-S{self.agents}", 75.0))
            self.agents += 1
        elif isinstance(message, ReregisterAgent) and self.answers:
            self.send(sender, AgentReregistered(message.agent_info.id.value, 75.0))
        elif isinstance(message, StatusUpdate) and self.acknowledges:
            self.acknowledge(sender, message)

    def acknowledge(self, agent: Address, update: StatusUpdate) -> None:
        status = update.status
        self.send(
            agent,
            StatusUpdateAcknowledgement(status.agent_id.value, update.framework_id, status.task_id.value, status.uuid),
        )

    def exited(self, peer: Address) -> None: ...

    def ping(self, agent: Address) -> None:
        if self.pings:
            self.send(agent, PingAgent(connected=True))
            self.actor.clock.call_later(15.0, self.ping, agent)

    def send(self, to: Address, message: Message) -> None:
        self.network.send(MASTER, to, message)

    def got(self, kind: type[M]) -> list[M]:
        return [message for message in self.received if isinstance(message, kind)]

    def statuses(self, task_id: str | None = None) -> list[mesos.TaskStatus]:
        found = [update.status for update in self.got(StatusUpdate)]
        return [status for status in found if task_id in {None, status.task_id.value}]

    def states(self, task_id: str | None = None) -> list[str]:
        return [mesos.TaskState.Name(status.state) for status in self.statuses(task_id)]


class FakeStream:
    def __init__(self, on_close: Callable[[], None]) -> None:
        self.data = b""
        self.ended = False
        self.aborted = False
        self.on_close = on_close

    def write(self, data: Any) -> None:
        self.data += data if isinstance(data, bytes) else b"".join(data)

    def end(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.aborted = True

    @property
    def closed(self) -> bool:
        return self.ended or self.aborted


class Answer:
    """A ``Responder`` that keeps what it is given."""

    def __init__(self) -> None:
        self.response: Response | None = None
        self.opened: FakeStream | None = None

    def respond(self, response: Response) -> None:
        assert self.response is None
        self.response = response

    def stream(self, status: int, headers: Headers, on_close: Callable[[], None]) -> FakeStream:
        self.response = Response(status, b"", headers)
        self.opened = FakeStream(on_close)
        return self.opened

    def on_close(self, callback: Callable[[], None]) -> None: ...


class RealTimeActor:
    """An actor in real time that the test's own thread moves: for real processes, and no thread of the actor's."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[Callable[..., object], tuple[Any, ...]]] = queue.SimpleQueue()
        self._timers: list[tuple[float, int, VirtualTimer]] = []
        self._count = itertools.count()
        self.clock = self

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> VirtualTimer:
        timer = VirtualTimer(time.monotonic() + max(0.0, delay), callback, args)
        heapq.heappush(self._timers, (timer.due, next(self._count), timer))
        return timer

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        self._queue.put((callback, args))

    def settle(self) -> None:
        while not self._queue.empty():
            callback, args = self._queue.get()
            callback(*args)

    def run_until(self, condition: Callable[[], object], limit: float = 20.0) -> None:
        deadline = time.monotonic() + limit
        self.settle()
        while not condition():
            now = time.monotonic()
            if now > deadline:
                raise Deadlock(f"the condition did not come to hold within {limit:g} s")
            while self._timers and self._timers[0][0] <= now:
                timer = heapq.heappop(self._timers)[2]
                if timer.callback is not None:
                    timer.callback(*timer.args)
            next_due = min(deadline, self._timers[0][0] if self._timers else deadline)
            with contextlib.suppress(queue.Empty):
                callback, args = self._queue.get(timeout=min(0.02, max(0.001, next_due - time.monotonic())))
                callback(*args)
            self.settle()


class World:
    """A machine with an agent on it, and a master."""

    def __init__(
        self, outcomes: Outcomes | None = None, work_dir: Path | None = None, actor: Any = None, **flags: str
    ) -> None:
        self.actor = SimulatedActor() if actor is None else actor
        self.network = Network(self.actor)
        self.master = FakeMaster(self.network, self.actor)
        self.rng = random.Random(1)
        self.flags = AgentFlags.from_texts(flags)
        self.history = History(self.actor.clock.time)
        self.launcher = self.make_launcher({} if outcomes is None else outcomes)
        self.prober = self.make_prober()
        self.host = Host(
            work_dir, actor=self.actor, launcher=self.launcher, rng=self.rng, environment={}, prober=self.prober
        )
        self.ended: list[str | None] = []
        self.estimator: Any = None
        self.controller: Any = None
        self.agent = self.new_agent()
        self.resources = "cpus:4;mem:4096;disk:10000;ports:[31000-32000]"

    def new_agent(self, resources: str = "cpus:4;mem:4096;disk:10000;ports:[31000-32000]") -> Agent:
        return Agent(
            Endpoint("127.0.0.1", "127.0.0.1", 5051),
            self.flags,
            resources=Resources.parse(resources),
            attributes=(),
            host=self.host,
            actor=self.actor,
            network=self.network,
            leadership=FixedLeader(mesos.MasterInfo(pid=MASTER)),
            rng=self.rng,
            history=self.history,
            on_end=self.ended.append,
            estimator=self.estimator,
            qos_controller=self.controller,
        )

    def make_launcher(self, outcomes: Outcomes) -> Any:
        return SimulatedLauncher(self.actor, outcomes)

    def make_prober(self) -> Any:
        return FakeProber()

    def start(self) -> World:
        self.agent.start()
        self.actor.run_until(lambda: self.agent.registered)
        self.master.ping(self.agent.address)
        return self

    def restart(self) -> None:
        self.agent.terminate()
        self.actor.settle()
        self.master.received.clear()
        self.agent = self.new_agent()
        self.agent.start()

    def send(self, message: Message) -> None:
        self.master.send(self.agent.address, message)
        self.actor.settle()

    def run(
        self, *tasks: mesos.TaskInfo, info: mesos.FrameworkInfo | None = None, launch_executor: bool = True
    ) -> None:
        for each in tasks:
            self.send(RunTask(info or framework(), each, launch_executor))

    def run_group(
        self, *tasks: mesos.TaskInfo, info: mesos.FrameworkInfo | None = None, launch_executor: bool = True
    ) -> None:
        self.send(RunTaskGroup(info or framework(), default_executor(), tasks, launch_executor))

    def kill(self, task_id: str, policy: mesos.KillPolicy | None = None) -> None:
        self.send(KillTask(FRAMEWORK_ID, task_id, policy))

    def until_state(self, task_id: str, state: str, limit: float = 3600.0) -> mesos.TaskStatus:
        self.actor.run_until(lambda: state in self.master.states(task_id), limit)
        return next(s for s in self.master.statuses(task_id) if mesos.TaskState.Name(s.state) == state)

    def close(self) -> None:
        self.agent.terminate()
        self.host.close()
        self.launcher.close()

    def advance(self, seconds: float) -> None:
        self.actor.advance(seconds)

    def http(self, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
        answer = Answer()
        given = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        self.agent.http(Request(method, target, given, body), answer)
        self.actor.settle()
        return answer


class FakeProber:
    """Answers looks at once, as the test has set it."""

    def __init__(self) -> None:
        self.http_status: int | None = 200
        self.listens = True

    def http(self, url: str, timeout: float, on_result: Callable[[int | None], None]) -> None:
        on_result(self.http_status)

    def tcp(self, host: str, port: int, timeout: float, on_result: Callable[[bool], None]) -> None:
        on_result(self.listens)


class RealWorld(World):
    """The same with real processes, in real time."""

    def __init__(self, work_dir: Path, **flags: str) -> None:
        flags.setdefault("registration_backoff_factor", "1ms")
        super().__init__(work_dir=work_dir, actor=RealTimeActor(), **flags)

    def make_launcher(self, outcomes: Outcomes) -> ProcessLauncher:
        return ProcessLauncher(self.actor)

    def make_prober(self) -> NetworkProber:
        return NetworkProber(self.actor)

    def close(self) -> None:
        super().close()
        self.prober.close()

    def sandbox(self, executor_id: str = "t1") -> Path:
        """The sandbox of the executor's latest run."""
        assert self.host.work_dir is not None
        (found,) = self.host.work_dir.glob(f"slaves/*/frameworks/*/executors/{executor_id}/runs/latest")
        return found.resolve()
