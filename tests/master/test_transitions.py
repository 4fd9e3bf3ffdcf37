"""The tables of transitions (docs/states.md is drawn from them)."""

import pytest

from pymesoskit.scheduler import states
from pymesoskit.testing.engine.master.transitions import (
    AGENT,
    AGENT_MEANINGS,
    FRAMEWORK,
    FRAMEWORK_MEANINGS,
    MASTER,
    MASTER_MEANINGS,
    AgentCause,
    AgentState,
    FrameworkCause,
    FrameworkState,
    MasterPhase,
)
from pymesoskit.testing.engine.states import TERMINAL_TASK_STATES, ImpossibleTransition, step


@pytest.mark.parametrize(
    ("table", "states", "meanings"),
    [
        (MASTER, MasterPhase, MASTER_MEANINGS),
        (FRAMEWORK, FrameworkState, FRAMEWORK_MEANINGS),
        (AGENT, AgentState, AGENT_MEANINGS),
    ],
)
def test_each_state_has_a_row_and_a_meaning(table, states, meanings):
    assert set(table) == set(meanings) == set(states)


def test_what_the_table_does_not_name_is_impossible():
    assert step(FRAMEWORK, FrameworkState.ACTIVE, FrameworkCause.DISCONNECT) is FrameworkState.DISCONNECTED
    with pytest.raises(ImpossibleTransition, match="FrameworkState completed: subscribe cannot happen"):
        step(FRAMEWORK, FrameworkState.COMPLETED, FrameworkCause.SUBSCRIBE)
    with pytest.raises(ImpossibleTransition):
        step(AGENT, AgentState.GONE, AgentCause.REREGISTER)


def test_clients_and_engine_agree_on_which_states_of_tasks_are_final():
    assert states.TERMINAL_STATES == TERMINAL_TASK_STATES
