"""A scheduler that writes down what it is told, and a driver for it in virtual time."""

from __future__ import annotations

from typing import Any

from pymesoskit.scheduler import Scheduler, SchedulerDriver
from pymesoskit.subscription import Backoff
from pymesoskit.wire.v1 import mesos
from tests.transport.stub import StubEndpoint, greet


class Storyteller(Scheduler):
    """``story`` has an entry for each method that was called; ``do`` has what to do in one, by its name."""

    def __init__(self, **do: Any) -> None:
        self.story: list[tuple[Any, ...]] = []
        self.do = do

    def _tell(self, name: str, driver: SchedulerDriver, *what: Any) -> None:
        self.story.append((name, *what))
        if name in self.do:
            self.do[name](driver, *what)

    def names(self) -> list[str]:
        return [entry[0] for entry in self.story]

    def last(self, name: str) -> tuple[Any, ...]:
        return next(entry[1:] for entry in reversed(self.story) if entry[0] == name)

    def connected(self, driver, address):
        self._tell("connected", driver, address)

    def subscribed(self, driver, subscribed):
        self._tell("subscribed", driver, subscribed)

    def disconnected(self, driver, reason):
        self._tell("disconnected", driver, reason)

    def offers(self, driver, offers):
        self._tell("offers", driver, list(offers))

    def inverse_offers(self, driver, inverse_offers):
        self._tell("inverse_offers", driver, list(inverse_offers))

    def rescind(self, driver, offer_id):
        self._tell("rescind", driver, offer_id)

    def rescind_inverse_offer(self, driver, inverse_offer_id):
        self._tell("rescind_inverse_offer", driver, inverse_offer_id)

    def update(self, driver, status):
        self._tell("update", driver, status)

    def update_operation_status(self, driver, status):
        self._tell("update_operation_status", driver, status)

    def message(self, driver, message):
        self._tell("message", driver, message)

    def failure(self, driver, failure):
        self._tell("failure", driver, failure)

    def error(self, driver, message):
        self._tell("error", driver, message)

    def heartbeat(self, driver):
        self._tell("heartbeat", driver)

    def call_failed(self, driver, call, error):
        self._tell("call_failed", driver, call, error)

    def stopped(self, driver, error):
        self._tell("stopped", driver, error)


FRAMEWORK = mesos.FrameworkInfo(user="nobody", name="story")


def begin(teller: Scheduler | None = None, stub: StubEndpoint | None = None, *, start: bool = True, **options: Any):
    """A stub that greets, a storyteller, and its driver, started and settled unless told otherwise."""
    stub = StubEndpoint(greeting=greet) if stub is None else stub
    teller = Storyteller() if teller is None else teller
    options.setdefault("backoff", Backoff.constant(1.0))
    options.setdefault("transport", stub.transport())
    driver = SchedulerDriver(teller, options.pop("framework", FRAMEWORK), options.pop("master", "master"), **options)
    if start:
        driver.start()
        stub.actor.settle()
    return stub, teller, driver
