"""Who gets which resources: Mesos's hierarchical DRF allocator as a library of its own.

It needs no master: plain values go in (`Resources`, the options of frameworks and agents), a clock and a seeded
generator are handed in, and a `Listener` receives the offers. Any other policy that keeps the `Allocator` protocol can
stand in its place (`contract` has the tests that it must pass). Source: docs/reference/allocator.md; how to use it:
docs/allocator.md.
"""

from __future__ import annotations

from pymesoskit.testing.allocator.api import (
    AGENT_CAPABILITIES,
    AgentOptions,
    Allocator,
    AllocatorFactory,
    AllocatorOptions,
    Amounts,
    FaultDomain,
    Filters,
    FrameworkOptions,
    Holdings,
    InverseOfferResponse,
    Listener,
    OfferConstraints,
    Quota,
    Unavailability,
)
from pymesoskit.testing.allocator.constraints import CompiledConstraints, ConstraintsError, compile_constraints
from pymesoskit.testing.allocator.contract import AllocatorContract
from pymesoskit.testing.allocator.hierarchical import HierarchicalAllocator
from pymesoskit.testing.allocator.playground import Held, Playground
from pymesoskit.testing.runtime.actor import SimulatedActor

__all__ = [
    "AGENT_CAPABILITIES",
    "AgentOptions",
    "Allocator",
    "AllocatorContract",
    "AllocatorFactory",
    "AllocatorOptions",
    "Amounts",
    "CompiledConstraints",
    "ConstraintsError",
    "FaultDomain",
    "Filters",
    "FrameworkOptions",
    "Held",
    "HierarchicalAllocator",
    "Holdings",
    "InverseOfferResponse",
    "Listener",
    "OfferConstraints",
    "Playground",
    "Quota",
    "SimulatedActor",
    "Unavailability",
    "compile_constraints",
]
