"""Others' clients, and where they run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEER = Path(__file__).resolve().parent / "pymesos_peer.py"


def foreign_python() -> str | None:
    """The interpreter that has pymesos; made on demand. None if this machine has no Python old enough."""
    python = ROOT / ".foreign" / "python" / "bin" / "python"
    if not python.exists():  # what is missing here for some of them, the command says itself
        subprocess.run(["make", "--no-print-directory", "foreign"], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
    return str(python) if python.exists() else None


def pymesos(*arguments: object) -> float | None:
    """A figure of pymesos; None if it cannot be had here."""
    python = foreign_python()
    if python is None:
        return None
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(
        [python, str(PEER), *map(str, arguments)], stdout=subprocess.PIPE, env=environment, timeout=900, check=True
    )
    return float(done.stdout)


#: What stands in the table where the peer is missing.
ABSENT = "pymesos: absent (needs a Python 3.8 to 3.10)"
