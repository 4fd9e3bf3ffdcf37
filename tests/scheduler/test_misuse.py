"""What a careless author does, and what must not stay silent: wrong arguments, text for a collection, broken stores."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pymesoskit import Basic
from pymesoskit.errors import CallRefused, DriverStateError, HandlerFailed, InvalidCall, LocalError, OutcomeUnknown
from pymesoskit.scheduler import FileStore, MemoryStore, OnRemoved, Scheduler, SchedulerDriver, calls, operations
from pymesoskit.wire.v1 import mesos, scheduler
from tests.scheduler.story import FRAMEWORK, Storyteller, begin
from tests.scheduler.test_sockets import QUICK, master
from tests.transport.stub import FRAMEWORK_ID, ByteServer, Event, StubEndpoint, error, greet, hang_up, refuse, update

Call = scheduler.Call

# Text where a collection is wanted is one, never its letters.


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (calls.suppress("web"), lambda call: list(call.suppress.roles) == ["web"]),
        (calls.revive("web"), lambda call: list(call.revive.roles) == ["web"]),
        (calls.reconcile("task-1"), lambda call: [t.task_id.value for t in call.reconcile.tasks] == ["task-1"]),
        (
            calls.reconcile(mesos.TaskStatus(task_id=mesos.TaskID(value="task-1"))),
            lambda call: [t.task_id.value for t in call.reconcile.tasks] == ["task-1"],
        ),
        (
            calls.reconcile_operations("op-1"),
            lambda call: [o.operation_id.value for o in call.reconcile_operations.operations] == ["op-1"],
        ),
        (calls.decline("offer-1"), lambda call: [o.value for o in call.decline.offer_ids] == ["offer-1"]),
        (calls.accept("o", operations.launch()), lambda call: len(call.accept.operations) == 1),
        (calls.request(mesos.Request()), lambda call: len(call.request.requests) == 1),
        (calls.subscribe(FRAMEWORK, "web"), lambda call: list(call.subscribe.suppressed_roles) == ["web"]),
        (
            calls.update_framework(FRAMEWORK, "web"),
            lambda call: list(call.update_framework.suppressed_roles) == ["web"],
        ),
    ],
    ids=lambda value: Call.Type.Name(value.type) if isinstance(value, Call) else "",
)
def test_one_is_as_good_as_a_collection_of_one(call, found):
    assert found(call), call


def test_a_suppressed_role_at_the_start_may_be_one_text():
    stub, _, _ = begin(suppressed_roles="web")
    assert list(stub.calls[0].subscribe.suppressed_roles) == ["web"]


# Wrong arguments are told where they are given.


class PymesosStyle(Scheduler):
    def resourceOffers(self, driver, offers): ...  # noqa: N802


class Shadowing(Scheduler):
    message = None


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ((object(), FRAMEWORK, "m"), {}, "scheduler must be a Scheduler; 'object' has no handler 'connected'"),
        ((Scheduler, FRAMEWORK, "m"), {}, "scheduler must be an object with handlers, not the class Scheduler"),
        ((PymesosStyle(), FRAMEWORK, "m"), {}, "PymesosStyle.resourceOffers would never be called: .* named 'offers'"),
        ((Shadowing(), FRAMEWORK, "m"), {}, "Shadowing.message is the name of a handler, but not a method: None"),
        ((Scheduler(), {"name": "n"}, "m"), {}, "framework must be a FrameworkInfo"),
        ((Scheduler(), FRAMEWORK, "m"), {"store": "path/of/id"}, r"store must .* FileStore\('path/of/id'\)\?"),
        ((Scheduler(), FRAMEWORK, "m"), {"store": Path("p")}, r"FileStore\('p'\)\?"),
        ((Scheduler(), FRAMEWORK, "m"), {"store": {}}, "store must be a FrameworkIdStore: 'dict' has no method 'load'"),
        ((Scheduler(), FRAMEWORK, "m"), {"credentials": ("a", "b")}, "credentials must be Credentials, for example"),
        ((Scheduler(), FRAMEWORK, 5050), {}, "the master must be an address such as 'host:5050'"),
        ((Scheduler(), FRAMEWORK, [5050]), {}, "an address must be text such as 'host:5050', not 5050"),
    ],
)
def test_a_driver_refuses_what_it_could_not_use(arguments, options, says):
    with pytest.raises(TypeError, match=says):
        SchedulerDriver(*arguments, **options)


@pytest.mark.parametrize(
    "address", ["", "http://[::1", "h:port", "ftp://h", "h:0", "h/path", "user@h", "a..b", "ä" * 64]
)
def test_a_driver_refuses_a_bad_address(address):
    with pytest.raises(ValueError, match=r"bad address|no address of a master"):
        SchedulerDriver(Scheduler(), FRAMEWORK, address)


# Handlers that raise.


def test_what_a_handler_raises_is_logged_with_its_traceback(caplog):
    def fail(_driver, _status):
        raise ZeroDivisionError("of the handler")

    stub, _, driver = begin(Storyteller(update=fail))
    with caplog.at_level(logging.ERROR):
        stub.send(update("a"))
        stub.actor.settle()
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.name.startswith("pymesoskit.")
    assert "the handler 'update' raised ZeroDivisionError" in record.getMessage()
    assert record.exc_info is not None
    assert "of the handler" in str(record.exc_info[1])
    assert isinstance(driver.failure, HandlerFailed)


def test_in_virtual_time_a_handler_cannot_wait_for_an_answer():
    def wait(driver, _status):
        driver.revive().result()

    stub, _, driver = begin(Storyteller(update=wait))
    stub.send(update("a"))
    stub.actor.settle()
    assert isinstance(driver.failure, HandlerFailed)
    assert isinstance(driver.failure.__cause__, DriverStateError)
    assert "virtual time" in str(driver.failure.__cause__)


# A store that cannot save.


class FullDisk(MemoryStore):
    def save(self, framework_id: str) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("make", [lambda tmp: FullDisk(), lambda tmp: FileStore(tmp / "no" / "such" / "id")])
def test_a_store_that_cannot_save_ends_the_driver_over_http(make, tmp_path):
    with ByteServer(master()) as server:
        driver = SchedulerDriver(Scheduler(), FRAMEWORK, server.address, store=make(tmp_path), backoff=QUICK)
        driver.start()
        with pytest.raises(LocalError, match=r"No space left|No such file") as caught:
            driver.join(20)
    assert isinstance(caught.value.__cause__, OSError)


def test_a_store_that_cannot_save_ends_the_driver_in_process():
    _, _, driver = begin(store=FullDisk())
    with pytest.raises(LocalError, match="No space left"):
        driver.join()


# What cannot be acknowledged.


def without_agent(task: str) -> Event:
    event = update(task)
    event.update.status.ClearField("agent_id")
    return event


def test_an_update_without_an_agent_is_a_logged_protocol_error_and_the_driver_goes_on(caplog):
    stub, teller, driver = begin()
    stub.send(without_agent("a"), update("b"))
    stub.actor.settle()
    assert not driver.ended
    assert [c.acknowledge.task_id.value for c in stub.of(Call.ACKNOWLEDGE)] == ["b"]
    assert "update of task 'a' has no agent_id" in caplog.text
    assert teller.names().count("update") == 2


def test_acknowledging_an_update_without_an_agent_names_the_field():
    _, _, driver = begin()
    with pytest.raises(InvalidCall, match="'a' has no agent_id"):
        driver.acknowledge(without_agent("a").update.status)


# A call that failed is handed over whole.


@pytest.mark.parametrize(("how", "kind"), [(hang_up, OutcomeUnknown), (refuse(400, "no"), CallRefused)])
def test_call_failed_gets_the_call_with_its_offers_and_tasks(how, kind):
    stub, teller, driver = begin()
    stub.instead.append(how)
    task = mesos.TaskInfo(name="t", task_id=mesos.TaskID(value="t"), agent_id=mesos.AgentID(value="a"))
    pending = driver.launch(["O1", "O2"], task)
    stub.actor.advance(2)
    name, failure = teller.last("call_failed")
    assert (name, type(failure) if kind is OutcomeUnknown else CallRefused) == ("ACCEPT", kind)
    assert failure is pending.error
    assert [offer.value for offer in failure.request.accept.offer_ids] == ["O1", "O2"]
    assert [t.task_id.value for t in failure.request.accept.operations[0].launch.task_infos] == ["t"]


# The end.


def test_nothing_is_sent_after_stop():
    stub, _, driver = begin()
    driver.stop()
    with pytest.raises(LocalError, match="this side is ending"):
        driver.decline("O1")
    stub.actor.settle()
    assert stub.types() == ["SUBSCRIBE"]


def test_a_stream_that_ends_before_the_answer_to_teardown_is_the_answer():
    store = MemoryStore()
    stub, teller, driver = begin(store=store)
    stub.on_call[Call.TEARDOWN] = lambda _request, _responder: stub.streams[-1].end()
    driver.teardown()
    stub.actor.settle()
    assert driver.ended
    assert driver.failure is None
    assert store.load() is None
    assert "call_failed" not in teller.names()


@pytest.mark.parametrize(
    ("policy", "kept"), [(OnRemoved.EXIT, FRAMEWORK_ID), (OnRemoved.FORGET, None), (OnRemoved.NEW_ID, None)]
)
def test_the_id_of_a_removed_framework_is_forgotten_where_told_to(policy, kept):
    def removed(stub: StubEndpoint) -> None:
        stub.send(error("Framework has been removed"))

    store = MemoryStore(FRAMEWORK_ID)
    framework = mesos.FrameworkInfo(user="u", name="n", failover_timeout=60)
    stub, _, driver = begin(stub=StubEndpoint(greeting=removed), store=store, on_removed=policy, framework=framework)
    assert driver.ended is (policy is not OnRemoved.NEW_ID)
    assert store.load() == kept
    if policy is OnRemoved.NEW_ID:
        stub.greeting = greet
        stub.actor.advance(5)
        assert store.load() == FRAMEWORK_ID  # the new one
        assert not stub.of(Call.SUBSCRIBE)[-1].subscribe.framework_info.HasField("id")


# Where credentials go.


@pytest.mark.parametrize(
    ("location", "follows"),
    [("//master:5051/api/v1/scheduler", True), ("//elsewhere:5050/", False), ("//other:5050/", True)],
)
def test_credentials_go_only_to_masters_that_are_named(location, follows, caplog):
    stub = StubEndpoint(greeting=greet, instead=[refuse(307, "", ("Location", location))])
    _, _, driver = begin(stub=stub, master=["master", "other:5050"], credentials=Basic("principal", "secret"))
    assert driver.subscribed is follows
    if not follows:
        assert stub.types() == ["SUBSCRIBE"]
        assert "credentials go only to the masters that are named (master, other)" in caplog.text


def test_a_redirect_never_leads_from_https_to_http():
    stub = StubEndpoint(greeting=greet, instead=[refuse(307, "", ("Location", "http://master:5051/"))])
    _, _, driver = begin(stub=stub, master="https://master:5050")
    assert not driver.subscribed


# What a driver says of itself.


def test_a_driver_tells_its_framework_its_state_and_its_master():
    stub, _, driver = begin()
    assert repr(driver) == f"<SchedulerDriver 'story' {FRAMEWORK_ID} subscribed http://master:5050>"
    driver.stop()
    stub.actor.settle()
    assert repr(driver) == "<SchedulerDriver 'story' without an id stopped http://master:5050>"
