"""The hierarchical policy keeps the contract of all policies, with either kind of sorter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from pymesoskit.testing.allocator import Allocator, AllocatorOptions, HierarchicalAllocator, Listener
from pymesoskit.testing.allocator.contract import AllocatorContract

if TYPE_CHECKING:
    from random import Random

    from pymesoskit.testing.clock import Clock


class TestHierarchical(AllocatorContract):
    def make(self, clock: Clock, rng: Random, listener: Listener, options: AllocatorOptions) -> Allocator:
        return HierarchicalAllocator(clock, rng, listener, options)


class TestHierarchicalAtRandom(AllocatorContract):
    def make(self, clock: Clock, rng: Random, listener: Listener, options: AllocatorOptions) -> Allocator:
        return HierarchicalAllocator(
            clock, rng, listener, evolve(options, role_sorter="random", framework_sorter="random")
        )
