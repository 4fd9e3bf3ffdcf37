"""Removing directories without waiting for the file system."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from pymesoskit.testing.engine.machine import remover as remover_module
from pymesoskit.testing.engine.machine.remover import WAITING, Remover, remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def remover(tmp_path: Path) -> Iterator[Remover]:
    remover = Remover(tmp_path)
    yield remover
    remover.close()


def tree(directory: Path) -> Path:
    (directory / "a/b").mkdir(parents=True)
    (directory / "a/b/file").write_text("x")
    (directory / "link").symlink_to(directory / "a")
    return directory


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline


def test_a_directory_is_out_of_the_way_at_once_and_gone_later(tmp_path: Path, remover: Remover) -> None:
    directory = tree(tmp_path / "d")
    assert remover.remove(directory)
    assert not directory.exists()
    until(lambda: not list((tmp_path / WAITING).iterdir()))


def test_nobody_waits_while_something_is_removed(
    tmp_path: Path, remover: Remover, monkeypatch: pytest.MonkeyPatch
) -> None:
    going, go_on = threading.Event(), threading.Event()

    def slow(_directory: Path, goes_on: Callable[[], bool]) -> bool:
        going.set()
        while goes_on() and not go_on.wait(0.001):
            pass
        return goes_on()

    monkeypatch.setattr(remover_module, "remove", slow)
    assert remover.remove(tree(tmp_path / "one"))
    assert going.wait(20)
    assert remover.remove(tree(tmp_path / "two"))
    remover.close()  # does not wait either
    assert not go_on.is_set()


def test_what_is_not_there_cannot_be_removed(tmp_path: Path, remover: Remover) -> None:
    assert not remover.remove(tmp_path / "nothing")


def test_nothing_is_removed_by_way_of_a_link(tmp_path: Path, remover: Remover) -> None:
    kept = tree(tmp_path / "elsewhere/d").parent
    (tmp_path / "containers").symlink_to(kept)
    assert not remover.remove(tmp_path / "containers/d")
    assert (kept / "d/a/b/file").exists()


def test_what_was_left_is_removed_by_the_next_one(tmp_path: Path, remover: Remover) -> None:
    tree(tmp_path / WAITING / "left")
    remover.resume()
    until(lambda: not list((tmp_path / WAITING).iterdir()))


def test_a_work_directory_can_be_emptied(tmp_path: Path, remover: Remover) -> None:
    tree(tmp_path / "d")
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "d")
    remover.empty()
    assert [path.name for path in tmp_path.iterdir()] == [WAITING]


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    kept = tree(tmp_path / "kept")
    directory = tree(tmp_path / "d")
    (directory / "out").symlink_to(kept)
    assert remove(directory, lambda: True)
    assert not directory.exists()
    assert (kept / "a/b/file").exists()


def test_a_removal_can_be_broken_off_and_taken_up_again(tmp_path: Path) -> None:
    directory = tree(tmp_path / "d")
    answers = iter([True, False])
    assert not remove(directory, lambda: next(answers))
    assert (directory / "a").is_dir()
    assert not (directory / "a/b/file").exists()
    assert remove(directory, lambda: True)
    assert not directory.exists()
