"""What tasks do that mean harm, or do harm without meaning it: contained, reported, and no matter to other tasks."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pymesoskit.scheduler import state_name
from pymesoskit.wire.v1 import mesos
from tests.agent_limits.world import World, alive, until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds out about processes in /proc")

WATCHED = {
    "isolation": "cgroups/mem,disk/du",
    "enforce_container_disk_quota": "true",
    "container_disk_watch_interval": "50ms",
}
Reason = mesos.TaskStatus


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(agent_flags=WATCHED) as world:
        yield world


@pytest.fixture(autouse=True)
def neighbour(world: World, request: pytest.FixtureRequest) -> Iterator[None]:
    """Another task of the same agent, which must live through whatever the test does."""
    name = "neighbour-" + re.sub(r"\W", "-", request.node.name)
    world.launch(name, "echo $$ >> pids; exec sleep 1000")
    world.wait(name, "TASK_RUNNING")
    (pid,) = world.pids(name, 1)
    yield
    assert alive([pid])
    assert [state_name(s) for s in world.launcher.statuses[name]] == ["TASK_STARTING", "TASK_RUNNING"]
    world.driver.kill(name)
    assert state_name(world.end(name)) == "TASK_KILLED"


def limited(**limits: int) -> mesos.ContainerInfo:
    container = mesos.ContainerInfo(type=mesos.ContainerInfo.MESOS)
    for name, limit in limits.items():
        container.rlimit_info.rlimits.add(
            type=mesos.RLimitInfo.RLimit.Type.Value(f"RLMT_{name}"), soft=limit, hard=limit
        )
    return container


BOMB = "f() { f & f & wait; }; f"
AT_ONCE = mesos.KillPolicy(grace_period=mesos.DurationInfo(nanoseconds=50_000_000))
MUCH = "cpus:0.1;mem:8192;disk:1"


def test_a_task_that_forks_without_end_is_ended_at_its_limit_of_processes(world: World) -> None:
    world.launch("bomb", f"echo $$ >> pids; {BOMB}", MUCH, container=limited(NPROC=100))
    (pid,) = world.pids("bomb", 1)
    until(lambda: "bomb" in world.launcher.ended or len(session(pid)) > 50)
    if os.geteuid() == 0:  # whom the kernel does not limit
        status = world.end("bomb")
        assert state_name(status) == "TASK_FAILED"
        assert status.reason == Reason.REASON_CONTAINER_LIMITATION
        assert status.message == "Command terminated with signal Killed: more than 100 processes"
    else:
        world.driver.kill("bomb")
        world.end("bomb")
    until(lambda: not session(pid), "the last of them to be gone")


def test_a_task_of_many_processes_that_ignore_sigterm_can_be_killed(world: World) -> None:
    many = "i=0; while test $i -lt 150; do sleep 1000 & i=$((i+1)); done"
    world.launch("tail", f"trap '' TERM; echo $$ >> pids; {many}; wait", MUCH, kill_policy=AT_ONCE)
    (pid,) = world.pids("tail", 1)
    until(lambda: len(session(pid)) > 100)
    world.driver.kill("tail")
    assert state_name(world.end("tail")) == "TASK_KILLED"
    until(lambda: not session(pid), "the last of them to be gone")


def session(pid: int) -> list[int]:
    """The processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == pid and fields[0] != b"Z":
                found.append(int(entry.name))
    return found


def test_a_task_that_fills_its_sandbox_fails_at_its_quota(world: World) -> None:
    world.launch("writer", "while :; do head -c 65536 /dev/zero >> junk; done", "cpus:0.1;mem:32;disk:2")
    status = world.end("writer")
    assert state_name(status) == "TASK_FAILED"
    assert status.source == mesos.TaskStatus.SOURCE_AGENT
    assert status.reason == Reason.REASON_CONTAINER_LIMITATION_DISK
    assert status.message.startswith("Disk usage (")
    assert status.message.endswith(") exceeds quota (2MB)")
    assert [(r.name, r.scalar.value) for r in status.limitation.resources] == [("disk", 2)]


def test_a_task_that_stays_below_its_quota_does_not_suffer(world: World) -> None:
    world.launch("modest", "head -c 900000 /dev/zero > junk; echo done; sleep 1000", "cpus:0.1;mem:32;disk:1")
    world.wait("modest", "TASK_RUNNING")
    key = {"executor_id": "modest"}

    def used() -> int:
        found = [c for c in world.get_json("/containers") if key.items() <= c.items()]
        statistics = found[0].get("statistics", {}) if found else {}
        return statistics.get("disk_used_bytes", 0)

    until(lambda: used() > 900_000)
    (container,) = [c for c in world.get_json("/containers") if key.items() <= c.items()]
    assert container["statistics"]["disk_limit_bytes"] == 1 << 20
    world.driver.kill("modest")
    assert state_name(world.end("modest")) == "TASK_KILLED"


HUNGRY = f'exec {sys.executable} -S -c "x = bytearray(200 << 20); import signal; signal.pause()"'


def test_a_task_that_takes_more_memory_than_it_holds_fails(world: World) -> None:
    world.launch("hungry", HUNGRY, "cpus:0.1;mem:64;disk:1")
    status = world.end("hungry")
    assert state_name(status) == "TASK_FAILED"
    assert status.reason == Reason.REASON_CONTAINER_LIMITATION_MEMORY
    first, *rest = status.message.splitlines()
    assert first.startswith("Memory limit exceeded: Requested: 96MB Maximum Used: ")  # 32 are its executor's
    assert rest[:2] == ["", "MEMORY STATISTICS: "]
    (held,) = status.limitation.resources
    assert held.name == "mem"
    assert held.scalar.value > 96


def test_a_limit_of_memory_counts_instead_of_what_the_task_holds(world: World) -> None:
    limit = {"mem": mesos.Value.Scalar(value=400)}
    world.launch("burst", HUNGRY, "cpus:0.1;mem:64;disk:1", limits=limit)
    world.wait("burst", "TASK_RUNNING")

    def rss() -> int:
        found = [c for c in world.get_json("/monitor/statistics") if c["executor_id"] == "burst"]
        return found[0]["statistics"]["mem_rss_bytes"] if found else 0

    until(lambda: rss() > 200 << 20)
    world.driver.kill("burst")
    assert state_name(world.end("burst")) == "TASK_KILLED"


def test_a_task_that_closes_its_descriptors_runs_and_ends_like_any_other(world: World) -> None:
    program = (
        "import os, sys; os.closerange(0, 4096); os.open('/dev/null', os.O_RDWR); "
        "open('pids', 'a').write(f'{os.getpid()}\\n'); import time; [time.sleep(0.01) for _ in range(10)]; os._exit(7)"
    )
    world.launch(
        "closer", mesos.CommandInfo(shell=False, value=sys.executable, arguments=["python", "-S", "-c", program])
    )
    status = world.end("closer")
    assert (state_name(status), status.message) == ("TASK_FAILED", "Command exited with status 7")


def test_a_task_that_kills_all_it_can_reach_of_its_group_harms_only_itself(world: World) -> None:
    world.launch("suicidal", "kill -9 0")
    assert world.end("suicidal").message == "Command terminated with signal Killed"


def test_a_task_that_stops_itself_can_be_killed(world: World) -> None:
    world.launch("stopped", "echo $$ >> pids; kill -STOP $$; sleep 1000", kill_policy=AT_ONCE)
    (pid,) = world.pids("stopped", 1)
    world.driver.kill("stopped")
    assert state_name(world.end("stopped")) == "TASK_KILLED"
    assert not alive([pid])


def test_a_task_without_an_end_to_its_output_is_read_while_it_runs(world: World) -> None:
    world.launch("yes", "exec yes", "cpus:0.1;mem:32;disk:10000")
    world.wait("yes", "TASK_RUNNING")
    path = f"{world.sandbox('yes')}/stdout"
    until(lambda: world.get_json("/files/read", path=path)["offset"] > 200_000)
    assert world.get_json("/files/read", path=path, offset=0, length=4) == {"data": "y\ny\n", "offset": 0}
    assert len(world.get_json("/files/read", path=path, offset=0)["data"]) == 16 * 4096
    world.driver.kill("yes")
    world.end("yes")


# Files

SECRET = Path("/etc/passwd")


def all_answers(world: World, path: str) -> list[tuple[int, bytes]]:
    """What every way to files says of the path."""
    answers = [world.get(f"/files/{way}", path=path, **extra) for way, extra in WAYS]
    for kind, payload in (("READ_FILE", {"path": path, "offset": 0}), ("LIST_FILES", {"path": path})):
        call = json.dumps({"type": kind, kind.lower(): payload}).encode()
        answers.append(world.request("POST", "/api/v1", call, content_type="application/json"))
    return answers


WAYS: list[tuple[str, dict[str, int]]] = [("browse", {}), ("read", {"offset": 0}), ("read", {}), ("download", {})]

PATHS = [
    "{sandbox}/../../../../../../../../../../../../../../etc/passwd",
    "{sandbox}/../../../../../../../../../../../../../../etc",
    "../../etc/passwd",
    "/../../etc/passwd",
    "/etc/passwd",
    "{sandbox}/./.././../meta",
    "{sandbox}/link",
    "{sandbox}/chain/passwd",
    "{sandbox}/relative/etc/passwd",
    "{sandbox}//etc/passwd",
    "{sandbox}/%2e%2e/%2e%2e",
    "{sandbox}/sub/../link",
    "/frameworks/{framework}/executors/files/runs/latest/link",
    "/frameworks/{framework}/executors/files/runs/latest/../../../../../../../../../etc/passwd",
    "{sandbox}/stdout\0/../link",
]


def test_no_file_outside_a_sandbox_is_served(world: World) -> None:
    script = (
        "mkdir sub; ln -s /etc/passwd link; ln -s /etc etc; ln -s etc chain; ln -s ../../../../../../../../../../.. relative;"
        " mkfifo pipe; touch ready; sleep 1000"
    )
    world.launch("files", script)
    world.wait("files", "TASK_RUNNING")
    sandbox = world.sandbox("files")
    until((sandbox / "ready").exists)
    secret = SECRET.read_bytes().splitlines()[0]
    for template in PATHS:
        path = template.format(sandbox=sandbox, framework=world.driver.framework_id)
        for status, body in all_answers(world, path):
            assert secret not in body, (path, body)
            assert status in {400, 404} or json.loads(body) in ([], LISTED_NOTHING), (path, status, body)
    status, body = world.get("/files/read", path=f"{sandbox}/pipe", offset=0)
    assert status == 500, body
    world.driver.kill("files")
    world.end("files")


LISTED_NOTHING = {"type": "LIST_FILES", "list_files": {}}


@pytest.mark.parametrize("restarted", [False, True], ids=["", "after the agent was restarted"])
def test_a_sandbox_replaced_by_a_link_leads_nowhere(restarted: bool) -> None:
    with World(agent_flags=WATCHED, checkpoint=True) as world:
        world.launch("other", "echo fine; sleep 1000")
        world.launch(
            "replacer", 'cd /; mv "$MESOS_SANDBOX" "$MESOS_SANDBOX.old"; ln -s /etc "$MESOS_SANDBOX"; sleep 1000'
        )
        world.wait("replacer", "TASK_RUNNING")
        world.wait("other", "TASK_RUNNING")
        work_dir = world.agent._member.machine().work_dir
        assert work_dir is not None
        latest = next(work_dir.glob("slaves/*/frameworks/*/executors/replacer/runs")) / "latest"
        link = latest.parent / latest.readlink()
        until(link.is_symlink)
        other = world.sandbox("other")
        if restarted:
            world.agent.kill()
            world.agent.start()
            world.cluster.wait_for_agents()
        virtual = f"/frameworks/{world.driver.framework_id}/executors/replacer/runs/latest"
        for path in (f"{link}/passwd", f"{link}/../passwd", f"{virtual}/passwd", str(link), virtual):
            for status, body in all_answers(world, path):
                assert b"root:" not in body
                assert b"hosts" not in body
                assert status in {400, 404}, (path, status, body)
        assert world.get_json("/files/read", path=f"{other}/stdout", offset=0)["data"] == "fine\n"
        world.driver.kill("replacer")
        assert state_name(world.end("replacer")) == "TASK_KILLED"
        assert SECRET.exists()


# Use


def test_use_of_real_processes_is_measured(world: World) -> None:
    busy = f"echo $$ >> pids; {sys.executable} -S -c 'x = bytearray(20 << 20)\nwhile True: pass' & sleep 1000 & wait"
    world.launch("busy", busy, "cpus:0.5;mem:256;disk:10")
    world.wait("busy", "TASK_RUNNING")

    def statistics() -> dict[str, float]:
        found = [c for c in world.get_json("/monitor/statistics") if c["executor_id"] == "busy"]
        return found[0]["statistics"] if found else {}

    until(lambda: statistics().get("cpus_user_time_secs", 0) > 0.1)
    seen = statistics()
    assert seen["mem_rss_bytes"] > 20 << 20
    assert seen["mem_limit_bytes"] == (256 + 32) << 20
    assert seen["cpus_soft_limit"] == pytest.approx(0.6)
    (container,) = [c for c in world.get_json("/containers") if c["executor_id"] == "busy"]
    assert container["statistics"]["cpus_user_time_secs"] >= seen["cpus_user_time_secs"]
    (pid,) = world.pids("busy", 1)
    os.kill(pid, signal.SIGKILL)
    assert world.end("busy").message == "Command terminated with signal Killed"
