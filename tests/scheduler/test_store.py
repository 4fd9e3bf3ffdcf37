"""Where the framework's id is kept."""

from __future__ import annotations

import os

import pytest

from pymesoskit.scheduler import FileStore, MemoryStore


@pytest.mark.parametrize("make", [lambda path: MemoryStore(), FileStore], ids=["memory", "file"])
def test_a_store_keeps_one_id(make, tmp_path):
    store = make(tmp_path / "id")
    assert store.load() is None
    store.save("one")
    store.save("two")
    assert store.load() == "two"
    store.clear()
    store.clear()
    assert store.load() is None


def test_a_file_is_replaced_in_one_step(tmp_path, monkeypatch):
    store = FileStore(tmp_path / "id")
    store.save("one")

    def full(_descriptor):
        raise OSError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="disk full"):
            store.save("two")
    assert store.load() == "one"
    assert [path.name for path in tmp_path.iterdir()] == ["id"]


@pytest.mark.parametrize("text", ["", "\n", "two words\n", "one\ntwo\n"])
def test_a_file_with_something_else_in_it_is_told(tmp_path, text):
    path = tmp_path / "id"
    path.write_text(text)
    with pytest.raises(ValueError, match="does not hold a framework id"):
        FileStore(path).load()


def test_a_file_of_another_hand_is_read(tmp_path):
    path = tmp_path / "id"
    path.write_text("  abc-0000 \n")
    assert FileStore(path).load() == "abc-0000"
