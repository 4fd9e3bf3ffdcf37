"""What all measurements share: how something is timed, and how results are shown.

A benchmark is a module of this package with ``def run(quick: bool) -> Iterable[Row]``; ``quick`` asks for a run of
seconds that only shows that it works. A row has what was measured here, and a peer's figure from the same run, so that
a ratio means something on any machine.
"""

from __future__ import annotations

import contextlib
import gc
import os
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ROUNDS = 5


@frozen
class Row:
    """One line of a benchmark's table."""

    what: str
    figure: float
    unit: str
    """E.g. "µs", "events/s". The bigger the better if it ends in "/s", else the smaller."""
    peer: float | None = None
    """The peer's figure, in the same unit."""
    peer_name: str = ""
    aim: str = ""
    """What was aimed at, as text: "≥ 5×"."""

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer."""
        if not self.peer or not self.figure:
            return None
        return self.figure / self.peer if self.unit.endswith("/s") else self.peer / self.figure


Clock = Callable[[], float]


def seconds(
    action: Callable[[], object],
    *,
    at_least: float = 0.02,
    rounds: int = ROUNDS,
    clock: Clock = time.perf_counter,
) -> float:
    """Seconds per call: the median of ``rounds`` (at least 5), after a warm-up; a round repeats the call for
    ``at_least`` seconds.

    ``time.process_time`` as the clock suits what only computes: other processes then do not count.
    """
    return race([action], at_least=at_least, rounds=rounds, clock=clock)[0]


def race(
    actions: Sequence[Callable[[], object]],
    *,
    at_least: float = 0.02,
    rounds: int = ROUNDS,
    clock: Clock = time.perf_counter,
) -> list[float]:
    """``seconds`` of each action, in turns: a machine that is slow for a while is slow for all of them."""
    calls = [_calls_for(action, at_least, clock) for action in actions]
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(max(rounds, ROUNDS)):
        for action, count, found in zip(actions, calls, times, strict=True):
            found.append(_time(action, count, clock) / count)
    return [statistics.median(found) for found in times]


def _calls_for(action: Callable[[], object], at_least: float, clock: Clock) -> int:
    calls, took = 1, _time(action, 1, clock)
    while took < at_least:
        calls = max(calls + 1, int(calls * min(10.0, 1.2 * at_least / max(took, 1e-9))))
        took = _time(action, calls, clock)
    return calls


def _time(action: Callable[[], object], calls: int, clock: Clock) -> float:
    gc.collect()
    begin = clock()
    for _ in range(calls):
        action()
    return clock() - begin


@contextlib.contextmanager
def pinned_cpu() -> Iterator[int | None]:
    """Runs the process on one CPU, the last of those it may use; gives its number, or None where that cannot be had."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    allowed = os.sched_getaffinity(0)
    cpu = max(allowed)
    os.sched_setaffinity(0, {cpu})
    try:
        yield cpu
    finally:
        os.sched_setaffinity(0, allowed)


def table(rows: Iterable[Row]) -> str:
    """The rows as text in columns."""
    head = ("", "here", "peer", "ratio", "aim")
    lines = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        ).rstrip()
        for line in lines
    )


def _cells(row: Row) -> tuple[str, str, str, str, str]:
    peer = "" if row.peer is None else f"{_number(row.peer)} {row.unit} ({row.peer_name})"
    ratio = "" if row.ratio is None else f"{row.ratio:.1f}×"
    return row.what, f"{_number(row.figure)} {row.unit}", peer, ratio, row.aim


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
