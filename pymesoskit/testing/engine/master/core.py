"""What all parts of one master work with: its state, what was handed in, and the ways to tell somebody something.

The master's parts (``agents.py``, ``offers.py``, ``accept.py``, …) are functions on a ``Core``. Here are no rules. The
master never opens a socket, sleeps, or reads clock or chance of its own: all of that was given to it.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from pymesoskit.testing.engine.authorization import Permissions
from pymesoskit.testing.engine.leadership import FixedLeader
from pymesoskit.testing.engine.master.state import Agent, Framework, MasterState
from pymesoskit.testing.engine.master.transitions import MASTER, MasterCause, MasterPhase
from pymesoskit.testing.engine.states import step
from pymesoskit.testing.engine.version import VERSION
from pymesoskit.testing.runtime.hook import Hook
from pymesoskit.testing.runtime.lifeline import Lifeline
from pymesoskit.testing.runtime.process_log import ProcessLog
from pymesoskit.testing.runtime.rate_limiter import RateLimiter
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from pymesoskit.testing.allocator import Allocator
    from pymesoskit.testing.engine.authorization import Authorizer, Subject
    from pymesoskit.testing.engine.flags.flags import MasterFlags
    from pymesoskit.testing.engine.http.authentication import Authenticator
    from pymesoskit.testing.engine.http.v1 import Event
    from pymesoskit.testing.engine.leadership import Leadership
    from pymesoskit.testing.engine.master.events import Listener
    from pymesoskit.testing.engine.master.registry import Registry
    from pymesoskit.testing.engine.network.messages import Message
    from pymesoskit.testing.engine.network.network import Address, Network
    from pymesoskit.testing.runtime.actor import Actor
    from pymesoskit.testing.runtime.clock import Timer
    from pymesoskit.testing.runtime.history import HistoryWriter
    from pymesoskit.testing.runtime.process_log import LogFile


class Core:
    """The state and the services that the functions of the master share."""

    def __init__(
        self,
        *,
        address: Address,
        flags: MasterFlags,
        actor: Actor,
        network: Network,
        rng: Random,
        registry: Registry,
        history: HistoryWriter,
        hostname: str,
        ip: str,
        port: int,
        leadership: Leadership | None,
        name: str,
        authenticator: Authenticator,
        authorizer: Authorizer | None,
        log_file: LogFile | None = None,
    ) -> None:
        self.address = address
        self.name = name  # in the cluster's history
        self.authenticator = authenticator
        self.authorizer = authorizer  # None: all is allowed
        self.flags = flags
        self.lifeline: Lifeline = Lifeline(actor.clock)
        self._actor = actor
        self.network = network
        self.rng = rng
        self.registry = registry
        self.history = history
        self.listeners: list[Listener] = []
        self.allocator: Allocator  # who made it hands it in before the master starts
        self.released: Hook[Agent] = Hook()  # a task or an operation on the agent is over
        self.removals: RateLimiter = RateLimiter(self.post, self.call_later, flags.agent_removal_rate_limit)
        self.phase: MasterPhase = MasterPhase.STANDBY
        self.log: ProcessLog = ProcessLog(self.call_later, log_file)
        self.state: MasterState = MasterState(
            str(self.new_uuid()), self.now(), registry, flags.max_completed_frameworks
        )
        self.info: mesos.MasterInfo = mesos.MasterInfo(
            id=self.state.master_id,
            ip=int.from_bytes(bytes(map(int, ip.split("."))), "little"),
            port=port,
            pid=address,
            hostname=hostname,
            version=VERSION,
            address=mesos.Address(hostname=hostname, ip=ip, port=port),
            capabilities=[
                mesos.MasterInfo.Capability(type=mesos.MasterInfo.Capability.AGENT_UPDATE),
                mesos.MasterInfo.Capability(type=mesos.MasterInfo.Capability.AGENT_DRAINING),
                mesos.MasterInfo.Capability(),  # QUOTA_V2, which the v1 enumeration lacks
            ],
        )

        if flags.domain is not None:
            self.info.domain.CopyFrom(flags.domain)
        self.leadership: Leadership = leadership if leadership is not None else FixedLeader(self.info)

    # Its life

    def step(self, cause: MasterCause) -> None:
        """Moves on in the table ``MASTER``."""
        self.phase = step(MASTER, self.phase, cause)

    @property
    def recovered(self) -> bool:
        """Whether this master leads and knows what is in the registry."""
        return self.phase is MasterPhase.SERVING

    # Time and chance

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.lifeline.time()

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Timer:
        """A timer that ends with the master and stands still with it; ``delay`` in seconds."""
        return self.lifeline.call_later(delay, callback, *args)

    def post(self, callback: Callable[..., object], *args: Any) -> None:
        """Calls ``callback(*args)`` in a later turn, unless the master has ended by then."""
        self._actor.post(self.lifeline.deliver, callback, *args)

    def new_uuid(self) -> uuid.UUID:
        """A random UUID, out of the cluster's chance."""
        return uuid.UUID(int=self.rng.getrandbits(128), version=4)

    # Who may

    def permissions(self, subject: Subject | None) -> Permissions:
        """What somebody may do."""
        return Permissions(self.authorizer, subject, self.note)

    # Telling

    def note(self, text: str) -> None:
        """Writes a line of the cluster's history, and of the master's log."""
        self.history.note(self.name, text)
        self.log.write(text)

    def store(self) -> None:
        """The registry has changed. That it is a value in memory, to store which takes no time, shows in a metric."""
        self.state.stores.record(0.0)

    def count(self, name: str, by: int = 1) -> None:
        """Counts in the metric ``master/<name>``."""
        self.state.counters[f"master/{name}"] += by

    def send(self, agent: Agent, message: Message) -> None:
        """Sends a message to an agent. Nothing tells whether it arrives."""
        self.send_address(agent.address, message)

    def send_address(self, address: Address, message: Message) -> None:
        """Sends a message to an agent that is not registered (yet)."""
        self.log.write(f"sends {type(message).__name__} to {address}", 1)
        self.network.send(self.address, address, message)

    def tell(self, framework: Framework, event: Event) -> None:
        """Sends an event to a framework, if it is connected."""
        if framework.stream is None:
            return
        framework.counters[_EVENT_COUNTERS[event.message.type]] += 1  # type: ignore[attr-defined]
        framework.stream.send(event)

    def tell_all(self, event: Event) -> None:
        """Sends an event to every connected framework; it is encoded once."""
        for framework in self.state.frameworks.values():
            self.tell(framework, event)


#: The framework's counter of each type of event.
_EVENT_COUNTERS = {number: f"events/{name.lower()}" for name, number in scheduler.Event.Type.items()}
