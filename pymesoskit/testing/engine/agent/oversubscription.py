"""Resources that an agent offers beyond what it has, because what is allocated is not all used; and what is taken back.

A ``ResourceEstimator`` is asked every ``--oversubscribed_resources_interval`` for what can be oversubscribed; the
master hears of changes. A ``QosController`` is asked every ``--qos_correction_interval_min`` (at least
``QOS_INTERVAL``) which executors have to go. Source: docs/reference/agent-executor.md 5.2 (preemption).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from pymesoskit.resources import Resources
from pymesoskit.testing.engine.agent import executors
from pymesoskit.testing.engine.agent.state import Ending
from pymesoskit.testing.engine.agent.transitions import ExecutorState, Phase
from pymesoskit.testing.engine.network.messages import UpdateAgent
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymesoskit.testing.engine.agent.core import Core
    from pymesoskit.testing.engine.machine.launcher import Usage

#: Seconds between two questions to a QoS controller, at least.
QOS_INTERVAL = 1.0


class ResourceEstimator(Protocol):
    """Says what can be oversubscribed."""

    def oversubscribable(
        self, total: Resources, allocated: Resources, usages: dict[tuple[str, str], Usage]
    ) -> Resources:
        """What more can be offered as revocable, on top of the revocable resources that are in use.

        ``total`` is what the agent has, ``allocated`` what its executors and tasks hold (nobody's allocation, as it
        was offered), ``usages`` what the containers really use, by (framework id, executor id).
        """


@frozen
class FixedEstimator:
    """Always offers the same amount, less what of it is in use: Mesos's ``FixedResourceEstimator``."""

    resources: Resources

    def oversubscribable(
        self,
        total: Resources,  # noqa: ARG002
        allocated: Resources,
        usages: dict[tuple[str, str], Usage],  # noqa: ARG002
    ) -> Resources:
        """See ``ResourceEstimator``."""
        return as_revocable(self.resources) - allocated.revocable()


class QosController(Protocol):
    """Says who has to go so that others get what they were promised."""

    def corrections(self, usages: dict[tuple[str, str], Usage]) -> Iterable[tuple[str, str]]:
        """(framework id, executor id) of the executors to kill."""


class Oversubscription:
    """Asks the estimator and the controller of one agent, as long as the agent lives."""

    def __init__(self, core: Core, estimator: ResourceEstimator | None, controller: QosController | None) -> None:
        self._core = core
        self._estimator = estimator
        self._controller = controller

    def start(self) -> None:
        """Asks for the first time."""
        if self._estimator is not None:
            self._estimate(self._estimator)
        if self._controller is not None:
            self._correct_later()

    def tell(self) -> None:
        """Tells the master what is oversubscribed, even if that is nothing."""
        self._core.send(UpdateAgent(self._core.agent_id, tuple(self._core.oversubscribed.to_messages())))

    def _usages(self) -> dict[tuple[str, str], Usage]:
        found = {}
        for framework, executor in self._core.executors():
            usage = None if executor.container is None else self._core.host.usage(executor.container)
            if usage is not None:
                found[framework.id, executor.id] = usage
        return found

    def _estimate(self, estimator: ResourceEstimator) -> None:
        """Asks now and from now on. What is in use of the oversubscribed resources goes on being offered."""
        core = self._core
        held = (resource for _, executor in core.executors() for resource in executor.resources())
        allocated = Resources.from_messages(held).unallocated()
        more = estimator.oversubscribable(core.total, allocated, self._usages())
        oversubscribed = as_revocable(more) + allocated.revocable()
        if oversubscribed != core.oversubscribed:
            core.oversubscribed = oversubscribed
            if core.phase is Phase.RUNNING:
                self.tell()
        core.lifeline.call_later(core.flags.oversubscribed_resources_interval, self._estimate, estimator)

    def _correct_later(self) -> None:
        interval = max(QOS_INTERVAL, self._core.flags.qos_correction_interval_min)
        self._core.lifeline.call_later(interval, self._correct)

    def _correct(self) -> None:
        assert self._controller is not None
        self._correct_later()
        if self._core.phase not in {Phase.RUNNING, Phase.DISCONNECTED}:
            return
        for framework_id, executor_id in list(self._controller.corrections(self._usages())):
            framework = self._core.frameworks.get(framework_id)
            executor = None if framework is None or framework.terminating else framework.executors.get(executor_id)
            if framework is None or executor is None:
                continue
            if executor.state in {ExecutorState.REGISTERING, ExecutorState.RUNNING}:
                self._core.count("executors_preempted")
                executors.kill(
                    self._core,
                    executor,
                    Ending(
                        self._core.lost_state(framework, mesos.TASK_GONE),
                        mesos.TaskStatus.REASON_CONTAINER_PREEMPTED,
                        "Container preempted by QoS correction",
                    ),
                )


def as_revocable(resources: Resources) -> Resources:
    """The resources, marked as ones that can be taken away."""
    messages = resources.to_messages()
    for message in messages:
        message.revocable.SetInParent()
    return Resources.from_messages(messages)
