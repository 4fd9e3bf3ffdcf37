"""Writes docs/states.md: the states of clients, masters, frameworks, agents and executors, from the tables in the code.

``python tools/states.py`` writes the page, ``python tools/states.py --check`` fails if it is not up to date.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymesoskit.subscription.session import TRANSITIONS, State
from pymesoskit.testing.engine.agent import transitions as agent
from pymesoskit.testing.engine.executors import run_states
from pymesoskit.testing.engine.master import transitions
from pymesoskit.testing.engine.states import TERMINAL_OPERATION_STATES, TERMINAL_TASK_STATES
from pymesoskit.wire.v1 import mesos

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from enum import Enum

PAGE = Path(__file__).parent.parent / "docs" / "states.md"

HEAD = """\
# States

The states of everything that has a life in pymesoskit, and what changes them. `tools/states.py` writes this page from
the tables that the code itself follows; a cause without an arrow cannot happen in that state, or changes nothing. The
rules are in [reference/scheduler-api.md](reference/scheduler-api.md) 3, 6, 7 and 12,
[reference/failover.md](reference/failover.md), and [reference/agent-executor.md](reference/agent-executor.md) 2, 5
and 6.
"""


def diagram(table: Mapping[Any, Mapping[Any, Any]], first: Enum | None = None) -> Iterator[str]:
    """A Mermaid diagram of a table."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    for state in table:
        yield f"    {state.name}: {state.value.lower()}"
    if first is not None:
        yield f"    [*] --> {first.name}"
    for state, causes in table.items():
        by_target: dict[Enum, list[str]] = {}
        for cause, target in causes.items():
            by_target.setdefault(target, []).append(cause.value)
        for target, names in by_target.items():
            yield f"    {state.name} --> {target.name}: {', '.join(names)}"
    yield "```"


def legend(states: type[Enum], meanings: Mapping[Any, str]) -> Iterator[str]:
    """What the states mean."""
    yield "| state | |"
    yield "| --- | --- |"
    for state in states:
        yield f"| {state.value.lower()} | {meanings[state]} |"


def page() -> str:
    """The whole page."""
    lines = [HEAD, "## Subscriptions of clients", ""]
    lines += [
        "A scheduler's or an executor's, as the client sees it (`pymesoskit/subscription/session.py`). Each attempt",
        "has a number, its epoch; what happens to the connection of an older attempt has no arrow at all.",
        "",
        *diagram(TRANSITIONS, State.IDLE),
        "",
        "## Masters",
        "",
        "One life of a master (`pymesoskit/testing/engine/master/transitions.py`).",
        "",
        *diagram(transitions.MASTER, transitions.MasterPhase.STANDBY),
        "",
        *legend(transitions.MasterPhase, transitions.MASTER_MEANINGS),
        "",
        "## Frameworks",
        "",
        "As the master of the cluster sees them (the same module).",
        "",
        *diagram(transitions.FRAMEWORK),
        "",
        *legend(transitions.FrameworkState, transitions.FRAMEWORK_MEANINGS),
        "",
        "## Agents, as masters see them",
        "",
        "As the master sees them (`pymesoskit/testing/engine/master/transitions.py`).",
        "",
        *diagram(transitions.AGENT, transitions.AgentState.UNKNOWN),
        "",
        *legend(transitions.AgentState, transitions.AGENT_MEANINGS),
        "",
        "## Agents, by themselves",
        "",
        "One life of an agent's process (`pymesoskit/testing/engine/agent/transitions.py`).",
        "",
        *diagram(agent.PHASE, agent.Phase.RECOVERING),
        "",
        *legend(agent.Phase, agent.PHASE_MEANINGS),
        "",
        "## Executors",
        "",
        "As their agent sees them (the same module). An executor that an agent recovers is registering again.",
        "",
        *diagram(agent.EXECUTOR, agent.ExecutorState.REGISTERING),
        "",
        *legend(agent.ExecutorState, agent.EXECUTOR_MEANINGS),
        "",
    ]
    lines += [
        "## Tasks in the hands of a built-in executor",
        "",
        "As the command executor and the default executor see them",
        "(`pymesoskit/testing/engine/executors/run_states.py`).",
        "",
        *diagram(run_states.RUN, run_states.RunState.LAUNCHING),
        "",
        *legend(run_states.RunState, run_states.MEANINGS),
        "",
    ]
    terminal = [name for name, number in mesos.TaskState.items() if number in TERMINAL_TASK_STATES]
    lines += [
        "## Tasks",
        "",
        "Any state may follow any other until one of these has come; from then on a task keeps its state, and its",
        "resources are free:",
        "",
        ", ".join(f"`{name}`" for name in terminal) + ".",
        "",
        "The resources of a task in `TASK_UNREACHABLE` are free, too, but its agent may bring it back. A task is gone",
        "from the master when its terminal status has been acknowledged.",
        "",
        "## Operations",
        "",
        "The same holds for operations and these states:",
        "",
    ]
    ended = [name for name, number in mesos.OperationState.items() if number in TERMINAL_OPERATION_STATES]
    lines += [", ".join(f"`{name}`" for name in ended) + ".", ""]
    return "\n".join(lines)


def main() -> int:
    text = page()
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text() == text else 1
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
