"""The table of pins (README.md beside this file) names tests and sequences that there are."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES = {path.stem for path in (ROOT / "tests/conformance/allocator/cases").glob("*.json")}


def named() -> list[str]:
    """All that stands in backquotes in the last column of a table."""
    rows = [line for line in (HERE / "README.md").read_text().splitlines() if line.startswith("| ")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.rstrip("| ").rpartition(" | ")[2])]


def exists(name: str) -> bool:
    if name in CASES:
        return True
    file, _, test = name.partition("::")
    path = ROOT / file if file.startswith("tests/") else HERE / file
    if not path.exists():
        return False
    text = path.read_text()
    return not test or re.search(rf"(def {test}\b|^{test} =)", text, re.MULTILINE) is not None


def test_whatever_pins_a_line_exists() -> None:
    parts = {"nothing_is_given_twice", "nothing_gets_lost", "Limited"}  # of the histories
    histories = (HERE / "test_histories.py").read_text()
    assert all(re.search(rf"(def|class) {part}\b", histories) for part in parts)
    names = named()
    assert len(names) > 100
    assert [name for name in names if name not in parts and not exists(name)] == []


def test_every_recorded_case_is_in_the_table() -> None:
    assert CASES - set(named()) == set()
