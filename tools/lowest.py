"""Prints the lowest versions that pyproject.toml allows for the direct dependencies, as a constraints file for pip.

Covers what the package itself and its extras ``testing`` and ``constraints`` need. Tools for development
are not pinned.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
EXTRAS = ("testing", "constraints")
FLOOR = re.compile(r"^([A-Za-z0-9._-]+)>=([0-9][0-9.]*)")


def constraints(project: dict[str, object]) -> list[str]:
    """Returns ``name==version`` for each requirement. Raises ``ValueError`` for one without a lowest version."""
    extras = project["optional-dependencies"]
    lines = []
    for requirement in [*project["dependencies"], *(each for extra in EXTRAS for each in extras[extra])]:  # type: ignore[misc,index]
        found = FLOOR.match(requirement)
        if found is None:
            raise ValueError(f"the requirement {requirement!r} has no lowest version: write it as NAME>=VERSION")
        lines.append(f"{found[1]}=={found[2]}")
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join(constraints(tomllib.loads(PYPROJECT.read_text())["project"])) + "\n")
