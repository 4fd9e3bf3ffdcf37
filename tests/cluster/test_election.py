"""Several masters: who leads when the leader is killed, freezes or is cut off, and that everybody follows.

Source: docs/reference/failover.md, "Several masters".
"""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pymesoskit.scheduler import OfferPool, Scheduler, SchedulerDriver, command_task
from pymesoskit.subscription.backoff import Backoff
from pymesoskit.testing.cluster.cluster import ClusterError, SimulatedCluster
from pymesoskit.testing.cluster.election import FROZEN, Election
from pymesoskit.testing.engine.machine.simulated import Outcome
from pymesoskit.testing.runtime.actor import SimulatedActor
from pymesoskit.wire.v1 import mesos

TIMEOUT = 10.0  # of sessions


def start(masters: int = 3, agents: int = 1, seed: int = 0, **flags: str) -> SimulatedCluster:
    cluster = SimulatedCluster(
        agents,
        masters=masters,
        seed=seed,
        master_flags={"zk_session_timeout": "10secs", **flags},
        agent_flags={"registration_backoff_factor": "10ms"},
        simulated={"*": Outcome(run_time=1e6)},
    )
    cluster.start()
    return cluster


@pytest.fixture
def make():
    clusters: list[SimulatedCluster] = []

    def make(*args, **kwargs) -> SimulatedCluster:
        clusters.append(start(*args, **kwargs))
        return clusters[-1]

    yield make
    for cluster in clusters:
        assert not cluster.history.failures
        cluster.stop()


def leading(cluster: SimulatedCluster) -> list[int]:
    return [index for index, master in enumerate(cluster.masters) if master.leads]


class Recorder(Scheduler):
    """Runs one task and writes down who its leaders were."""

    def __init__(self) -> None:
        self.leaders: list[str] = []
        self.launched = False

    def subscribed(self, driver, subscribed) -> None:
        self.leaders.append(subscribed.master_info.pid)

    def offers(self, driver, offers) -> None:
        for offer in offers:
            if self.launched:
                driver.decline(offer, refuse_seconds=600)
                continue
            self.launched = True
            resources = OfferPool(offer).take("cpus:0.1;mem:32")
            driver.launch(offer, command_task("sleep 600", resources, offer, task_id="t"), refuse_seconds=600)


def drive(cluster: SimulatedCluster) -> Recorder:
    capability = mesos.FrameworkInfo.Capability(type=mesos.FrameworkInfo.Capability.PARTITION_AWARE)
    info = mesos.FrameworkInfo(
        user="root", name="one", checkpoint=True, failover_timeout=1e6, capabilities=[capability]
    )
    scheduler = Recorder()
    backoff = Backoff(rng=random.Random(cluster.seed))
    SchedulerDriver(scheduler, info, cluster.addresses, transport=cluster.transport, backoff=backoff).start()
    cluster.wait_for_task("t", "TASK_RUNNING")
    return scheduler


def kill(cluster):
    cluster.masters[0].kill()
    return cluster.masters[0].start


def pause(cluster):
    cluster.masters[0].pause()
    return cluster.masters[0].resume


def cut_off(cluster):
    return cluster.faults.partition(cluster.masters[0]).heal


TROUBLE = pytest.mark.parametrize("trouble", [kill, pause, cut_off])


@TROUBLE
def test_the_next_one_leads_when_the_leaders_session_has_expired(make, trouble):
    cluster = make()
    trouble(cluster)
    cluster.advance(TIMEOUT - 0.1)
    assert 1 not in leading(cluster)
    cluster.advance(0.2)
    assert leading(cluster) == [1]
    assert cluster.master is cluster.masters[1]


@TROUBLE
def test_the_old_leader_does_not_lead_again_but_stands_behind_the_others(make, trouble):
    cluster = make()
    heal = trouble(cluster)
    cluster.advance(TIMEOUT + 1)
    heal()
    cluster.settle()
    old = cluster.masters[0]
    if trouble is kill:
        assert old.running
    else:
        assert not old.running
        assert old.reason == "it has lost its leadership"
        old.start()
    assert leading(cluster) == [1]
    for index in (1, 2):
        cluster.masters[index].kill()
        cluster.advance(TIMEOUT + 0.1)
    assert leading(cluster) == [0]


@pytest.mark.parametrize("trouble", [pause, cut_off])
def test_a_leader_that_is_back_in_time_goes_on(make, trouble):
    cluster = make()
    process = cluster.masters[0]._member.process
    heal = trouble(cluster)
    cluster.advance(TIMEOUT - 0.1)
    heal()
    cluster.advance(60)
    assert leading(cluster) == [0]
    assert cluster.masters[0]._member.process is process
    assert cluster.agents[0].registered


def restart(cluster):
    """Its old session is what leads until it expires: meanwhile it sends clients to itself."""
    cluster.masters[0].kill()
    cluster.masters[0].start()
    return lambda: None


@pytest.mark.parametrize("trouble", [kill, pause, cut_off, restart])
def test_agents_frameworks_and_tasks_follow_the_new_leader(make, trouble):
    cluster = make(agents=2)
    scheduler = drive(cluster)
    ids = [agent.id for agent in cluster.agents]
    heal = trouble(cluster)
    cluster.wait_for(lambda: cluster.masters[1].leads, timeout=TIMEOUT + 1)
    cluster.wait_for_agents(timeout=5)  # the detector tells them; they need not miss pings
    assert [agent.id for agent in cluster.agents] == ids
    cluster.wait_for(lambda: len(scheduler.leaders) == 2, timeout=120)
    assert scheduler.leaders == [master._member.process_address for master in cluster.masters[:2]]
    cluster.wait_for_task("t", "TASK_RUNNING")
    assert cluster.task("t").states == ("TASK_STARTING", "TASK_RUNNING")
    heal()
    cluster.advance(60)
    assert len(scheduler.leaders) == 2
    assert cluster.task("t").state == "TASK_RUNNING"


def test_without_a_leader_agents_wait_and_return_to_the_first_that_is_there(make):
    cluster = make(masters=2)
    for master in cluster.masters:
        master.kill()
    cluster.advance(TIMEOUT + 0.1)
    assert not cluster.agents[0].registered
    assert leading(cluster) == []
    cluster.advance(1000)
    cluster.masters[1].start()
    cluster.wait_for_agents(timeout=5)
    assert leading(cluster) == [1]


def test_a_killed_leader_that_is_started_at_once_does_not_lead_before_its_old_session_has_expired(make):
    cluster = make(masters=2)
    cluster.masters[0].kill()
    cluster.masters[0].start()
    cluster.settle()
    assert leading(cluster) == []
    cluster.advance(TIMEOUT)
    assert leading(cluster) == [1]


def test_a_frozen_leader_acts_on_nothing_that_it_has_missed_when_another_leads(make):
    """It would give up agents that are well: its registry is the others' too."""
    cluster = make(masters=2, agent_ping_timeout="1secs", max_agent_ping_timeouts="2")
    cluster.masters[0].pause()
    cluster.advance(60)
    assert leading(cluster) == [1]
    cluster.masters[0].resume()
    cluster.advance(60)
    assert not cluster.masters[0].running
    assert cluster.agents[0].registered
    assert "unreachable" not in cluster.story(2000)


def test_a_frozen_follower_leads_as_soon_as_it_goes_on_if_it_was_elected_in_time(make):
    cluster = make(masters=2)
    cluster.masters[0].kill()
    cluster.advance(TIMEOUT - 1)
    cluster.masters[1].pause()
    cluster.advance(2)
    assert leading(cluster) == [1]
    assert not cluster.masters[1]._member.process.core.recovered
    cluster.masters[1].resume()
    cluster.wait_for_agents(timeout=5)


@pytest.mark.parametrize("trouble", ["pause", "partition"])
def test_a_follower_whose_session_has_expired_stands_again_when_it_is_back(make, trouble):
    cluster = make(masters=2)
    leader, follower = cluster.masters
    if trouble == "pause":
        follower.pause()
        heal = follower.resume
    else:
        heal = cluster.faults.partition(follower).heal
    cluster.advance(TIMEOUT + 1)
    heal()
    cluster.settle()
    assert follower.running
    leader.kill()
    cluster.advance(TIMEOUT + 0.1)
    assert leading(cluster) == [1]
    cluster.wait_for_agents(timeout=5)


def test_a_leader_that_is_frozen_and_cut_off_ends_when_it_goes_on_although_it_is_still_cut_off(make):
    cluster = make(masters=2)
    fault = cluster.faults.partition(cluster.masters[0])
    cluster.masters[0].pause()
    cluster.advance(TIMEOUT + 1)
    assert cluster.masters[0].running
    cluster.masters[0].resume()
    assert not cluster.masters[0].running
    fault.heal()
    assert leading(cluster) == [1]


def test_an_agent_that_is_cut_off_registers_with_the_new_leader_when_it_is_back(make):
    cluster = make(masters=2, agents=2)
    with cluster.faults.partition(cluster.agents[0]):
        cluster.masters[0].kill()
        cluster.wait_for_agents(1, timeout=TIMEOUT + 5)
    cluster.wait_for_agents(2, timeout=200)


def test_a_leader_that_cannot_read_the_registry_serves_when_it_can(make):
    cluster = make(masters=2)
    with cluster.faults.hold_registry():
        cluster.masters[0].kill()
        cluster.advance(TIMEOUT + 30)
        assert leading(cluster) == [1]
        assert not cluster.masters[1]._member.process.core.recovered
        assert not cluster.agents[0].registered
    cluster.wait_for_agents(timeout=120)


def test_if_it_cannot_for_too_long_it_ends_and_the_next_one_tries(make):
    cluster = make(masters=3, registry_fetch_timeout="20secs")
    with cluster.faults.hold_registry():
        cluster.masters[0].kill()
        cluster.advance(TIMEOUT + 21)
        assert not cluster.masters[1].running
        assert "Failed to perform fetch within 20secs" in cluster.masters[1].reason
        cluster.advance(TIMEOUT)
        assert leading(cluster) == [2]
    cluster.wait_for_agents(timeout=120)


def test_a_single_master_can_freeze_too_and_agents_look_for_it(make):
    cluster = make(masters=1, agent_ping_timeout="1secs", max_agent_ping_timeouts="2")
    cluster.master.pause()
    assert cluster.master.frozen
    cluster.advance(30)
    assert not cluster.agents[0].registered
    cluster.master.resume()
    assert not cluster.master.frozen
    cluster.wait_for_agents(timeout=120)


def test_a_single_master_that_is_cut_off_has_nobody_to_lose_its_leadership_to(make):
    cluster = make(masters=1, agent_ping_timeout="1secs", max_agent_ping_timeouts="2")
    with cluster.faults.partition(cluster.master):
        cluster.wait_for_agents(0, timeout=30)
        assert leading(cluster) == [0]
    cluster.wait_for_agents(timeout=120)


@pytest.mark.parametrize("command", ["pause", "resume"])
def test_what_does_not_run_cannot_freeze(make, command):
    cluster = make(masters=2)
    cluster.masters[1].kill()
    with pytest.raises(ClusterError, match="the master 1 is not running"):
        getattr(cluster.masters[1], command)()


def test_pausing_or_resuming_twice_is_harmless(make):
    cluster = make(masters=2)
    for _ in range(2):
        cluster.masters[0].pause()
    for _ in range(2):
        cluster.masters[0].resume()
    cluster.advance(60)
    assert leading(cluster) == [0]


def test_one_seed_is_one_history_of_failovers():
    def story(seed: int) -> str:
        cluster = start(agents=3, seed=seed)
        try:
            drive(cluster)
            cluster.masters[0].pause()
            cluster.advance(TIMEOUT + 5)
            with cluster.faults.partition(cluster.masters[1]):
                cluster.advance(TIMEOUT + 60)
            cluster.masters[0].resume()
            cluster.masters[0].start()
            cluster.masters[2].kill()
            cluster.advance(200)
            return cluster.story(5000)
        finally:
            cluster.stop()

    assert story(3) == story(3)
    assert story(3) != story(4)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["kill", "start", "pause", "resume", "cut", "heal", "wait"]),
        st.integers(0, 2),
        st.sampled_from([0.0, 3.0, 11.0]),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_happens_one_leads_at_most_and_all_are_served_again_in_the_end(steps):
    cluster = start(agents=2)
    faults: dict[int, list] = {0: [], 1: [], 2: []}
    try:
        ids = [agent.id for agent in cluster.agents]
        for step, index, seconds in steps:
            master = cluster.masters[index]
            if step == "kill":
                master.kill()
            elif step == "start" and not master.running:
                master.start()
            elif step in {"pause", "resume"} and master.running:
                getattr(master, step)()
            elif step == "cut":
                faults[index].append(cluster.faults.partition(master))
            elif step == "heal" and faults[index]:
                faults[index].pop().heal()
            cluster.advance(seconds)
            serving = [
                one for one in cluster.masters if one._member.process is not None and one._member.process.core.recovered
            ]
            assert len([one for one in serving if one.leads]) <= 1
            assert len([one for one in serving if not one.frozen]) <= 1, "two think that they lead"
        for index, master in enumerate(cluster.masters):
            for fault in faults[index]:
                fault.heal()
            if master.running:
                master.resume()
            if not master.running:
                master.start()
        cluster.advance(TIMEOUT + 1)
        assert len(leading(cluster)) == 1
        cluster.wait_for_agents(timeout=700)
        assert [agent.id for agent in cluster.agents] == ids
        assert not cluster.history.failures
    finally:
        cluster.stop()


class TestElection:
    """The election alone."""

    def candidate(self, number: int) -> mesos.MasterInfo:
        return mesos.MasterInfo(id=str(number), ip=0, port=number, pid=f"master@127.0.0.1:{number}")

    def test_agents_are_told_of_the_leader_and_not_of_the_others(self):
        actor = SimulatedActor()
        election = Election(actor, 5)
        told: list[str | None] = []
        unwatch = election.watch(lambda: told.append(leader.pid if (leader := election.leader()) is not None else None))
        sessions = [election.connect() for _ in range(3)]
        for number, session in enumerate(sessions):
            session.stand(self.candidate(number))
        sessions[1].end()
        actor.advance(5)
        sessions[0].end()
        actor.advance(5)
        assert told == ["master@127.0.0.1:0", "master@127.0.0.1:2"]
        sessions[2].end()
        actor.advance(5)
        unwatch()
        election.connect().stand(self.candidate(4))
        assert told == ["master@127.0.0.1:0", "master@127.0.0.1:2", None]

    def test_a_frozen_one_does_not_see_its_session_expire(self):
        actor = SimulatedActor()
        session = Election(actor, 5).connect()
        session.stand(self.candidate(0))
        told: list[bool] = []
        session.watch(lambda: told.append(session.leader() is None))
        session.silence(FROZEN)
        actor.advance(60)
        assert told == []
        session.speak(FROZEN)
        assert told == [True]

    def test_one_that_is_cut_off_again_before_it_stands_again_does_not_stand(self):
        actor = SimulatedActor()
        election = Election(actor, 5)
        session = election.connect()
        session.stand(self.candidate(0))
        session.silence("first")
        actor.advance(6)
        session.speak("first")
        session.silence("second")
        actor.settle()
        assert election.leader() is None
        session.speak("second")
        actor.settle()
        assert election.leader() == session.leader() == self.candidate(0)

    def test_lives_that_are_over_are_forgotten(self):
        actor = SimulatedActor()
        election = Election(actor, 5)
        for number in range(3):
            session = election.connect()
            session.stand(self.candidate(number))
            session.end()
        election.connect().end()  # one that never stood
        actor.advance(6)
        assert election.leader() is None
        assert not election._sessions
        assert actor.clock.next_due() is None

    def test_nobody_is_elected_any_more_once_it_is_closed(self):
        actor = SimulatedActor()
        election = Election(actor, 5)
        first, second = election.connect(), election.connect()
        first.stand(self.candidate(0))
        second.stand(self.candidate(1))
        told: list[None] = []
        second.watch(lambda: told.append(None))
        first.silence("cut off")
        election.close()
        assert actor.clock.next_due() is None
        first.end()
        actor.advance(60)
        assert told == []
