"""``python -m pymesoskit.testing.allocator FILE…``: replays transcripts; exits with 1 if any of them fails."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pymesoskit.testing.allocator.transcript import replay

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the first difference of each failing file, then how many passed."""
    parser = argparse.ArgumentParser(
        prog="python -m pymesoskit.testing.allocator",
        description="Replays transcripts of Mesos's allocator and compares what is offered.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a transcript (JSON)")
    parser.add_argument("--seed", type=int, default=0, help="of the random choices that Mesos leaves open (default: 0)")
    options = parser.parse_args(arguments)
    failed = 0
    for path in options.files:
        problem = _check(path, options.seed)
        if problem is not None:
            failed += 1
            print(f"FAIL {path}: {problem}")
    print(f"{len(options.files) - failed} passed, {failed} failed")
    return 1 if failed else 0


def _check(path: Path, seed: int) -> str | None:
    try:
        transcript = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        return f"cannot be read: {error}"
    try:
        difference = replay(transcript, seed=seed)
    except Exception as error:  # noqa: BLE001 - one file's trouble must not hide the others'
        return f"{type(error).__name__}: {error}"
    return None if difference is None else str(difference)


if __name__ == "__main__":
    sys.exit(main())
