"""The temporary directories of clusters: nobody waits for their removal, and nothing of them is left."""

from __future__ import annotations

import fcntl
import tempfile
import time
from pathlib import Path

import pytest

from pymesoskit.testing.cluster import scratch
from pymesoskit.testing.cluster.scratch import Scratch


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def full() -> Scratch:
    made = Scratch.make()
    for number in range(20):
        (made.path / f"{number}/deep").mkdir(parents=True)
        (made.path / f"{number}/deep/file").write_text("x")
    return made


def until_gone(path: Path) -> None:
    deadline = time.monotonic() + 30
    while path.exists():
        assert time.monotonic() < deadline, f"{path} is still there"


def test_a_directory_is_gone_when_it_has_been_removed(full: Scratch) -> None:
    full.remove()
    assert not full.path.exists()


def test_what_takes_long_is_removed_in_the_background(full: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "PATIENCE", 0.0)
    full.remove()
    until_gone(full.path)


def test_an_impatient_user_leaves_nothing_either(full: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(scratch, "remove", interrupted)
    with pytest.raises(KeyboardInterrupt):
        full.remove()
    until_gone(full.path)


def test_the_next_cluster_does_not_wait_for_what_an_earlier_one_has_left(
    full: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl.flock(full._lock, fcntl.LOCK_UN)  # its owner was killed
    monkeypatch.setattr(scratch, "PATIENCE", 0.0)
    made = Scratch.make()
    until_gone(full.path)
    monkeypatch.undo()
    made.remove()


def test_the_lock_is_held_as_long_as_something_is_removed(full: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def started(command: list[str], *, pass_fds: list[int], **_: object) -> None:
        seen.append((command[-1], pass_fds))

    monkeypatch.setattr(scratch, "PATIENCE", 0.0)
    monkeypatch.setattr(scratch.subprocess, "run", started)
    lock = full._lock
    full.remove()
    assert seen == [(str(full.path), [lock])]
