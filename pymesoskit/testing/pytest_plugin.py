"""The pytest plugin: the fixture ``mesos_cluster``, a running cluster for one test.

``@pytest.mark.mesos(…)`` says which (``Settings`` has what can be said). A failing test shows the newest events of its
cluster and the seed; ``--mesos-seed`` repeats a seed. Nothing of the cluster is imported until a test uses the fixture.
Guide: docs/pytest-plugin.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Union

import pytest
from attrs import field, frozen, validators

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from pymesoskit.testing.allocator import AllocatorFactory
    from pymesoskit.testing.cluster.cluster import BaseCluster
    from pymesoskit.testing.engine.authorization import Authorizer
    from pymesoskit.testing.engine.machine.simulated import Outcome
    from pymesoskit.wire.v1 import mesos as mesos_v1

# Assertions of the contract for allocation policies explain themselves, however the package was installed.
pytest.register_assert_rewrite("pymesoskit.testing.allocator.contract")

TRANSPORTS = ("http", "in-process", "virtual")

#: What each agent has unless the marker says otherwise.
RESOURCES = "cpus:4;mem:4096;disk:10000;ports:auto"

#: Flags that make tests fast where Mesos's own defaults make them wait for a second.
MASTER_FLAGS = {"allocation_interval": "100ms", "zk_session_timeout": "1secs"}
AGENT_FLAGS = {"registration_backoff_factor": "100ms"}


@frozen
class Settings:
    """What ``@pytest.mark.mesos(…)`` can say."""

    agents: Union[int, Sequence[str]] = 1  # how many, or the resources of each as RESOURCES[@ATTRIBUTES]
    resources: str = RESOURCES  # of each agent, if ``agents`` is a number
    transport: Literal["http", "in-process", "virtual"] = field(default="http", validator=validators.in_(TRANSPORTS))
    masters: int = 1  # the first leads
    allocator: AllocatorFactory | None = None  # makes the allocation policy; None: Mesos's
    seed: int | None = None
    master_flags: Mapping[str, str] = field(factory=dict)
    agent_flags: Mapping[str, str] = field(factory=dict)
    authorizers: Mapping[str, Authorizer] = field(factory=dict)  # those that the flags may name
    simulated: Union[bool, Mapping[str, Outcome], Callable[[mesos_v1.TaskInfo], Outcome]] = False

    @property
    def specs(self) -> Sequence[str]:
        """The text of each agent."""
        return [self.resources] * self.agents if isinstance(self.agents, int) else self.agents


_CLUSTER = pytest.StashKey["BaseCluster"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--mesos-seed``."""
    group = parser.getgroup("mesos", "Mesos clusters (pymesoskit)")
    group.addoption("--mesos-seed", type=int, metavar="N", help="seed for all randomness in the clusters of this run")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line(
        "markers",
        "mesos(agents=1, resources=…, transport='http'|'in-process'|'virtual', masters=1, allocator=None, seed=None, "
        "master_flags={}, agent_flags={}, authorizers={}, simulated=False): the cluster of the fixture 'mesos_cluster'",
    )


@pytest.fixture
def mesos_cluster(request: pytest.FixtureRequest) -> Iterator[BaseCluster]:
    """A running Mesos cluster (``pymesoskit.testing.cluster.cluster``) as the test's ``mesos`` marker describes it."""
    cluster = _make(_settings(request.node), request.config.getoption("--mesos-seed"))
    request.node.stash[_CLUSTER] = cluster
    with cluster:
        yield cluster
        cluster.check_drivers()
    if cluster.history.failures:
        pytest.fail(
            f"unexpected errors inside the cluster: {cluster.history.failures}\n{cluster.story()}", pytrace=False
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
    call: pytest.CallInfo[None],  # noqa: ARG001 (the name is part of the hook)
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the cluster's story to the report of a test that failed."""
    report = yield
    cluster = item.stash.get(_CLUSTER, None)
    if report.failed and cluster is not None:
        report.sections.append(("Mesos cluster, newest events", cluster.story()))
        report.sections.append(("Mesos cluster, what was said", cluster.conversation()))
    return report


def _settings(node: pytest.Item) -> Settings:
    """The settings of a test: those of its markers, of which the closest wins."""
    said: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers("mesos"))):
        if marker.args:
            raise pytest.UsageError("@pytest.mark.mesos takes its settings by name: @pytest.mark.mesos(agents=3)")
        said.update(marker.kwargs)
    try:
        return Settings(**said)
    except (TypeError, ValueError) as error:
        reason = str(error.args[0]).replace("Settings.__init__()", "it")
        raise pytest.UsageError(f"@pytest.mark.mesos of {node.nodeid}: {reason}") from None


def _make(settings: Settings, seed: int | None) -> BaseCluster:
    from pymesoskit.testing.allocator import HierarchicalAllocator
    from pymesoskit.testing.cluster.cluster import Cluster, SimulatedCluster

    allocator = HierarchicalAllocator if settings.allocator is None else settings.allocator
    chosen = settings.seed if settings.seed is not None else seed
    master_flags = {**MASTER_FLAGS, **settings.master_flags}
    agent_flags = {**AGENT_FLAGS, **settings.agent_flags}
    outcomes: Any = {} if settings.simulated is True else settings.simulated or None
    if settings.transport == "virtual":
        return SimulatedCluster(
            settings.specs,
            master_flags=master_flags,
            agent_flags=agent_flags,
            seed=0 if chosen is None else chosen,
            masters=settings.masters,
            allocator=allocator,
            authorizers=settings.authorizers,
            simulated=outcomes,
        )
    return Cluster(
        settings.specs,
        master_flags=master_flags,
        agent_flags=agent_flags,
        seed=chosen,
        masters=settings.masters,
        allocator=allocator,
        authorizers=settings.authorizers,
        http=settings.transport == "http",
        simulated=outcomes,
    )
