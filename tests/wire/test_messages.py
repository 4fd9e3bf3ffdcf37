"""The generated messages: they know where they are from, and can be copied and pickled."""

from __future__ import annotations

import copy
import importlib
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pymesoskit.wire import v1
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

MODULES = [getattr(v1, name) for name in v1.__all__]

MESSAGES: list[Message] = [
    mesos.TaskID(value="t"),
    mesos.Resource.DiskInfo.Source(type="MOUNT"),
    mesos.TaskInfo(name="lacks its required fields"),
    scheduler.Call(type="ACCEPT", accept={"offer_ids": [{"value": "o"}], "operations": [{"type": "LAUNCH"}]}),
]


def classes(descriptor: Descriptor, cls: type[Message]) -> list[type[Message]]:
    nested = [(each, getattr(cls, each.name)) for each in descriptor.nested_types if not each.GetOptions().map_entry]
    return [cls, *(one for each, inner in nested for one in classes(each, inner))]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_a_message_class_can_be_imported_from_the_module_that_it_names(module: object) -> None:
    for name, descriptor in module.DESCRIPTOR.message_types_by_name.items():  # type: ignore[attr-defined]
        for cls in classes(descriptor, getattr(module, name)):
            found: object = importlib.import_module(cls.__module__)
            for part in cls.__qualname__.split("."):
                found = getattr(found, part)
            assert found is cls


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.DESCRIPTOR.name)
@pytest.mark.parametrize(
    "duplicate",
    [
        copy.copy,
        copy.deepcopy,
        *(lambda m, p=p: pickle.loads(pickle.dumps(m, p)) for p in range(2, pickle.HIGHEST_PROTOCOL + 1)),
    ],
)
def test_messages_can_be_copied_and_pickled(message: Message, duplicate: Callable[[Message], Message]) -> None:
    other = duplicate(message)
    assert other == message
    assert other is not message
    assert type(other) is type(message)


def test_what_holds_messages_can_be_pickled() -> None:
    held = {"offers": [mesos.Offer(id={"value": "o"})], "task": mesos.TaskInfo(name="t")}
    assert pickle.loads(pickle.dumps(held)) == held
    assert copy.deepcopy(held) == held
