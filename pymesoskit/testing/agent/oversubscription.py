"""Resources that an agent offers beyond what it has, because what is allocated is not all used; and what is taken back.

A ``ResourceEstimator`` is asked every ``--oversubscribed_resources_interval`` for what can be oversubscribed; the
master hears of changes. A ``QosController`` is asked every ``--qos_correction_interval_min`` (at least
``QOS_INTERVAL``) which executors have to go. Source: docs/reference/agent-executor.md 5.2 (preemption).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pymesoskit.testing.agent.state import Ending, Phase
from pymesoskit.testing.messages import UpdateAgent
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.resources import Resources
    from pymesoskit.testing.agent.core import Core
    from pymesoskit.testing.agent.executors import Executors
    from pymesoskit.testing.agent.launcher import Usage

#: Seconds between two questions to a QoS controller, at least.
QOS_INTERVAL = 1.0


class ResourceEstimator(Protocol):
    """Says what can be oversubscribed."""

    def oversubscribable(self, total: Resources, usages: dict[tuple[str, str], Usage]) -> Resources:
        """Revocable resources; ``usages`` is what the containers use, by (framework id, executor id)."""


class QosController(Protocol):
    """Says who has to go so that others get what they were promised."""

    def corrections(self, usages: dict[tuple[str, str], Usage]) -> Iterable[tuple[str, str]]:
        """(framework id, executor id) of the executors to kill."""


class Oversubscription:
    """See the module's text."""

    def __init__(
        self,
        core: Core,
        executors: Executors,
        estimator: ResourceEstimator | None,
        controller: QosController | None,
    ) -> None:
        self._core = core
        self._executors = executors
        self._estimator = estimator
        self._controller = controller
        self._told: tuple[mesos.Resource, ...] = ()

    def start(self) -> None:
        """Begins to ask."""
        if self._estimator is not None:
            self._estimate_later()
        if self._controller is not None:
            self._correct_later()

    def connected(self) -> None:
        """A master has taken the agent in: it does not know what was told to another."""
        if self._told:
            self._core.send(UpdateAgent(self._core.agent_id, self._told))

    def _usages(self) -> dict[tuple[str, str], Usage]:
        found = {}
        for framework, executor in self._core.executors():
            usage = None if executor.container is None else self._core.host.usage(executor.container)
            if usage is not None:
                found[framework.id, executor.id] = usage
        return found

    def _estimate_later(self) -> None:
        self._core.lifeline.call_later(self._core.flags.oversubscribed_resources_interval, self._estimate)

    def _estimate(self) -> None:
        assert self._estimator is not None
        resources = self._estimator.oversubscribable(self._core.total, self._usages())
        estimate = tuple(as_revocable(message) for message in resources.to_messages())
        if estimate != self._told:
            self._told = estimate
            if self._core.phase is Phase.RUNNING:
                self._core.send(UpdateAgent(self._core.agent_id, estimate))
        self._estimate_later()

    def _correct_later(self) -> None:
        interval = max(QOS_INTERVAL, self._core.flags.qos_correction_interval_min)
        self._core.lifeline.call_later(interval, self._correct)

    def _correct(self) -> None:
        assert self._controller is not None
        for framework_id, executor_id in list(self._controller.corrections(self._usages())):
            framework = self._core.frameworks.get(framework_id)
            executor = None if framework is None else framework.executors.get(executor_id)
            if framework is not None and executor is not None:
                self._core.count("executors_preempted")
                self._executors.kill(
                    executor,
                    Ending(
                        self._core.lost_state(framework, mesos.TASK_GONE),
                        mesos.TaskStatus.REASON_CONTAINER_PREEMPTED,
                        "Container preempted by QoS correction",
                    ),
                )
        self._correct_later()


def as_revocable(message: mesos.Resource) -> mesos.Resource:
    """The resource, marked as one that can be taken away."""
    message.revocable.SetInParent()
    return message
