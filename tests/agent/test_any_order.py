"""Whatever happens to an agent, in whatever order: its books stay right, and each task comes to an end that is told."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pymesoskit.testing.engine.agent import Exit
from pymesoskit.testing.engine.agent.transitions import ExecutorState, Phase
from pymesoskit.testing.engine.network.messages import (
    DrainAgent,
    Message,
    PingAgent,
    RunTask,
    RunTaskGroup,
    ShutdownExecutor,
    ShutdownFramework,
    StatusUpdate,
    UpdateFramework,
)
from pymesoskit.testing.engine.states import TERMINAL_TASK_STATES
from pymesoskit.wire.v1 import mesos
from tests.agent.test_executors import UUID, CustomWorld
from tests.agent.world import FRAMEWORK_ID, executor, framework, task

EXECUTORS = ("a", "b")


class AnyOrder(RuleBasedStateMachine):
    """One agent, one framework that checkpoints, two custom executors, command tasks."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.world = CustomWorld(Path(self.directory), executor_reregistration_timeout="1secs")
        self.world.start()
        self.info = framework(checkpoint=True)
        self.launched: list[str] = []
        self.over = False  # whether the framework was shut down
        self.said: list[StatusUpdate] = []
        self.numbers = 0
        self.frozen = False

    def teardown(self) -> None:
        try:
            self.settle_all()
        finally:
            self.world.close()
            shutil.rmtree(self.directory)

    # Helpers

    def take(self) -> None:
        """What the master has heard so far is kept: a restart forgets it."""
        self.said += self.world.master.got(StatusUpdate)
        self.world.master.received.clear()

    def send(self, message: Message) -> None:
        self.world.send(message)
        self.take()

    def new_task(self, command: str | None = None) -> mesos.TaskInfo:
        self.numbers += 1
        info = task(f"t{self.numbers}", command)
        self.launched.append(info.task_id.value)
        return info

    @property
    def takes_tasks(self) -> bool:
        """Whether tasks come: what is lost on the way to an agent that is away is the master's to find out."""
        return self.world.agent.registered and not self.frozen and not self.over

    def knows(self, executor_id: str) -> bool:
        known = self.world.agent.core.frameworks.get(FRAMEWORK_ID)
        return known is not None and executor_id in known.executors

    def call(self, executor_id: str, kind: str, **payload: Any) -> None:
        self.world.call(kind, executor_id={"value": executor_id}, **payload)
        self.take()

    # What happens

    @precondition(lambda self: self.takes_tasks)
    @rule(executor_id=st.sampled_from(EXECUTORS))
    def launch(self, executor_id: str) -> None:
        info = self.new_task()
        info.executor.CopyFrom(executor(executor_id))
        self.send(RunTask(self.info, info, launch_executor=not self.knows(executor_id)))

    @precondition(lambda self: self.takes_tasks)
    @rule(executor_id=st.sampled_from(EXECUTORS))
    def launch_group(self, executor_id: str) -> None:
        tasks = (self.new_task("x"), self.new_task("x"))
        self.send(RunTaskGroup(self.info, executor(executor_id), tasks, not self.knows(executor_id)))

    @precondition(lambda self: self.takes_tasks)
    @rule()
    def launch_command(self) -> None:
        self.send(RunTask(self.info, self.new_task("x"), launch_executor=True))

    @rule(executor_id=st.sampled_from(EXECUTORS))
    def subscribe(self, executor_id: str) -> None:
        self.call(executor_id, "SUBSCRIBE", subscribe={})

    @precondition(lambda self: self.launched)
    @rule(
        executor_id=st.sampled_from(EXECUTORS),
        state=st.sampled_from(["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED", "TASK_KILLED"]),
        which=st.integers(0, 5),
        again=st.booleans(),
    )
    def update(self, executor_id: str, state: str, which: int, again: bool) -> None:
        self.numbers += 1
        uuid = UUID if again else f"{self.numbers:08d}QACAAAAAAAAAAA=="
        task_id = self.launched[-1 - which % len(self.launched)]
        status = {"task_id": {"value": task_id}, "state": state, "uuid": uuid, "source": "SOURCE_EXECUTOR"}
        self.call(executor_id, "UPDATE", update={"status": status})

    @precondition(lambda self: self.launched)
    @rule(which=st.integers(0, 5))
    def kill(self, which: int) -> None:
        self.world.kill(self.launched[-1 - which % len(self.launched)])
        self.take()

    @rule(code=st.integers(0, 3), which=st.integers(0, 5))
    def process_ends(self, code: int, which: int) -> None:
        processes = self.world.launcher.processes  # type: ignore[attr-defined]
        if processes:
            processes[-1 - which % len(processes)].on_exit(Exit.of_code(code))
            self.take()

    @rule(executor_id=st.sampled_from(EXECUTORS))
    def shutdown_executor(self, executor_id: str) -> None:
        self.send(ShutdownExecutor(FRAMEWORK_ID, executor_id))

    @rule()
    def shutdown_framework(self) -> None:
        self.over = True
        self.send(ShutdownFramework(FRAMEWORK_ID))

    @rule(gone=st.booleans())
    def drain(self, gone: bool) -> None:
        self.send(DrainAgent(mesos.DrainConfig(mark_gone=gone)))

    @rule()
    def update_framework(self) -> None:
        self.send(UpdateFramework(self.info))

    @rule(acknowledges=st.booleans())
    def acknowledge_or_not(self, acknowledges: bool) -> None:
        self.world.master.acknowledges = acknowledges

    @rule()
    def register_again(self) -> None:
        self.send(PingAgent(connected=False))

    @rule()
    def restart(self) -> None:
        self.thaw()
        self.world.agent.terminate()
        self.world.actor.settle()
        self.take()
        self.world.agent = self.world.new_agent()
        self.world.agent.start()
        self.world.actor.settle()

    @rule()
    def freeze(self) -> None:
        self.world.agent.freeze()
        self.frozen = True

    @rule()
    def thaw(self) -> None:
        if self.frozen:
            self.world.agent.thaw()
            self.frozen = False
        self.world.actor.settle()
        self.take()

    @rule(seconds=st.sampled_from([0.5, 2.0, 6.0, 70.0]))
    def wait(self, seconds: float) -> None:
        self.world.advance(seconds)
        self.take()

    # What holds

    @invariant()
    def the_books_are_right(self) -> None:
        core = self.world.agent.core
        for known in core.frameworks.values():
            kept: dict[str, Any] = {}
            for each in known.executors.values():
                for book in (each.queued, each.launched, each.terminated):
                    assert not set(book) & set(kept)
                    kept |= dict.fromkeys(book, each)
                assert all(not item.terminal for item in each.live())
                assert all(item.terminal for item in each.terminated.values())
                if each.state is ExecutorState.TERMINATED:
                    assert known.terminating or not list(each.live())
                    assert each.terminated
            assert kept == known.by_task
        if core.phase is Phase.RUNNING and core.drain is not None:
            assert core.frameworks or core.operations

    def settle_all(self) -> None:
        """Everybody does what is left to do: then each task has ended, and the agent has nothing left."""
        self.thaw()
        self.world.master.acknowledges = True
        self.world.advance(700)
        self.take()
        for _ in range(2):
            for each in EXECUTORS:
                self.send(ShutdownExecutor(FRAMEWORK_ID, each))
            for process in self.world.launcher.processes:  # type: ignore[attr-defined]
                process.on_exit(Exit.of_code(0))
            self.world.advance(700)
            self.take()
        core = self.world.agent.core
        assert core.phase is Phase.RUNNING
        assert list(core.executors()) == []
        assert list(core.tasks()) == []
        ended = {s.status.task_id.value for s in self.said if s.status.state in TERMINAL_TASK_STATES}
        assert self.over or set(self.launched) <= ended


AnyOrder.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestAnyOrder = AnyOrder.TestCase
