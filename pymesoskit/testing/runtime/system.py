"""Load and memory of the machine that the cluster runs on: what master and agents show as metrics ``system/…``, and
what an agent finds out that it has.

Source: docs/reference/operator-api.md 3.2 (``/system/stats.json``) and 5, agent-executor.md 14.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

_MEGABYTE = 1 << 20
#: What an agent leaves to the machine, in MB, and what it takes for granted where the system does not tell.
SPARE_MEMORY, SPARE_DISK = 1 << 10, 5 << 10
UNKNOWN_MEMORY, UNKNOWN_DISK = 1 << 10, 10 << 10


def _memory() -> tuple[float, float]:
    """Total and free memory in bytes; zeros where the system does not tell."""
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return float(page * os.sysconf("SC_PHYS_PAGES")), float(page * os.sysconf("SC_AVPHYS_PAGES"))
    except (ValueError, OSError):
        return 0.0, 0.0


def read_system() -> dict[str, float]:
    """The metrics, by name."""
    total, free = _memory()
    one, five, fifteen = os.getloadavg()
    return {
        "system/cpus_total": float(os.cpu_count() or 1),
        "system/load_15min": fifteen,
        "system/load_1min": one,
        "system/load_5min": five,
        "system/mem_free_bytes": free,
        "system/mem_total_bytes": total,
    }


def system_model() -> dict[str, float]:
    """The body of ``/system/stats.json``."""
    metrics = read_system()
    return {
        "avg_load_15min": metrics["system/load_15min"],
        "avg_load_1min": metrics["system/load_1min"],
        "avg_load_5min": metrics["system/load_5min"],
        "cpus_total": metrics["system/cpus_total"],
        "mem_free_bytes": metrics["system/mem_free_bytes"],
        "mem_total_bytes": metrics["system/mem_total_bytes"],
    }


def detected(told: Container[str], work_dir: Path | None) -> str:
    """The resources of this machine as text, except for those that the agent was given: all but a little of memory and
    of the disk that holds ``work_dir``, or half where there is not much.
    """
    memory = int(_memory()[0]) // _MEGABYTE
    try:
        disk = shutil.disk_usage(work_dir or "/").total // _MEGABYTE
    except OSError:
        disk = 0
    found = {
        "cpus": str(os.cpu_count() or 1),
        "mem": str(_all_but(memory, SPARE_MEMORY) if memory else UNKNOWN_MEMORY),
        "disk": str(_all_but(disk, SPARE_DISK) if disk else UNKNOWN_DISK),
        "ports": "[31000-32000]",
    }
    return ";".join(f"{name}:{value}" for name, value in found.items() if name not in told)


def _all_but(total: int, spare: int) -> int:
    return total - spare if total >= 2 * spare else total // 2
