"""Load and memory of the machine that the cluster runs on: what master and agents show as metrics ``system/…``.

Source: docs/reference/operator-api.md 3.2 (``/system/stats.json``) and 5.
"""

from __future__ import annotations

import os


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
