"""Addresses, backoff, detectors, content types, the queue, the tree of errors."""

from __future__ import annotations

import inspect
import pickle
import random
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tenacity.wait import wait_fixed, wait_incrementing

import pymesoskit
from pymesoskit import errors
from pymesoskit.errors import InvalidCall, ProtocolError
from pymesoskit.subscription import Backoff
from pymesoskit.subscription.inbox import Inbox
from pymesoskit.transport import JSON, PROTOBUF, Address, Basic, Bearer, FixedDetector
from pymesoskit.transport.content import encoder, read
from pymesoskit.transport.errors import refusal
from pymesoskit.wire.v1 import mesos, scheduler

Call = scheduler.Call


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("master", "http://master:5050"),
        ("master:80", "http://master:80"),
        (" http://master:80/ ", "http://master:80"),
        ("https://master", "https://master:5050"),
        ("[::1]:5051", "http://[::1]:5051"),
        ("unix:///run/agent.sock", "unix:///run/agent.sock"),
    ],
)
def test_addresses_as_people_write_them(text, url):
    assert str(Address.parse(text)) == url


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no host"),
        (":5050", "no host"),
        ("zk://a,b/mesos", "unknown scheme 'zk' (known: http, https, unix)"),
        ("host:port", "Port could not be cast"),
        ("host:99999", "out of range"),
        ("http://host/path", "only a host and a port"),
        ("http://user:secret@host", "only a host and a port"),
        ("two words", "no host"),
        ("unix://relative", "must be absolute"),
    ],
)
def test_a_bad_address_is_told_by_name(text, problem):
    with pytest.raises(ValueError, match=re.escape(problem)) as caught:
        Address.parse(text)
    assert repr(text) in str(caught.value)


def test_redirects_are_relative_to_the_scheme():
    here = Address.parse("https://one:5050")
    assert here.from_location("//two:5051/api/v1/scheduler?x") == Address("two", 5051, "https")
    assert here.from_location("http://two/api") == Address("two", 80, "http")


def test_credentials_are_not_printed():
    assert "secret" not in repr(Basic("p", "secret"))
    assert "secret" not in repr(Bearer("secret"))


@given(attempt=st.integers(1, 5000), seed=st.integers())
def test_the_default_backoff_grows_to_its_bound_and_never_storms(attempt, seed):
    delay = Backoff(rng=random.Random(seed)).delay(attempt)
    full = min(30.0, 0.1 * 2.0 ** min(attempt - 1, 60))
    assert full / 2 <= delay <= full


def test_any_strategy_of_tenacity_serves():
    assert Backoff(wait=wait_fixed(3), jitter=0).delay(7) == 3
    assert Backoff(wait=wait_incrementing(start=1, increment=2), jitter=0).delay(3) == 5
    assert Backoff(wait=lambda state: state.attempt_number * 10.0, jitter=0).delay(4) == 40
    assert Backoff.constant(2.5).delay(9) == 2.5


def test_the_same_seed_waits_the_same():
    one, two = (Backoff(rng=random.Random(5)) for _ in range(2))
    assert [one.delay(n) for n in range(1, 20)] == [two.delay(n) for n in range(1, 20)]


def test_a_detector_needs_an_address():
    with pytest.raises(ValueError, match="no address of a master"):
        FixedDetector("")
    with pytest.raises(ValueError, match="no address of a master"):
        FixedDetector([])


@pytest.mark.parametrize("codec", [PROTOBUF, JSON])
def test_what_is_written_with_a_prefix_is_read_with_it(codec):
    write = encoder(codec, Call, Call(framework_id=mesos.FrameworkID(value="f")))
    call = Call(type=Call.KILL, kill=Call.Kill(task_id=mesos.TaskID(value="t")))
    both = Call(framework_id=mesos.FrameworkID(value="f"))
    both.MergeFrom(call)
    assert read(codec, Call, write(call)) == both
    assert not call.HasField("framework_id")
    with pytest.raises(InvalidCall, match=r"kill\.task_id"):
        write(Call(type=Call.KILL, kill=Call.Kill()))


@pytest.mark.parametrize("codec", [PROTOBUF, JSON])
def test_what_cannot_be_read_is_told_with_its_bytes(codec):
    with pytest.raises(ProtocolError, match=r"mesos\.v1\.scheduler\.Event that cannot be read.*xyz"):
        read(codec, scheduler.Event, b"\xff\xfexyz")


def test_the_queue_says_when_it_is_full_and_when_it_is_not():
    drained = []
    inbox: Inbox[int] = Inbox(3, lambda: drained.append(1))
    assert inbox.put([1])
    assert not inbox.put([2, 3])
    assert inbox.take() == [1, 2, 3]
    assert drained == [1]
    assert inbox.take(timeout=0) == []
    assert drained == [1]


def test_who_waits_at_the_queue_is_woken():
    inbox: Inbox[int] = Inbox(3, lambda: None)
    taken: list[int] = []
    thread = threading.Thread(target=lambda: taken.extend(inbox.take(10)))
    thread.start()
    inbox.put([7])
    thread.join(10)
    assert taken == [7]


# Errors.


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = {}
    stack: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ([│ ├└─]*)(\w+)(?:\s{2,}.*)?$", line)
        if match:
            depth = len(match[1]) // 4
            del stack[depth:]
            drawn[match[2]] = stack[-1] if stack else None
            stack.append(match[2])
    real = {
        name: kind.__bases__[0].__name__ if kind is not errors.MesosError else None
        for name, kind in vars(errors).items()
        if inspect.isclass(kind)
    }
    assert drawn == real


@pytest.mark.parametrize("module", ["", ".errors", ".scheduler", ".executor", ".transport"])
def test_all_is_what_is_exported(module):
    import importlib

    loaded = importlib.import_module(f"pymesoskit{module}")
    public = {
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name not in {"annotations", "TYPE_CHECKING"}
    }
    assert len(loaded.__all__) == len(set(loaded.__all__))
    for name in loaded.__all__:
        assert getattr(loaded, name) is not None
    if module:
        modules = {name for name in loaded.__all__ if inspect.ismodule(getattr(loaded, name))}
        assert public == set(loaded.__all__) - modules
    else:
        assert set(loaded.__all__) <= set(dir(loaded))


def test_the_top_has_only_what_it_names():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pymesoskit.nothing  # noqa: B018


@pytest.mark.parametrize(
    "error",
    [refusal("ACCEPT", 403, b"no"), errors.OutcomeUnknown("ACCEPT", "why"), errors.EnvironmentProblems(["a", "b"])],
)
def test_errors_survive_pickling(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(307, "NotLeader"), (400, "BadCall"), (401, "Unauthorized"), (403, "Forbidden"), (404, "NotFound"),
     (405, "BadCall"), (406, "BadCall"), (415, "BadCall"), (500, "UnexpectedStatus"), (501, "UnexpectedStatus"),
     (503, "Unavailable"), (302, "UnexpectedStatus")],
)  # fmt: skip
def test_a_refusal_carries_call_status_and_body(status, kind):
    error = refusal("KILL", status, "nö".encode())
    assert type(error).__name__ == kind
    assert (error.call, error.status, error.body) == ("KILL", status, "nö")
    assert "KILL" in str(error)
    assert str(status) in str(error)
    assert "nö" in str(error)
