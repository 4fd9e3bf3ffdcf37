"""The façade: ready when it says so, commands to its members, waiting, and nothing left when it ends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import urllib.request
from typing import TYPE_CHECKING

import pytest

from pymesoskit.scheduler import OfferPool, Scheduler, SchedulerDriver, command_task
from pymesoskit.testing.cluster.cluster import AgentSpec, BaseCluster, Cluster, ClusterError, SimulatedCluster
from pymesoskit.testing.engine.authorization import Action
from pymesoskit.testing.engine.flags.flags import AgentFlags, FlagError, MasterFlags
from pymesoskit.testing.engine.http.server import ListenError
from pymesoskit.testing.engine.machine.simulated import Outcome
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUICK = AgentFlags(registration_backoff_factor=0.01, executor_reregistration_timeout=0.2)
FAST = MasterFlags(allocation_interval=0.05, zk_session_timeout=0.2)


class OneTask(Scheduler):
    """Launches one task on the first offer that it fits in."""

    def __init__(self, command: str = "sleep 600", task_id: str = "t") -> None:
        self.command = command
        self.task_id = task_id
        self.launched = False
        self.subscriptions = 0

    def subscribed(self, driver, subscribed) -> None:
        self.subscriptions += 1

    def offers(self, driver, offers) -> None:
        for offer in offers:
            resources = None if self.launched else OfferPool(offer).take("cpus:0.1;mem:32")
            if resources is None:
                driver.decline(offer, refuse_seconds=600)
                continue
            self.launched = True
            driver.launch(offer, command_task(self.command, resources, offer, task_id=self.task_id), refuse_seconds=600)


def framework(**fields: object) -> mesos.FrameworkInfo:
    capability = mesos.FrameworkInfo.Capability(type=mesos.FrameworkInfo.Capability.PARTITION_AWARE)
    return mesos.FrameworkInfo(user="root", name="one", checkpoint=True, capabilities=[capability], **fields)


def driver_of(cluster: BaseCluster, scheduler: Scheduler, *, http: bool = True) -> SchedulerDriver:
    if http:
        return SchedulerDriver(scheduler, framework(), cluster.address)
    return SchedulerDriver(scheduler, framework(), cluster.address, transport=cluster.transport)


@pytest.fixture(params=["http", "in-process", "virtual"])
def make(request: pytest.FixtureRequest) -> Iterator[Callable[..., BaseCluster]]:
    made: list[BaseCluster] = []

    def start(*args: object, **kwargs: object) -> BaseCluster:
        if request.param == "virtual":
            made.append(SimulatedCluster(*args, **kwargs))
        else:
            made.append(Cluster(*args, http=request.param == "http", **kwargs))
        made[-1].start()
        return made[-1]

    yield start
    for cluster in made:
        cluster.stop()


class TestStart:
    def test_agents_are_registered_in_the_order_given(self, make) -> None:
        cluster = make(["cpus:1;mem:100", "cpus:2;mem:200@rack:r2", "cpus:3;mem:300"])
        assert [agent.id for agent in cluster.agents] == [f"{cluster.master.id}-S{i}" for i in range(3)]
        assert all(agent.registered for agent in cluster.agents)

    def test_there_may_be_no_agents(self, make) -> None:
        assert make(0).agents == []

    def test_a_hundred_agents(self) -> None:
        with Cluster(100, simulated={}) as cluster:
            assert [agent.id[-4:].lstrip("-") for agent in cluster.agents][-1] == "S99"

    def test_agents_with_simulated_tasks_listen_from_when_somebody_asks(self) -> None:
        with Cluster(3, simulated={}) as cluster:
            agent = cluster.agents[1]
            assert [one._member.server for one in cluster.agents] == [None] * 3
            assert urllib.request.urlopen(agent.url + "/health", timeout=10).status == 200
            assert agent.url.endswith(f":{agent.port}")
            assert [one._member.server is not None for one in cluster.agents] == [False, True, False]
            agent.kill()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", agent.port))
            agent.start()
            assert urllib.request.urlopen(agent.url + "/health", timeout=10).status == 200

    def test_a_port_that_was_taken_meanwhile_is_an_error(self) -> None:
        with Cluster(1, simulated={}) as cluster, socket.socket() as taken:
            taken.bind(("127.0.0.1", cluster.agents[0].port))
            taken.listen()
            with pytest.raises(ListenError, match=f":{cluster.agents[0].port}: the port is taken"):
                print(cluster.agents[0].url)

    def test_an_agent_s_own_flags_and_outcomes(self) -> None:
        own = AgentSpec("cpus:1;mem:100", simulated={}, flags=AgentFlags(recovery_timeout=60))
        with Cluster([own], http=False) as cluster:
            assert cluster.agents[0].flags.recovery_timeout == 60

    @pytest.mark.parametrize(
        ("arguments", "error", "said"),
        [
            ({"agents": ["cpus4"]}, ClusterError, "resources 'cpus4' of an agent: Bad value for resources"),
            ({"agents": ["cpus:4@rack"]}, ClusterError, "attributes 'rack' of an agent"),
            ({"agents": -1}, ClusterError, "a cluster has 0 or more agents, not -1"),
            ({"master_flags": {"bogus": "1"}}, FlagError, "unknown flag 'bogus' of mesos-master"),
            (
                {"agent_flags": {"recovery_timeout": "x"}},
                FlagError,
                "flag recovery_timeout of mesos-agent: bad value 'x'",
            ),
        ],
    )
    def test_wrong_texts_are_errors_before_anything_starts(self, arguments, error, said: str) -> None:
        threads = threading.active_count()
        for kind in (Cluster, SimulatedCluster):
            with pytest.raises(error, match=said):
                kind(**arguments)
        assert threading.active_count() == threads

    def test_a_taken_port_is_an_error_and_leaves_nothing(self, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        threads = threading.active_count()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            cluster = Cluster(port=taken.getsockname()[1])
            with pytest.raises(ListenError, match="the port is taken"):
                cluster.start()
        assert threading.active_count() == threads
        assert list(tmp_path.iterdir()) == []

    def test_a_cluster_starts_once(self, make) -> None:
        cluster = make(0)
        with pytest.raises(ClusterError, match="started before"):
            cluster.start()


class TestCommands:
    """As by an operator with a shell; in real time and in virtual."""

    def test_a_killed_agent_comes_back_as_itself(self, make) -> None:
        cluster = make(1, agent_flags=QUICK)
        agent, before = cluster.agents[0], cluster.agents[0].id
        agent.kill()
        assert (agent.running, agent.id, agent._member.handler) == (False, "", None)
        agent.start()
        cluster.wait_for_agents()
        assert agent.id == before

    def test_a_reset_agent_is_a_new_one_at_the_old_address(self, make) -> None:
        cluster = make(1, agent_flags=QUICK)
        agent, port = cluster.agents[0], cluster.agents[0].port
        agent.kill()
        agent.reset()
        cluster.wait_for(lambda: agent.registered, "the new agent")
        assert agent.id.endswith("-S1")
        assert agent.port == port

    def test_an_agent_that_shuts_down_unregisters(self, make) -> None:
        cluster = make(2, agent_flags=QUICK)
        cluster.agents[0].shutdown()
        assert not cluster.agents[0].running
        cluster.wait_for_agents(1)

    def test_a_paused_agent_becomes_unreachable_and_comes_back(self) -> None:
        flags = {"agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "2"}
        with SimulatedCluster(1, master_flags=flags, agent_flags=QUICK) as cluster:
            cluster.agents[0].pause()
            cluster.wait_for_agents(0, timeout=60)
            cluster.agents[0].resume()
            cluster.wait_for_agents(1, timeout=60)

    def test_a_master_that_restarts_has_a_new_id_and_the_old_address_and_registry(self, make) -> None:
        flags = {"agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "1"}
        cluster = make(1, agent_flags=QUICK, master_flags=flags)
        master, agent = cluster.master, cluster.agents[0].id
        before, url = master.id, master.url
        master.kill()
        assert (master.running, master._member.handler) == (False, None)
        master.start()
        assert master.id != before
        assert master.url == url
        cluster.wait_for_agents(timeout=30)
        assert cluster.agents[0].id == agent

    @pytest.mark.parametrize("command", ["start", "reset"])
    def test_what_runs_is_not_started_again(self, make, command: str) -> None:
        cluster = make(1)
        with pytest.raises(ClusterError, match="agent 0 is running"):
            getattr(cluster.agents[0], command)()
        with pytest.raises(ClusterError, match="the master is running"):
            cluster.master.start()

    @pytest.mark.parametrize("command", ["pause", "resume"])
    def test_what_does_not_run_cannot_freeze(self, make, command: str) -> None:
        cluster = make(1)
        cluster.agents[0].kill()
        with pytest.raises(ClusterError, match="agent 0 is not running"):
            getattr(cluster.agents[0], command)()


class TestSeveralMasters:
    def test_the_first_leads_and_the_others_point_to_it(self) -> None:
        with Cluster(1, masters=3) as cluster:
            leader, *others = cluster.masters
            assert cluster.master is leader
            for other in others:
                with urllib.request.urlopen(other.url + "/master/state", timeout=10) as answer:
                    assert answer.url == leader.url + "/master/state"

    def test_when_the_leader_ends_another_one_leads_and_agents_find_it(self, make) -> None:
        cluster = make(2, masters=2, agent_flags=QUICK, master_flags=FAST)
        first, second = cluster.masters
        ids = {agent.id for agent in cluster.agents}
        first.kill()
        cluster.wait_for(lambda: second.leads, "an election")
        assert cluster.master is second
        cluster.wait_for_agents(timeout=60)
        assert {agent.id for agent in cluster.agents} == ids
        first.start()
        assert not first.leads
        second.kill()
        cluster.wait_for(lambda: first.leads, "an election")
        cluster.wait_for_agents(timeout=60)

    def test_a_framework_follows_the_leader(self) -> None:
        with Cluster(
            1, masters=2, agent_flags=QUICK, master_flags=FAST, simulated={"*": Outcome(run_time=600)}
        ) as cluster:
            info = framework(failover_timeout=600)
            scheduler = OneTask()
            with SchedulerDriver(scheduler, info, cluster.addresses):
                cluster.wait_for_task("t", "TASK_RUNNING")
                cluster.masters[0].kill()
                cluster.wait_for(lambda: scheduler.subscriptions == 2, "the framework to subscribe again", 30)
                assert cluster.master is cluster.masters[1]
                cluster.wait_for_task("t", "TASK_RUNNING")

    @pytest.mark.parametrize(("command", "answer"), [("resume", b"HTTP/1.1 200 OK"), ("kill", b"")])
    def test_a_frozen_master_answers_when_it_goes_on_and_never_if_it_is_killed(
        self, command: str, answer: bytes
    ) -> None:
        with Cluster(0) as cluster, socket.create_connection(("127.0.0.1", cluster.master.port), 30) as client:
            cluster.master.pause()
            client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            getattr(cluster.master, command)()
            try:
                assert client.recv(15) == answer
            except ConnectionResetError:
                assert command == "kill"
            assert cluster.master.running is (command == "resume")

    def test_a_master_that_was_killed_while_frozen_can_be_started_again(self) -> None:
        with Cluster(1, agent_flags=QUICK) as cluster:
            cluster.master.pause()
            cluster.master.kill()
            cluster.master.start()
            with urllib.request.urlopen(cluster.master_url + "/health", timeout=10) as answer:
                assert answer.status == 200

    def test_there_is_at_least_one(self) -> None:
        with pytest.raises(ClusterError, match="a cluster has 1 or more masters, not 0"):
            Cluster(masters=0)


class TestTasks:
    def test_waiting_for_states_that_a_task_has_left_again(self) -> None:
        with (
            Cluster(1, http=False, simulated={}, master_flags=FAST) as cluster,
            driver_of(cluster, OneTask(), http=False),
        ):
            cluster.wait_for_task("t", "TASK_FINISHED")
            task = cluster.wait_for_task("t", "TASK_RUNNING")
            assert task.states[-1] == "TASK_FINISHED"
            again = cluster.task("t")
            assert again is not None
            assert (again.id, again.states) == (task.id, task.states)
            assert cluster.agent_of("t") is cluster.agents[0]
            assert [one.name for one in cluster.frameworks()] == ["one"]

    def test_in_virtual_time_an_hour_takes_none(self) -> None:
        with SimulatedCluster(1, simulated={"*": Outcome(run_time=3600)}) as cluster:
            driver = driver_of(cluster, OneTask(), http=False)
            driver.start()
            cluster.wait_for_task("t", "TASK_RUNNING")
            cluster.advance(3590)
            assert cluster.task("t").state == "TASK_RUNNING"
            cluster.advance(20)
            assert cluster.task("t").state == "TASK_FINISHED"

    def test_one_seed_is_one_history(self) -> None:
        def story(seed: int) -> str:
            with SimulatedCluster(3, seed=seed, simulated={"*": Outcome(run_time=5)}) as cluster:
                driver = driver_of(cluster, OneTask(), http=False)
                driver.start()
                cluster.advance(1)
                cluster.agents[1].kill()
                cluster.advance(30)
                return cluster.story(1000)

        assert story(1) == story(1)
        assert story(1) != story(2)

    def test_what_does_not_happen_is_an_error_with_the_story(self, make) -> None:
        cluster = make(1)
        with pytest.raises(ClusterError, match=r"(?s)waiting for task 't' to be TASK_RUNNING.*seed \d+.*is registered"):
            cluster.wait_for_task("t", "TASK_RUNNING", timeout=0.05)

    def test_a_state_that_there_is_not_is_an_error(self, make) -> None:
        with pytest.raises(ClusterError, match="unknown task state 'RUNNING', known are TASK_"):
            make(0).wait_for_task("t", "RUNNING")

    def test_what_a_condition_raises_comes_out(self, make) -> None:
        with pytest.raises(ZeroDivisionError):
            make(0).wait_for(lambda: 1 / 0)


class TestFaults:
    FLAGS = MasterFlags(agent_ping_timeout=1, max_agent_ping_timeouts=2)

    def test_a_partitioned_agent_is_lost_until_it_heals(self) -> None:
        with SimulatedCluster(2, master_flags=self.FLAGS, agent_flags=QUICK) as cluster:
            with cluster.faults.partition(cluster.agents[0]):
                cluster.wait_for_agents(1, timeout=60)
            cluster.wait_for_agents(2, timeout=120)

    def test_messages_of_a_kind_are_lost_so_many_times(self) -> None:
        from pymesoskit.testing.engine.network.messages import PongAgent

        with SimulatedCluster(1, master_flags=self.FLAGS) as cluster:
            cluster.faults.lose(PongAgent, times=1)
            cluster.advance(20)
            assert cluster.agents[0].registered  # one lost pong does not matter
            with cluster.faults.lose(PongAgent, cluster.agents[0]):
                cluster.wait_for_agents(0, timeout=60)

    def test_a_slow_agent_is_late_and_in_order(self) -> None:
        with SimulatedCluster(1, simulated={}, master_flags=FAST) as cluster:
            cluster.faults.slow(cluster.agents[0], 10)
            driver_of(cluster, OneTask(), http=False).start()
            cluster.wait_for_task("t")
            cluster.advance(15)
            assert cluster.task("t").state == "TASK_STAGING"
            cluster.advance(100)
            assert cluster.task("t").states == ("TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED")

    def test_connections_break_and_can_be_made_again(self) -> None:
        with Cluster(0) as cluster, socket.create_connection(("127.0.0.1", cluster.master.port)) as client:
            client.settimeout(10)
            client.sendall(b"GET /health HTTP/1.1\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
            cluster.faults.reset_connections(cluster.master)
            with pytest.raises(ConnectionResetError):
                client.recv(4096)
            assert urllib.request.urlopen(cluster.master_url + "/health", timeout=10).status == 200


class TestEnd:
    def test_nothing_is_left(self, tmp_path: Path, monkeypatch) -> None:
        """No process, thread, port or temporary file, with a task in mid-flight that ignores SIGTERM."""
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        threads = set(threading.enumerate())
        pid_file = tmp_path.parent / f"{tmp_path.name}.pid"
        command = f"trap '' TERM; echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; while true; do sleep 1; done"
        cluster = Cluster(1, master_flags=FAST)
        with cluster:
            driver = driver_of(cluster, OneTask(command))
            driver.start()
            cluster.wait_for_task("t", "TASK_RUNNING")
            cluster.call(lambda: None)
            while not pid_file.exists():
                assert cluster.task("t").state == "TASK_RUNNING"
            driver.disconnect()
            driver.join()
        pid = int(pid_file.read_text())
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", cluster.master.port))
        assert list(tmp_path.iterdir()) == []
        assert set(threading.enumerate()) - threads == set()

    def test_a_given_work_directory_stays(self, tmp_path: Path) -> None:
        with Cluster(1, work_dir=tmp_path / "work"):
            pass
        assert (tmp_path / "work").is_dir()

    def test_an_ended_cluster_says_so(self, make) -> None:
        cluster = make(1)
        cluster.stop()
        cluster.stop()  # harmless
        if isinstance(cluster, Cluster):
            with pytest.raises(RuntimeError, match="the cluster has ended"):
                cluster.tasks()

    @pytest.mark.parametrize("way", ["sys.exit(0)", "raise KeyboardInterrupt", "os.kill(os.getpid(), signal.SIGINT)"])
    def test_a_program_that_ends_without_stop_leaves_nothing(self, tmp_path: Path, way: str) -> None:
        program = (
            "import os, signal, sys\nfrom pymesoskit.testing.cluster.cluster import Cluster\n"
            f"cluster = Cluster(1)\ncluster.start()\nprint(cluster.master.port, flush=True)\n{way}\n"
        )
        environment = {**os.environ, "TMPDIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", int(done.stdout)))


class Nothing:
    """An authorizer that allows only the registration of agents."""

    def approver(self, subject, action):
        return lambda thing: action is Action.REGISTER_AGENT


def test_flags_may_name_authorizers_that_were_handed_in() -> None:
    cluster = SimulatedCluster(
        1, authorizers={"mine": Nothing()}, master_flags={"authorizers": "mine"}, agent_flags={"authorizer": "mine"}
    )
    with cluster:
        for process in (cluster.master._member.process, cluster.agents[0]._member.process):
            assert process is not None
            assert not process.core.permissions("p").allows(Action.VIEW_FLAGS)


def test_masters_and_agents_have_none_unless_they_are_told() -> None:
    with SimulatedCluster(1, authorizers={"mine": Nothing()}) as cluster:
        for process in (cluster.master._member.process, cluster.agents[0]._member.process):
            assert process is not None
            assert process.core.permissions(None).unrestricted


@pytest.mark.parametrize("flags", [{"master_flags": {"authorizers": "x"}}, {"agent_flags": {"authorizer": "x"}}])
def test_the_name_of_an_authorizer_that_there_is_not_is_an_error_before_anything_starts(flags) -> None:
    with pytest.raises(ClusterError, match="Could not create 'x' authorizer: it was not handed in"):
        SimulatedCluster(1, **flags)
