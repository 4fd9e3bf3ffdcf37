"""Sequences of operations with what the real allocator made of them; see `tests/conformance/allocator/README.md`.

`PYMESOSKIT_ALLOCATOR_TRANSCRIPTS` names another directory of the same form.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pymesoskit.testing.allocator.__main__ import main
from pymesoskit.testing.allocator.transcript import replay

DIRECTORY = Path(
    os.environ.get("PYMESOSKIT_ALLOCATOR_TRANSCRIPTS") or Path(__file__).parents[1] / "conformance" / "allocator"
)
FILES = sorted(DIRECTORY.glob("*/*.json"))


def load(path: Path) -> dict[str, Any]:
    transcript: dict[str, Any] = json.loads(path.read_text())
    return transcript


def test_there_are_transcripts() -> None:
    assert FILES, f"{DIRECTORY} holds no transcripts"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_offers_are_those_of_the_transcript_whatever_is_left_to_chance(path: Path) -> None:
    transcript = load(path)
    for seed in range(3):
        difference = replay(transcript, seed=seed)
        assert difference is None, f"seed {seed}: {difference}\n{transcript['rule']}"


class TestCommand:
    def test_prints_how_many_passed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([str(path) for path in FILES[:3]]) == 0
        assert capsys.readouterr().out == "3 passed, 0 failed\n"

    def test_prints_the_first_difference_of_each_file_that_fails(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        transcript = load(DIRECTORY / "cases" / "drf_name_tie.json")
        step = next(step for step in transcript["steps"] if step["allocations"])
        step["allocations"][0]["framework"] = "SOMEBODY-ELSE"
        changed = tmp_path / "changed.json"
        changed.write_text(json.dumps(transcript))
        assert main([str(FILES[0]), str(changed)]) == 1
        first, last = capsys.readouterr().out.splitlines()
        assert first.startswith(f"FAIL {changed}: step ")
        assert "SOMEBODY-ELSE" in first
        assert last == "1 passed, 1 failed"

    def test_a_metric_that_differs_is_a_difference(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        transcript = load(DIRECTORY / "cases" / "drf_name_tie.json")
        transcript["metrics"]["allocation_runs"] += 1
        changed = tmp_path / "changed.json"
        changed.write_text(json.dumps(transcript))
        assert main([str(changed)]) == 1
        assert "metric allocation_runs" in capsys.readouterr().out

    @pytest.mark.parametrize("text", ["no json", '{"steps": [{"op": "unheard_of"}], "flags": {}}'])
    def test_a_file_that_is_no_transcript_fails_by_name(
        self, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        broken = tmp_path / "broken.json"
        broken.write_text(text)
        assert main([str(broken), str(tmp_path / "absent.json")]) == 1
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith(f"FAIL {broken}: ")
        assert "absent.json: cannot be read" in lines[1]
        assert lines[2] == "0 passed, 2 failed"
