"""Ends that operators can put to frameworks and agents. Source: docs/reference/operator-api.md 2.2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymesoskit.testing.engine.authorization import Action, Object
from pymesoskit.testing.engine.http.v1 import refuse
from pymesoskit.testing.engine.master import agents, frameworks

if TYPE_CHECKING:
    from pymesoskit.testing.engine.authorization import Permissions
    from pymesoskit.testing.engine.master.core import Core


def teardown(core: Core, framework_id: str, permissions: Permissions) -> None:
    """TEARDOWN: ends a framework and all its tasks. Raises ``Refused`` (400, 403)."""
    framework = core.state.frameworks.get(framework_id)
    if framework is None:
        raise refuse(400, "No framework found with specified ID")
    principal = framework.principal
    thing = None if principal is None else Object(value=principal, framework_info=framework.info)
    permissions.require(Action.TEARDOWN_FRAMEWORK, thing)
    frameworks.remove(core, framework)


def mark_agent_gone(core: Core, agent_id: str) -> None:
    """MARK_AGENT_GONE: an agent (registered, recovered or unreachable) never comes back. Raises ``Refused`` (404).

    Once is enough. Transitions in the registry take no time here, so the answers that the real thing gives while one is
    under way (503) do not occur.
    """
    if agent_id in core.state.gone:
        return
    if core.registry.record(agent_id) is None:
        raise refuse(404, f"Agent '{agent_id}' not found")
    agents.mark_gone(core, agent_id)
