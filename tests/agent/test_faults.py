"""Whatever raises in the middle of a launch, an update, a re-registration or a recovery: the agent's books are settled.

Each case lets one call in the agent's modules raise, the n-th of a whole life of an agent, and goes on as if nothing had
happened. In the end no executor and no container is left, and each task has been reported as ended.
``PYMESOSKIT_FAULTS=1`` (``make nightly``) tries each call, else a sample of them is tried.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pymesoskit.testing.engine as engine
from pymesoskit.testing.engine.agent import Exit
from pymesoskit.testing.engine.agent.transitions import Phase
from pymesoskit.testing.engine.network.messages import (
    PingAgent,
    RunTask,
    RunTaskGroup,
    ShutdownExecutor,
    StatusUpdate,
    UpdateFramework,
)
from pymesoskit.testing.engine.states import TERMINAL_TASK_STATES
from pymesoskit.testing.runtime.actor import SimulatedActor
from pymesoskit.testing.runtime.clock import VirtualClock, VirtualTimer
from tests.agent.test_executors import CustomWorld
from tests.agent.world import FRAMEWORK_ID, executor, framework, task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Self

ENGINE = Path(engine.__file__).parent
#: The modules in which calls raise: those that act, those that write to the disk, and those that send.
MODULES = frozenset(
    str(ENGINE / name)
    for name in (
        "agent/executors.py", "agent/frameworks.py", "agent/host.py", "agent/killing.py", "agent/launch.py",
        "agent/operations.py", "agent/provisioning.py", "agent/recovery.py", "agent/reports.py",
        "agent/subscriptions.py", "agent/access.py", "containers/store.py", "containers/sandboxes.py",
        "containers/commands.py", "containers/volumes.py", "containers/environment.py", "agent/core.py",
    )
)  # fmt: skip
#: Calls that do not raise here: a launch that has not begun has not reached the agent, and ``Core`` only keeps records.
SPARED = frozenset(
    {"run_task", "run_group", "_run", "framework_of"}
    | {"__init__", "executor_socket", "call", "call_agent"}  # of the executors, and of what makes the agent
    | {
        "agent_id",
        "attempt",
        "ensure",
        "count",
        "executor_of",
        "executors",
        "lost_state",
        "note",
        "post",
        "step",
        "tasks",
    }
)
EVERY = 1 if os.environ.get("PYMESOSKIT_FAULTS") else 23


class Injected(Exception):
    """The fault."""


class Fault:
    """Lets the n-th call in ``MODULES`` raise, as a profile function; counts only if ``at`` is 0."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.calls = 0
        self.where = ""

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        if event != "call" or code.co_filename not in MODULES or code.co_name in SPARED or code.co_name[0] == "<":
            return
        self.calls += 1
        if self.calls == self.at:
            self.where = f"{Path(code.co_filename).stem}.{code.co_name}"
            raise Injected(self.where)

    def __enter__(self) -> Self:
        sys.setprofile(self)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)


def calmly(callback: Callable[..., object], *args: Any) -> None:
    """Does what the actor does with an exception that escapes from a turn: later turns are not affected by it."""
    with contextlib.suppress(Injected):
        callback(*args)


class CalmClock(VirtualClock):
    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> VirtualTimer:
        return super().call_later(delay, calmly, callback, *args)


class CalmActor(SimulatedActor):
    def __init__(self) -> None:
        super().__init__(CalmClock())

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        super().post(calmly, callback, *args)


class Life:
    """One life of an agent with two custom executors, command tasks and a restart."""

    def __init__(self, directory: Path) -> None:
        self.world = CustomWorld(directory, actor=CalmActor(), executor_reregistration_timeout="1secs")
        self.world.start()
        self.info = framework(checkpoint=True)
        self.launched: list[str] = []
        self.said: list[StatusUpdate] = []

    def take(self) -> None:
        self.said += self.world.master.got(StatusUpdate)
        self.world.master.received.clear()

    def ended(self) -> set[str]:
        return {each.status.task_id.value for each in self.said if each.status.state in TERMINAL_TASK_STATES}

    def start_agent(self) -> None:
        """Starts a new agent process, and another one if that could not recover."""
        self.take()
        self.world.agent = self.world.new_agent()
        calmly(self.world.agent.start)
        self.world.actor.settle()
        if self.world.agent.phase is Phase.ENDED:
            self.start_agent()

    def knows(self, executor_id: str) -> bool:
        return self.world.agent.core.executor_of(FRAMEWORK_ID, executor_id) is not None

    def launch(self, executor_id: str, *task_ids: str) -> None:
        infos = [task(each, None) for each in task_ids]
        self.launched += task_ids
        new = not self.knows(executor_id)
        if len(infos) > 1:
            self.world.send(RunTaskGroup(self.info, executor(executor_id), infos, new))
        else:
            infos[0].executor.CopyFrom(executor(executor_id))
            self.world.send(RunTask(self.info, infos[0], launch_executor=new))

    def command(self, task_id: str) -> None:
        self.launched.append(task_id)
        self.world.send(RunTask(self.info, task(task_id, "x"), launch_executor=True))

    def call(self, executor_id: str, kind: str, **payload: Any) -> None:
        calmly(lambda: self.world.call(kind, executor_id={"value": executor_id}, **payload))
        self.world.actor.settle()

    def update(self, executor_id: str, task_id: str, state: str, number: int) -> None:
        uuid = f"{number:08d}QACAAAAAAAAAAA=="
        status = {"task_id": {"value": task_id}, "state": state, "uuid": uuid, "source": "SOURCE_EXECUTOR"}
        self.call(executor_id, "UPDATE", update={"status": status})

    def end_processes(self) -> None:
        for process in self.world.launcher.processes:  # type: ignore[attr-defined]
            calmly(process.on_exit, Exit.of_code(0))
        self.world.actor.settle()

    def live(self) -> None:
        self.launch("a", "t1")
        self.call("a", "SUBSCRIBE", subscribe={})
        self.update("a", "t1", "TASK_RUNNING", 1)
        self.launch("a", "t2")
        self.update("a", "t2", "TASK_FINISHED", 2)
        self.launch("b", "t3", "t4")
        self.world.kill("t3")
        self.command("c1")
        self.launch("b", "t5")
        self.call("b", "SUBSCRIBE", subscribe={})
        self.world.advance(1)
        self.world.send(PingAgent(connected=False))
        self.world.advance(5)
        self.world.send(UpdateFramework(self.info, after_reregistration=True))
        self.world.agent.terminate()
        self.world.actor.settle()
        self.start_agent()
        self.call("a", "SUBSCRIBE", subscribe={})
        self.world.advance(5)
        self.launch("b", "t6")
        self.end_processes()

    def settle(self) -> None:
        """All that waits for something gets it, or its timeout; an agent that has ended is started again."""
        for _ in range(3):
            if self.world.agent.phase is Phase.ENDED:
                self.start_agent()
            self.world.advance(700)
            for each in ("a", "b"):
                self.world.send(ShutdownExecutor(FRAMEWORK_ID, each))
            self.end_processes()
            self.world.advance(700)
            self.take()


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    life = Life(tmp_path)
    yield life
    life.world.close()


def calls_of_a_life(directory: Path) -> int:
    life = Life(directory)
    with Fault(0) as fault:
        life.live()
    life.world.close()
    return fault.calls


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> int:
    return calls_of_a_life(tmp_path_factory.mktemp("count"))


#: More than there are; what is beyond the last call is left out.
MOST = 1000


@pytest.mark.parametrize("at", range(1, MOST, EVERY))
def test_one_call_that_raises_leaves_no_task_and_no_executor_behind(life: Life, calls: int, at: int) -> None:
    assert calls < MOST
    if at > calls:
        return
    with Fault(at) as fault:
        life.live()
    assert fault.where
    life.settle()
    core = life.world.agent.core
    assert core.phase is Phase.RUNNING, fault.where
    assert [each.id for _, each in core.executors()] == [], fault.where
    assert life.world.host.containers() == [], fault.where
    assert set(life.launched) - life.ended() == set(), fault.where


def test_the_agents_work_goes_on_after_a_step_that_raises(life: Life) -> None:
    done: deque[int] = deque()

    def step(number: int) -> None:
        if number == 1:
            raise Injected
        done.append(number)

    for number in range(3):
        life.world.agent.core.attempt(step, number)
    life.world.actor.settle()
    assert list(done) == [0, 2]
