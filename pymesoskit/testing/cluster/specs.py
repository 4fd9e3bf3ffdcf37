"""What users say a cluster consists of (agents, flags, outcomes), checked before anything starts."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Union

from attrs import evolve, frozen

from pymesoskit.resources import Attributes, Resources, ResourcesError, parse_attributes
from pymesoskit.testing.cluster.errors import ClusterError
from pymesoskit.testing.cluster.ports import AUTO_PORTS, usual_ports
from pymesoskit.testing.engine.authorization import AuthorizerError, choose_authorizer
from pymesoskit.testing.engine.flags.flags import AgentFlags, MasterFlags
from pymesoskit.testing.engine.machine.simulated import Outcome, Outcomes
from pymesoskit.testing.runtime.system import detected

if TYPE_CHECKING:
    from pathlib import Path

    from pymesoskit.testing.allocator import AllocatorFactory
    from pymesoskit.testing.engine.agent.oversubscription import QosController, ResourceEstimator
    from pymesoskit.testing.engine.authorization import Authorizer

#: Among an agent's resources: the agent detects those that are not given.
AUTO = "auto"

#: Flags of a real agent that the cluster itself sets, and what to use instead.
_SET_BY_CLUSTER = {
    "attributes": "give agents their attributes with agents=['RESOURCES@ATTRIBUTES']",
    "master": "agents find the masters of their cluster themselves",
    "resources": "give agents their resources with agents=['RESOURCES@ATTRIBUTES']",
    "work_dir": "give the cluster a work_dir: each agent has a directory of its own in it",
}


@frozen
class AgentSpec:
    """What an agent has.

    Without ``auto`` among its resources it has exactly these, on every machine. With it (``auto;cpus:2``) the agent
    detects the others of cpus, mem, disk and ports, as a real one does. ``ports:auto`` is a range of free ports that no
    other agent of the cluster has, for the first agent within ``[31000-32000]``; agents whose tasks are simulated all
    have exactly that range.
    """

    resources: str = "cpus:4;mem:4096;disk:10000;ports:auto"  # in Mesos's text syntax
    attributes: str = ""  # in Mesos's text syntax
    flags: AgentFlags | None = None  # None: the cluster's ``agent_flags``
    simulated: Outcomes | None = None  # not None: its tasks only pretend to run
    estimator: ResourceEstimator | None = None  # says which resources can be oversubscribed
    qos_controller: QosController | None = None  # says which executors must go

    @classmethod
    def parse(cls, text: str) -> AgentSpec:
        """Reads ``RESOURCES[@ATTRIBUTES]``. Raises ``ClusterError``."""
        resources, _, attributes = text.partition("@")
        spec = cls(resources, attributes)
        spec.total(AgentFlags())
        spec.labels()
        return spec

    @property
    def finds_ports(self) -> bool:
        """Whether it has ports of its own: its tasks are real, and its resources do not say which ports it has."""
        tokens = {token.strip() for token in self.resources.split(";")}
        given = any(token.startswith("ports") and token != AUTO_PORTS for token in tokens)
        return self.simulated is None and (AUTO_PORTS in tokens or (AUTO in tokens and not given))

    def total(self, flags: AgentFlags, work_dir: Path | None = None, ports: str | None = None) -> Resources:
        """Returns the resources, with the detected ``ports``. Raises ``ClusterError`` if their text is wrong."""
        ports = f"ports:{usual_ports() if ports is None else ports}"
        tokens = [ports if token.strip() == AUTO_PORTS else token.strip() for token in self.resources.split(";")]
        text = ";".join(tokens)
        if AUTO in tokens:
            given = [token for token in tokens if token not in {AUTO, ""}]
            names = {token.partition(":")[0].partition("(")[0].strip() for token in given}
            found = detected({*names, "ports"}, work_dir)
            text = ";".join([*given, *([found] if found else []), *([] if "ports" in names else [ports])])
        try:
            return Resources.parse(text, flags.default_role)
        except ResourcesError as error:
            raise ClusterError(f"resources '{self.resources}' of an agent: {error}") from None

    def labels(self) -> Attributes:
        """Returns the attributes. Raises ``ClusterError`` if their text is wrong."""
        try:
            return parse_attributes(self.attributes)
        except ResourcesError as error:
            raise ClusterError(f"attributes '{self.attributes}' of an agent: {error}") from None

    def check(self) -> None:
        """Raises ``ClusterError`` for a value of a wrong type."""
        for name in ("resources", "attributes"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ClusterError(f"{name} of an AgentSpec must be text, not {value!r}")
        if self.flags is not None and not isinstance(self.flags, AgentFlags):
            raise ClusterError(f"flags of an AgentSpec must be AgentFlags, not {self.flags!r}")
        check_outcomes(self.simulated)


#: How agents can be given: how many with the default resources, or each as text ``RESOURCES[@ATTRIBUTES]`` or in full.
#: One text or ``AgentSpec`` is one agent.
Agents = Union[int, str, AgentSpec, Iterable[Union[str, AgentSpec]]]


@frozen
class Options:
    """What clusters in real and in virtual time have in common, checked."""

    specs: Sequence[AgentSpec]
    master_flags: MasterFlags
    agent_flags: AgentFlags
    seed: int
    masters: int
    allocator: AllocatorFactory
    authorizers: Mapping[str, Authorizer]

    @classmethod
    def checked(
        cls,
        agents: Agents,
        *,
        master_flags: MasterFlags | Mapping[str, str] | None,
        agent_flags: AgentFlags | Mapping[str, str] | None,
        seed: int | None,
        masters: int,
        allocator: AllocatorFactory,
        authorizers: Mapping[str, Authorizer] | None,
        simulated: Outcomes | None,
    ) -> Options:
        """Reads and checks all of them. Raises ``ClusterError`` or ``FlagError`` for the first that is wrong."""
        check_outcomes(simulated)
        if seed is not None:
            _check_number("seed", seed)
        if _check_number("masters", masters) < 1:
            raise ClusterError(f"a cluster has 1 or more masters, not {masters}")
        if not callable(allocator):
            raise ClusterError(
                f"the allocator {allocator!r} cannot be called with (clock, rng, listener, options) to make a policy"
            )
        options = cls(
            specs=_specs(agents, simulated),
            master_flags=MasterFlags.of(master_flags),
            agent_flags=AgentFlags.of(agent_flags),
            seed=random.SystemRandom().randrange(1 << 32) if seed is None else seed,
            masters=masters,
            allocator=allocator,
            authorizers=_authorizers(authorizers),
        )
        for spec in options.specs:
            spec.total(options.flags_of(spec))
            spec.labels()
            _check_not_set_by_cluster(options.flags_of(spec))
        if masters > 1 and options.master_flags.port:
            raise ClusterError(
                f"the flag 'port' of mesos-master would put {masters} masters at one port: "
                "use port=… of the cluster, which is the port of the first"
            )
        _check_authorizers(options)
        return options

    def flags_of(self, spec: AgentSpec) -> AgentFlags:
        """Returns the flags of an agent."""
        return spec.flags if spec.flags is not None else self.agent_flags


def check_outcomes(outcomes: object) -> None:
    """Raises ``ClusterError`` unless it is None, a function, or a table of outcomes."""
    if outcomes is None or callable(outcomes):
        return
    if not isinstance(outcomes, Mapping):
        raise ClusterError(
            f"simulated must be a function from TaskInfo to Outcome, or a table of outcomes by task id, name or '*', "
            f"not {outcomes!r}; with {{}} all simulated tasks finish at once"
        )
    for key, outcome in outcomes.items():
        if not isinstance(key, str) or not isinstance(outcome, Outcome):
            raise ClusterError(f"simulated: expected an Outcome by task id or name, not {key!r}: {outcome!r}")


def _check_number(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ClusterError(f"{name} must be a whole number, not {value!r}")
    return value


def check_port(value: object) -> int:
    """Returns a TCP port, 0 included. Raises ``ClusterError``."""
    port = _check_number("port", value)
    if not 0 <= port <= 65535:
        raise ClusterError(f"port must be between 0 (any free port) and 65535, not {port}")
    return port


def _specs(agents: object, simulated: Outcomes | None) -> list[AgentSpec]:
    expected = "agents must be a number, or the resources of each agent as text or AgentSpec"
    given: Iterable[object]
    if isinstance(agents, int) and not isinstance(agents, bool):
        if agents < 0:
            raise ClusterError(f"a cluster has 0 or more agents, not {agents}")
        given = [AgentSpec()] * agents
    elif isinstance(agents, (str, AgentSpec)):
        given = [agents]
    elif isinstance(agents, Iterable) and not isinstance(agents, (bytes, Mapping)):
        given = agents
    else:
        raise ClusterError(f"{expected}, not {agents!r}")
    specs = []
    for one in given:
        if not isinstance(one, (str, AgentSpec)):
            raise ClusterError(f"{expected}, not {one!r}")
        spec = AgentSpec.parse(one) if isinstance(one, str) else one
        spec.check()
        specs.append(evolve(spec, simulated=simulated) if spec.simulated is None and simulated is not None else spec)
    return specs


def _check_not_set_by_cluster(flags: AgentFlags) -> None:
    for name, instead in _SET_BY_CLUSTER.items():
        if getattr(flags, name) is not None:
            raise ClusterError(f"the flag '{name}' of mesos-agent cannot be set here: {instead}")


def _authorizers(given: object) -> Mapping[str, Authorizer]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise ClusterError(f"authorizers must be a dictionary of authorizers by name, not {given!r}")
    return dict(given)


def _check_authorizers(options: Options) -> None:
    """Raises ``ClusterError`` if a flag names an unknown authorizer."""
    master = options.master_flags
    try:
        choose_authorizer(master.authorizers, master.acls, options.authorizers)
        for flags in map(options.flags_of, options.specs):
            choose_authorizer(flags.authorizer, flags.acls, options.authorizers)
    except AuthorizerError as error:
        raise ClusterError(str(error)) from None
