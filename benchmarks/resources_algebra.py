"""The algebra of resources: what a master does for each task, and how it grows with the size of a collection.

The peer is a plain dict of floats by name, which knows none of the rules: it shows what they cost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.harness import Row, seconds
from pymesoskit.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator

MICRO = 1e6
PEER = "dict of floats"

AGENT = "cpus:16;mem:65536;disk:1000000;ports:[31000-32000]"
TASK = "cpus:0.1;mem:32;ports:[31005-31006]"


def run(quick: bool) -> Iterator[Row]:
    """One operation at a time, a task's life, and growth per resource."""
    yield from _operations()
    yield from _life(100 if quick else 10_000)
    yield from _growth((100, 200) if quick else (1_000, 4_000, 16_000))


def _operations() -> Iterator[Row]:
    agent, task = Resources.parse(AGENT), Resources.parse(TASK)
    plain_agent, plain_task = (
        {"cpus": 16.0, "mem": 65536.0, "disk": 1e6, "ports": 1001.0},
        {"cpus": 0.1, "mem": 32.0, "ports": 2.0},
    )
    messages = task.to_messages()
    pairs = {
        "sum": (lambda: agent + task, lambda: _plain_sum(plain_agent, plain_task)),
        "difference": (lambda: agent - task, lambda: _plain_difference(plain_agent, plain_task)),
        "contains": (
            lambda: agent.contains(task),
            lambda: all(plain_agent.get(k, 0) >= v for k, v in plain_task.items()),
        ),
    }
    for name, (ours, plain) in pairs.items():
        yield Row(f"{name} of 4 and 3 resources", seconds(ours) * MICRO, "µs", seconds(plain) * MICRO, PEER)
    yield Row("3 messages that were seen before", seconds(lambda: Resources.from_messages(messages)) * MICRO, "µs")
    yield Row("4 resources to messages", seconds(agent.to_messages) * MICRO, "µs")
    yield Row("allocate 4 resources to a role", seconds(lambda: agent.allocated("web")) * MICRO, "µs")
    yield Row("quantities of a new sum", seconds(lambda: _amounts(agent + task)) * MICRO, "µs")
    yield Row("read --resources", seconds(lambda: Resources.parse(AGENT)) * MICRO, "µs")


def _amounts(resources: Resources) -> float:
    return resources.scalar_quantities().get("cpus")


def _plain_sum(a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
    return {name: a.get(name, 0.0) + b.get(name, 0.0) for name in a.keys() | b.keys()}


def _plain_difference(a: dict[str, float], b: dict[str, float]) -> dict[str, float]:
    left = {name: value - b.get(name, 0.0) for name, value in a.items()}
    return {name: value for name, value in left.items() if value > 0}


def _life(count: int) -> Iterator[Row]:
    """Tasks with ports of their own: read, checked against the pool, taken, given back."""
    agent = Resources.parse(AGENT)
    tasks = [
        Resources.parse(f"cpus:0.1;mem:32;ports:[{31000 + number % 1000}-{31000 + number % 1000}]")
        for number in range(count)
    ]
    messages = [task.to_messages() for task in tasks]

    def pass_by() -> None:
        pool = agent
        for message in messages:
            task = Resources.from_messages(message)
            assert pool.contains(task)
            pool = pool - task + task

    yield Row(f"{count:,} tasks through a pool", count / seconds(pass_by), "tasks/s")


def _growth(sizes: tuple[int, ...]) -> Iterator[Row]:
    """Reservations of as many roles: the time per resource stays the same."""
    for size in sizes:
        one = Resources.parse(";".join(f"cpus(role{number}):1" for number in range(size)))
        two = one + one
        yield Row(f"sum of {size:,} kinds, per kind", seconds(lambda a=one: a + a) / size * MICRO, "µs")
        yield Row(f"difference of {size:,} kinds, per kind", seconds(lambda a=two, b=one: a - b) / size * MICRO, "µs")
        yield Row(f"nothing left of {size:,} kinds, per kind", seconds(lambda a=one: a - a) / size * MICRO, "µs")
