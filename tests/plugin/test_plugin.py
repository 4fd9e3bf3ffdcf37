"""The pytest plugin: what the fixture gives, what a failing test shows, and that the plugin costs nothing unused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pymesoskit.testing.allocator import HierarchicalAllocator
from pymesoskit.testing.cluster.cluster import BaseCluster, Cluster, SimulatedCluster

pytestmark = pytest.mark.timeout(120)

RUN = ["-p", "no:randomly", "-p", "no:cacheprovider", "-W", "error"]


def run(pytester: pytest.Pytester, test: str, *options: str) -> pytest.RunResult:
    """Runs a test file."""
    pytester.makepyfile(test)
    return pytester.runpytest_inprocess(*RUN, *options)


def test_the_fixture_is_a_running_cluster(mesos_cluster: BaseCluster) -> None:
    assert isinstance(mesos_cluster, Cluster)
    assert mesos_cluster.master.running
    assert [agent.registered for agent in mesos_cluster.agents] == [True]


@pytest.mark.mesos(agents=["cpus:2;mem:512@rack:r1", "cpus:1;mem:256"], transport="in-process", seed=7, simulated=True)
def test_the_marker_describes_the_cluster(mesos_cluster: BaseCluster) -> None:
    assert mesos_cluster.seed == 7
    assert [agent.spec.attributes for agent in mesos_cluster.agents] == ["rack:r1", ""]
    assert [agent.id[-3:] for agent in mesos_cluster.agents] == ["-S0", "-S1"]


@pytest.mark.mesos(transport="virtual")
def test_virtual_time_moves_only_when_told_to(mesos_cluster: BaseCluster) -> None:
    assert isinstance(mesos_cluster, SimulatedCluster)
    before = mesos_cluster.actor.clock.time()
    mesos_cluster.advance(3600)
    assert mesos_cluster.actor.clock.time() == before + 3600
    assert mesos_cluster.agents[0].registered


@pytest.mark.mesos(masters=2, transport="virtual")
def test_there_can_be_several_masters(mesos_cluster: BaseCluster) -> None:
    assert [master.leads for master in mesos_cluster.masters] == [True, False]


class Nothing:
    """An authorizer that allows only the registration of agents."""

    def approver(self, subject, action):
        return lambda thing: action.name == "REGISTER_AGENT"


@pytest.mark.mesos(transport="virtual", authorizers={"mine": Nothing()}, master_flags={"authorizers": "mine"})
def test_flags_may_name_authorizers_of_the_marker(mesos_cluster: BaseCluster) -> None:
    assert mesos_cluster.master._member.process is not None
    assert not mesos_cluster.master._member.process.core.permissions(None).unrestricted


class TestClosestMarkerWins:
    pytestmark = pytest.mark.mesos(agents=2, transport="virtual")

    @pytest.mark.mesos(agents=3)
    def test_and_the_rest_is_kept(self, mesos_cluster: BaseCluster) -> None:
        assert isinstance(mesos_cluster, SimulatedCluster)
        assert len(mesos_cluster.agents) == 3


def test_a_failing_test_shows_the_newest_events_and_the_seed(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        import pytest

        @pytest.mark.mesos(seed=4711, transport="virtual")
        def test_it(mesos_cluster):
            mesos_cluster.agents[0].kill()
            assert False
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*Mesos cluster, newest events*", "seed 4711", "*master: agent *-S0 at * is registered*"]
    )


def test_a_passing_test_shows_nothing(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_it(mesos_cluster): pass")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*Mesos cluster*")


def test_the_seed_of_a_run_can_be_repeated(pytester: pytest.Pytester) -> None:
    result = run(pytester, "def test_it(mesos_cluster): assert mesos_cluster.seed == 99", "--mesos-seed", "99")
    result.assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("agent=3", "*unexpected keyword argument 'agent'*"),
        ("3", "*takes its settings by name*"),
        ("transport='carrier pigeon'", "*'transport' must be in*"),
        ("master_flags={'alocation_interval': '1secs'}", "*did you mean 'allocation_interval'?*"),
        ("resources='cpus4'", "*resources 'cpus4' of an agent: Bad value for resources*"),
    ],
)
def test_a_wrong_marker_is_an_error_that_says_what_is_wrong(pytester: pytest.Pytester, marker: str, said: str) -> None:
    result = run(pytester, f"import pytest\n@pytest.mark.mesos({marker})\ndef test_it(mesos_cluster): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said])


def test_an_unexpected_error_inside_the_cluster_fails_the_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        """
        def test_it(mesos_cluster):
            mesos_cluster._actor.post(lambda: 1 / 0)
            mesos_cluster.wait_for(lambda: mesos_cluster.history.failures)
        """,
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*unexpected errors inside the cluster: 1*", "*ZeroDivisionError*"])


def test_it_works_under_xdist(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import pytest\n@pytest.mark.parametrize('i', range(4))\ndef test_it(mesos_cluster, i): pass")
    result = pytester.runpytest_subprocess(*RUN, "-n2")
    result.assert_outcomes(passed=4)


def test_it_is_cheap_until_a_test_uses_it() -> None:
    program = (
        "import sys, pymesoskit.testing.pytest_plugin\n"
        "heavy = [m for m in sys.modules if m.startswith(('google.protobuf', 'pymesoskit.wire', 'pymesoskit.testing.'))]\n"
        "print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "['pymesoskit.testing.pytest_plugin']"


class Idle(HierarchicalAllocator):
    """Offers nothing."""

    def start(self) -> None:
        self.pause()


@pytest.mark.mesos(allocator=Idle, transport="virtual")
def test_the_allocation_policy_can_be_another(mesos_cluster: BaseCluster) -> None:
    mesos_cluster.advance(10)
    assert isinstance(mesos_cluster.master._member.alive().core.allocator, Idle)


DEAD_DRIVER = """
from pymesoskit import Scheduler, SchedulerDriver, framework_info

class Broken(Scheduler):
    def offers(self, driver, offers):
        raise ZeroDivisionError("in offers")

def start(cluster):
    return SchedulerDriver(Broken(), framework_info("broken", user="nobody"), cluster.address).start()
"""


def test_a_dead_driver_whose_error_nobody_has_seen_fails_the_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        DEAD_DRIVER
        + """
def test_it(mesos_cluster):
    driver = start(mesos_cluster)
    mesos_cluster.wait_for(lambda: any("has died" in event.text for event in mesos_cluster.events()))
""",
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError: in offers*", "*the driver 'pymesoskit-broken' has died*"])


def test_a_dead_driver_whose_error_the_test_was_given_does_not_fail_it(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        DEAD_DRIVER
        + """
def test_it(mesos_cluster):
    import pytest
    from pymesoskit.errors import HandlerFailed
    with pytest.raises(HandlerFailed):
        start(mesos_cluster).join(60)
""",
    )
    result.assert_outcomes(passed=1)
