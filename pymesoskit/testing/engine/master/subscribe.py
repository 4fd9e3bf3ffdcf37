"""SUBSCRIBE: who is admitted, and what is wrong with those who are not.

The HTTP checks are over when a call gets here and the stream is open: what is refused now is told by one ERROR event,
and then the stream ends. Source: docs/reference/scheduler-api.md 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.allocator.constraints import ConstraintsError
from pymesoskit.testing.engine.http.v1 import EventStream
from pymesoskit.testing.engine.master import events, frameworks
from pymesoskit.testing.engine.master.authorization import registration_error
from pymesoskit.testing.engine.master.transitions import FrameworkState
from pymesoskit.testing.engine.master.validation.framework import framework_error, principal_error
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from pymesoskit.testing.engine.http.handler import Responder
    from pymesoskit.testing.engine.master.core import Core
    from pymesoskit.testing.engine.master.state import Framework


class _Subscription:
    """One stream; it knows whose it is as soon as somebody is admitted, and tells when the other side ends it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.framework: Framework | None = None
        self.epoch = 0

    def closed(self) -> None:
        if self.framework is not None:
            frameworks.disconnected(self._core, self.framework, self.epoch)


def subscribe(
    core: Core, call: scheduler.Call.Subscribe, principal: str | None, responder: Responder, content_type: str
) -> None:
    """Opens the stream and admits the framework, or says why not."""
    subscription = _Subscription(core)
    stream_id = str(core.new_uuid())
    headers = (("Content-Type", content_type), ("Mesos-Stream-Id", stream_id))
    stream = EventStream(responder.stream(200, headers, subscription.closed), content_type)
    info = mesos.FrameworkInfo()
    info.CopyFrom(call.framework_info)
    if principal is not None and not info.HasField("principal"):
        info.principal = principal
    core.count("messages_reregister_framework" if info.id.value else "messages_register_framework")
    try:
        constraints = _check(core, info, call)
    except _Unwanted as unwanted:
        core.note(f"SUBSCRIBE of {info.name} is refused: {unwanted}")
        stream.send(events.error(str(unwanted)))
        stream.end()
        return
    framework = core.state.frameworks.get(info.id.value)
    if framework is None and info.id.value:
        framework = frameworks.recover(core, info)
    if framework is None:
        info.id.value = core.state.new_framework_id()
        framework = frameworks.new_framework(core, info, FrameworkState.RECOVERED)
        framework.suppressed_roles = frozenset(call.suppressed_roles)
        constraints.put_on(framework)
        frameworks.admit(core, framework, stream, stream_id)
    else:
        info.user = framework.info.user
        if info.checkpoint != framework.info.checkpoint:
            info.checkpoint = framework.info.checkpoint
        frameworks.update_info(core, framework, info, call.suppressed_roles, constraints)
        frameworks.readmit(core, framework, stream, stream_id)
    framework.counters["calls/subscribe"] += 1
    subscription.framework = framework
    subscription.epoch = framework.epoch


class _Unwanted(Exception):
    """Why a subscription is refused."""


def _check(core: Core, info: mesos.FrameworkInfo, call: scheduler.Call.Subscribe) -> frameworks.Constraints:
    """The constraints of a good subscription. Raises ``_Unwanted`` with the first reason to refuse it."""
    error = framework_error(
        info,
        call.suppressed_roles,
        whitelist=core.flags.roles,
        root_submissions=core.flags.root_submissions,
        is_completed=info.id.value in core.state.completed_frameworks,
    )
    constraints = frameworks.Constraints()
    if error is None and call.HasField("offer_constraints"):
        try:
            constraints = frameworks.compile_constraints(core, call.offer_constraints)
        except ConstraintsError as wrong:
            error = str(wrong)
    if error is None:
        error = registration_error(core.permissions(info.principal if info.HasField("principal") else None), info)
    known = core.state.frameworks.get(info.id.value) if info.id.value else None
    if error is None and known is not None:
        error = principal_error(known.info, info)
    if error is not None:
        raise _Unwanted(error)
    return constraints
