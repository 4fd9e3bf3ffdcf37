"""Faults between masters and agents: order is kept, connections break on every transport, what is wrong is an error."""

from __future__ import annotations

import pytest

from pymesoskit import Scheduler, SchedulerDriver, framework_info
from pymesoskit.testing import Cluster, ClusterError, Outcome, SimulatedCluster
from pymesoskit.testing.engine.network.messages import PongAgent, ShutdownFramework
from tests.cluster.test_virtual_time import OneTask


class Subscribes(Scheduler):
    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.subscriptions = 0

    def subscribed(self, driver, subscribed):
        self.subscriptions += 1

    def disconnected(self, driver, reason):
        self.reasons.append(str(reason))


class Inbox:
    """A party that writes down what it receives."""

    def __init__(self) -> None:
        self.received: list[object] = []

    def receive(self, sender, message):
        self.received.append(message.framework_id)

    def exited(self, peer):
        self.received.append("exited")


def send(cluster: SimulatedCluster, text: str) -> None:
    member = cluster.agents[0]._member
    cluster.call(cluster._stage.network.send, member.process_address, "inbox", ShutdownFramework(text))


def test_a_message_sent_after_a_slow_line_has_healed_does_not_overtake() -> None:
    with SimulatedCluster(1) as cluster:
        inbox = Inbox()
        cluster._stage.network.attach("inbox", inbox)
        fault = cluster.faults.slow(cluster.agents[0], 10)
        send(cluster, "1")
        cluster.advance(5)
        send(cluster, "2")
        fault.heal()
        send(cluster, "3")
        assert inbox.received == []
        cluster.advance(5)
        assert inbox.received == ["1"]
        cluster.advance(5)
        assert inbox.received == ["1", "2", "3"]
        send(cluster, "4")
        assert inbox.received == ["1", "2", "3", "4"]


def test_the_end_of_a_slow_agent_is_not_known_before_what_it_has_sent() -> None:
    with SimulatedCluster(1) as cluster:
        inbox = Inbox()
        network = cluster._stage.network
        network.attach("inbox", inbox)
        network.link("inbox", cluster.agents[0]._member.process_address)
        cluster.faults.slow(cluster.agents[0], 10)
        send(cluster, "1")
        cluster.agents[0].kill()
        cluster.advance(9)
        assert inbox.received == []
        cluster.advance(1)
        assert inbox.received == ["1", "exited"]


def test_a_late_message_is_lost_or_counted_once() -> None:
    with SimulatedCluster(1) as cluster:
        inbox = Inbox()
        cluster._stage.network.attach("inbox", inbox)
        cluster.faults.slow(cluster.agents[0], 10)
        cluster.faults.lose("ShutdownFramework", times=1)
        for text in "12":
            send(cluster, text)
        cluster.advance(10)
        assert inbox.received == ["2"]


def test_connections_of_the_in_process_transport_break_too() -> None:
    with SimulatedCluster(1) as cluster:
        scheduler = Subscribes()
        info = framework_info("one", user="nobody", failover_timeout=60)
        driver = SchedulerDriver(scheduler, info, cluster.address, transport=cluster.transport).start()
        cluster.wait_for(lambda: scheduler.subscriptions == 1)
        cluster.faults.reset_connections(cluster.agents[0])
        cluster.advance(1)
        assert scheduler.reasons == []
        cluster.faults.reset_connections(cluster.master)
        cluster.wait_for(lambda: scheduler.subscriptions == 2)
        assert scheduler.reasons == ["http://127.0.0.1:5050: the connection was reset"]
        assert driver.failure is None


def test_connections_over_http_break_and_clients_come_back() -> None:
    with Cluster(1) as cluster:
        scheduler = Subscribes()
        info = framework_info("one", user="nobody", failover_timeout=60)
        with SchedulerDriver(scheduler, info, cluster.address):
            cluster.wait_for(lambda: scheduler.subscriptions == 1, "a subscription")
            cluster.faults.reset_connections(cluster.master)
            cluster.wait_for(lambda: scheduler.subscriptions == 2, "another subscription", 60)


def test_messages_are_lost_by_the_name_of_their_type() -> None:
    flags = {"agent_ping_timeout": "1secs", "max_agent_ping_timeouts": "1"}
    with SimulatedCluster(1, master_flags=flags) as cluster:
        with cluster.faults.lose("PongAgent", cluster.agents[0]):
            cluster.wait_for_agents(0)
        with cluster.faults.lose(PongAgent):
            pass


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda cluster: cluster.faults.lose("Pong"), "unknown type of message 'Pong', known are .*PongAgent"),
        (lambda cluster: cluster.faults.lose(int), "unknown type of message <class 'int'>"),
        (lambda cluster: cluster.faults.partition(0), "expected a master or an agent of the cluster, .* not 0"),
        (lambda cluster: cluster.faults.slow("agent 0", 1), "expected a master or an agent of the cluster"),
        (lambda cluster: cluster.faults.reset_connections(None), "expected a master or an agent of the cluster"),
    ],
)
def test_what_is_wrong_is_an_error(wrong, said: str) -> None:
    with SimulatedCluster(1) as cluster, pytest.raises(ClusterError, match=said):
        wrong(cluster)


def test_a_restart_of_the_only_master_that_agents_do_not_notice_is_explained() -> None:
    with SimulatedCluster(1) as cluster:
        cluster.master.kill()
        cluster.master.start()
        said = r"(?s)timed out .*for 1 agents .*\(the master was restarted, .* missing for 75 s; .*agent_ping_timeout=1secs"
        with pytest.raises(ClusterError, match=said):
            cluster.wait_for_agents(timeout=10)


def test_a_task_is_shown_once_however_often_its_agent_reports_it() -> None:
    """An agent that registers again reports completed tasks that the master has already, as in Mesos."""
    with SimulatedCluster(1, simulated={"*": Outcome.finishes(1)}) as cluster:
        info = framework_info("one", user="nobody", failover_timeout=600)
        SchedulerDriver(OneTask(), info, cluster.address, transport=cluster.transport).start()
        cluster.wait_for_task("t", "TASK_FINISHED")
        cluster.advance(10)
        for _ in range(3):
            with cluster.faults.partition(cluster.agents[0]):
                cluster.advance(200)
            cluster.wait_for_agents()
        assert [task.id for task in cluster.tasks()] == ["t"]
