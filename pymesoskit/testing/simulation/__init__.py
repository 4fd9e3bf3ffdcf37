"""Simulation by seed: a framework against a cluster in virtual time, under faults that the seed draws.

``simulate`` runs a world for many seeds, checks rules while it runs, and shrinks the faults of a run that breaks one.
Guide: docs/simulation.md.
"""

from __future__ import annotations

from pymesoskit.testing.simulation.faults import (
    MessageFault,
    TimedFault,
    all_faults,
    crash_agent,
    crash_framework,
    doubled_update,
    failover,
    freeze_agent,
    half_event,
    half_open,
    lost_call,
    lost_event,
    lost_message,
    lost_reply,
    partition,
    pause_framework,
    slow_agent,
)
from pymesoskit.testing.simulation.plan import PlanError
from pymesoskit.testing.simulation.run import Report, Run, SimulationFailed, simulate
from pymesoskit.testing.simulation.world import Life, SimulatedFramework, World, WorldError

__all__ = [
    "Life",
    "MessageFault",
    "PlanError",
    "Report",
    "Run",
    "SimulatedFramework",
    "SimulationFailed",
    "TimedFault",
    "World",
    "WorldError",
    "all_faults",
    "crash_agent",
    "crash_framework",
    "doubled_update",
    "failover",
    "freeze_agent",
    "half_event",
    "half_open",
    "lost_call",
    "lost_event",
    "lost_message",
    "lost_reply",
    "partition",
    "pause_framework",
    "simulate",
    "slow_agent",
]
