"""Many real processes at once: all accounted for, none left. The benchmark ``agent_scale`` has the figures."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from pymesoskit.scheduler import is_terminal, state_name
from pymesoskit.wire.v1 import mesos
from tests.agent_limits.world import World, alive, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds out about processes in /proc")

AT_ONCE = mesos.KillPolicy(grace_period=mesos.DurationInfo(nanoseconds=100_000_000))

STUBBORN = (
    "trap '' TERM; echo $$ >> pids; setsid sh -c 'trap \"\" TERM; echo $$ >> pids; sleep 1000; sleep 1000' &\n"
    "sh -c 'setsid sleep 1000 & echo $! >> pids'; while :; do sleep 1000; done"
)
#: Kind of task -> its command, and how it ends.
KINDS = {
    "short": ("exit 0", "TASK_FINISHED", "Command exited with status 0"),
    "failing": ("exit 3", "TASK_FAILED", "Command exited with status 3"),
    "long": ("echo $$ >> pids; exec sleep 1000", "TASK_KILLED", "Command terminated with signal Terminated"),
    "stubborn": (STUBBORN, "TASK_KILLED", "Command terminated with signal Killed"),
}
WRITTEN = {"long": 1, "stubborn": 3}
#: How many of each: 60 tasks, or as many as PYMESOSKIT_SCALE says.
EACH = int(os.environ.get("PYMESOSKIT_SCALE", "60")) // len(KINDS)


def test_of_many_tasks_each_is_accounted_for_and_none_is_left() -> None:
    names = [f"{kind}-{number}" for number in range(EACH) for kind in KINDS]
    with World(agents=["cpus:64;mem:8192;disk:1000"] * 10, most=-(-len(names) // 10)) as world:
        for name in names:
            world.launch(name, KINDS[name.partition("-")[0]][0], "cpus:0.1;mem:8", kill_policy=AT_ONCE)
        pids = []
        for name in names:
            count = WRITTEN.get(name.partition("-")[0])
            if count is not None:
                pids += world.pids(name, count)
                world.driver.kill(name)
        for name in names:
            world.end(name)
        until(lambda: not alive(pids), "all processes to be gone")
        for name in names:
            _, state, message = KINDS[name.partition("-")[0]]
            statuses = world.launcher.statuses[name]
            assert [state_name(s) for s in statuses] == ["TASK_STARTING", "TASK_RUNNING", state]
            assert (statuses[-1].message, len({s.uuid for s in statuses})) == (message, 3)
        tasks = Counter(task.state for task in world.cluster.tasks())
        assert tasks == {"TASK_FINISHED": EACH, "TASK_FAILED": EACH, "TASK_KILLED": 2 * EACH}
        used = {task.agent_id for task in world.cluster.tasks()}
        assert len(used) > 1
        assert used <= {agent.id for agent in world.cluster.agents}
        for agent in world.cluster.agents:
            until(lambda agent=agent: not agent._member.machine().containers(), "the executors to end")
        work_dir = world.agent._member.stage.work_dir
    assert work_dir is not None
    assert not Path(work_dir).exists()


def test_a_stop_in_the_middle_leaves_nothing() -> None:
    with World(agents=["cpus:16;mem:16384;disk:1000"] * 3) as world:
        names = [f"stubborn-{number}" for number in range(20)]
        for name in names:
            world.launch(name, KINDS["stubborn"][0], "cpus:0.1;mem:8")
        pids = [pid for name in names for pid in world.pids(name, 3)]
        assert len(alive(pids)) == 60
        assert not any(is_terminal(status) for name in names for status in world.launcher.statuses[name])
    assert not alive(pids)
