"""The logs that masters and agents write under --log_dir, and who reads them (operator-api.md 3.4)."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from pymesoskit.testing.cluster.cluster import Cluster, ClusterError, SimulatedCluster
from pymesoskit.testing.cluster.handles import ClusterAgent, ClusterMaster
from pymesoskit.testing.engine.http.handler import Request, Response
from pymesoskit.wire.v1 import scheduler

LINE = re.compile(r"I\d{4} \d{2}:\d{2}:\d{2}\.\d{6} \d+\] .+")


class Answer:
    """Takes one answer."""

    def __init__(self) -> None:
        self.response: Response | None = None

    def respond(self, response: Response) -> None:
        self.response = response

    def stream(self, *_: object) -> Any:
        raise AssertionError("nothing streams here")

    def on_close(self, callback: object) -> None:
        pass


def ask(member: ClusterMaster | ClusterAgent, target: str, call: dict[str, Any] | None = None) -> Response:
    """A request to one of the members, straight to its handler."""
    answer = Answer()
    assert member._member.handler is not None
    body = json.dumps(call).encode() if call is not None else b""
    headers = (("content-type", "application/json"), ("accept", "application/json"))
    member._member.handler(Request("POST" if call is not None else "GET", target, headers, body), answer)
    assert answer.response is not None
    return answer.response


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_process_tells_its_log_what_it_tells_the_history(tmp_path: Path) -> None:
    flags = {"log_dir": str(tmp_path / "logs")}
    with SimulatedCluster(1, master_flags=flags, agent_flags=flags) as cluster:
        agent_id = cluster.agents[0].id
        master_log, agent_log = lines(tmp_path / "logs/mesos-master.INFO"), lines(tmp_path / "logs/mesos-agent.INFO")
    for log in (master_log, agent_log):
        assert [line.partition(":")[0] for line in log[:3]] == [
            "Log file created at",
            "Running on machine",
            "Log line format",
        ]
        assert all(map(LINE.fullmatch, log[3:])), log
    assert any(
        line.endswith(f"agent {agent_id} at {cluster.agents[0]._member.process_address} is registered")
        for line in master_log
    )
    assert not any("is registered" in line for line in agent_log)


def test_files_shows_the_log_and_where_it_really_is(tmp_path: Path) -> None:
    flags = {"log_dir": str(tmp_path)}
    with SimulatedCluster(1, master_flags=flags, agent_flags=flags) as cluster:
        for member, name in ((cluster.master, "master"), (cluster.agents[0], "slave")):
            (virtual,) = json.loads(ask(member, "/files/debug").body).items()
            assert virtual[0] == f"/{name}/log"
            program = "mesos-master" if name == "master" else "mesos-agent"
            assert Path(virtual[1]) == (tmp_path / f"{program}.INFO").resolve()
            read = json.loads(ask(member, f"/files/read?path=/{name}/log&offset=0&length=11").body)
            assert read == {"data": "Log file cr", "offset": 0}
            call = {"type": "READ_FILE", "read_file": {"path": f"/{name}/log", "offset": 0, "length": 3}}
            assert json.loads(ask(member, "/api/v1", call).body)["read_file"]["data"] == "TG9n"


def test_each_life_has_a_log_of_its_own(tmp_path: Path) -> None:
    with SimulatedCluster(
        2, master_flags={"log_dir": str(tmp_path)}, agent_flags={"log_dir": str(tmp_path)}
    ) as cluster:
        first = (tmp_path / "mesos-master.INFO").resolve()
        cluster.master.kill()
        assert lines(first)[-1].endswith("ends")
        cluster.master.start()
        assert (tmp_path / "mesos-master.INFO").resolve() != first
        assert len(list(tmp_path.glob("mesos-agent.*.log.INFO.*"))) == 2


def test_a_log_of_warnings_hears_no_information(tmp_path: Path) -> None:
    with SimulatedCluster(1, master_flags={"log_dir": str(tmp_path), "logging_level": "WARNING"}):
        assert len(lines(tmp_path / "mesos-master.WARNING")) == 3


def test_requests_are_logged(tmp_path: Path) -> None:
    with SimulatedCluster(1, master_flags={"log_dir": str(tmp_path)}) as cluster:
        ask(cluster.master, "/state?jsonp=f")
        assert lines(tmp_path / "mesos-master.INFO")[-1].endswith("] HTTP GET for /state")


@pytest.mark.parametrize("older", [True, False])
def test_a_higher_level_logs_messages_for_as_long_as_wanted(tmp_path: Path, older: bool) -> None:
    with SimulatedCluster(1, master_flags={"log_dir": str(tmp_path)}) as cluster:

        def messages() -> int:
            return sum("] sends PingAgent to " in line for line in lines(tmp_path / "mesos-master.INFO"))

        cluster.advance(60)
        assert messages() == 0
        if older:
            assert ask(cluster.master, "/logging/toggle?level=1&duration=40secs").status == 200
        else:
            call = {"level": 1, "duration": {"nanoseconds": 40 * 10**9}}
            ask(cluster.master, "/api/v1", {"type": "SET_LOGGING_LEVEL", "set_logging_level": call})
        cluster.advance(120)
        assert 2 <= messages() <= 3


def test_a_log_that_others_write_is_only_shown(tmp_path: Path) -> None:
    path = tmp_path / "mesos.log"
    path.write_text("theirs\n")
    with SimulatedCluster(
        1, master_flags={"external_log_file": str(path), "log_dir": str(tmp_path / "ours")}
    ) as cluster:
        assert json.loads(ask(cluster.master, "/files/read?path=/master/log&offset=0").body)["data"] == "theirs\n"
        cluster.master.kill()
    assert path.read_text() == "theirs\n"


def test_logs_are_read_by_those_who_may(tmp_path: Path) -> None:
    acls = '{"access_mesos_logs": [{"principals": {"type": "ANY"}, "logs": {"type": "NONE"}}]}'
    flags = {"log_dir": str(tmp_path), "acls": acls}
    with SimulatedCluster(1, master_flags=flags, agent_flags=flags) as cluster:
        for member, name in ((cluster.master, "master"), (cluster.agents[0], "slave")):
            assert ask(member, f"/files/read?path=/{name}/log&offset=0").status == 403
            call = {"type": "READ_FILE", "read_file": {"path": f"/{name}/log", "offset": 0}}
            assert ask(member, "/api/v1", call).status == 403


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ClusterError, match="--log_dir"),
        SimulatedCluster(1, master_flags={"log_dir": f"{tmp_path}/file"}),
    ):
        pass


def test_a_long_text_of_a_client_is_cut_in_the_story_and_in_logs(tmp_path: Path) -> None:
    with Cluster(0, master_flags={"log_dir": str(tmp_path)}) as cluster:
        url = f"{cluster.master_url}/{'x' * 50_000}"
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(url, timeout=10)
        error.value.close()
        call = scheduler.Call(type=scheduler.Call.SUBSCRIBE)
        call.subscribe.framework_info.user = "u"
        call.subscribe.framework_info.name = "n" * 1_000_000
        headers = {"Content-Type": "application/x-protobuf", "Accept": "application/json"}
        request = urllib.request.Request(f"{cluster.master_url}/api/v1/scheduler", call.SerializeToString(), headers)
        with urllib.request.urlopen(request, timeout=10):
            assert len(cluster.story()) < 10_000
            assert len((tmp_path / "mesos-master.INFO").read_text()) < 10_000
