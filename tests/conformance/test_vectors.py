"""What Mesos answers to single questions on JSON and resources; see `vectors/README.md`.

`PYMESOSKIT_VECTORS` names another directory with files of the same kinds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import json_vectors, resource_vectors

DIRECTORY = Path(os.environ.get("PYMESOSKIT_VECTORS") or Path(__file__).parent / "vectors")
CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {**json_vectors.CHECKS, **resource_vectors.CHECKS}
FILES = sorted(path.name for path in DIRECTORY.glob("*.json"))


def kind(name: str) -> str:
    """The file whose rule it is: `json_numbers_2.json` asks what `json_numbers.json` does."""
    found = [known for known in CHECKS if name.startswith(known.removesuffix(".json"))]
    return max(found, key=len, default=name)


def test_the_directory_has_vectors() -> None:
    assert FILES, f"{DIRECTORY} holds no vectors"


@pytest.mark.parametrize("name", FILES)
def test_vectors_of(name: str) -> None:
    """All cases of a file; the failure lists each that differs."""
    assert kind(name) in CHECKS, f"nobody knows how to ask {name}"
    check = CHECKS[kind(name)]
    cases = json.loads((DIRECTORY / name).read_text())
    failures = []
    for number, case in enumerate(cases, 1):
        try:
            check(case)
        except AssertionError as error:
            failures.append(f"case {number}: {error}")
        except Exception as error:  # noqa: BLE001  # a case that breaks the check is a failure among the others
            failures.append(f"case {number}: {type(error).__name__}: {error}: {case}")
    assert not failures, f"{len(failures)} of {len(cases)} differ:\n" + "\n".join(failures[:20])
