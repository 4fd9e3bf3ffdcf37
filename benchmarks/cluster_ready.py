"""(d) From nothing to a cluster that makes its first offer, the interpreter's imports aside: in-process and over HTTP.

Each figure is a median: of `start()` alone (all agents registered, the API answers), and until a framework that
subscribes has received its first offer.
"""

from __future__ import annotations

import gc
import socket
import statistics
import time
from typing import TYPE_CHECKING

from benchmarks.harness import Row
from pymesoskit.testing.cluster.cluster import Cluster
from pymesoskit.testing.engine.http.handler import Request
from pymesoskit.wire.v1 import mesos, scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SUBSCRIBE = scheduler.Call(
    type=scheduler.Call.SUBSCRIBE,
    subscribe=scheduler.Call.Subscribe(framework_info=mesos.FrameworkInfo(user="root", name="first offer")),
).SerializeToString()
OFFERS = b"\x08\x02"  # how an event of type OFFERS begins as protobuf

AIMS = {"in-process": "≤ 5 ms", "HTTP": "≤ 30 ms"}


def run(quick: bool) -> Iterable[Row]:
    rounds = 5 if quick else 31
    for agents in (1, 3):
        for way, first_offer in (("in-process", offer_in_process), ("HTTP", offer_over_http)):
            ready, offered = measure(agents, rounds, way == "HTTP", first_offer)
            yield Row(f"{way}, {agents} agents: ready", ready * 1000, "ms")
            yield Row(f"{way}, {agents} agents: first offer received", offered * 1000, "ms", aim=AIMS[way])


def measure(agents: int, rounds: int, http: bool, first_offer: Callable[[Cluster], None]) -> tuple[float, float]:
    """Seconds until the cluster is ready, and until a framework has an offer."""
    ready, offered = [], []
    for _ in range(rounds + 1):  # the first one warms up
        gc.collect()
        begin = time.perf_counter()
        cluster = Cluster(agents, http=http)
        cluster.start()
        ready.append(time.perf_counter() - begin)
        first_offer(cluster)
        offered.append(time.perf_counter() - begin)
        cluster.stop()
    return statistics.median(ready[1:]), statistics.median(offered[1:])


class _FirstOffer:
    """A subscriber straight at the handler."""

    def __init__(self) -> None:
        self.seen = False

    @property
    def closed(self) -> bool:
        return False

    def respond(self, response: object) -> None:
        raise AssertionError(response)

    def stream(self, status: int, headers: object, on_close: object) -> _FirstOffer:
        return self

    def on_close(self, callback: object) -> None:
        """Never."""

    def write(self, data: bytes) -> None:
        self.seen = self.seen or data.partition(b"\n")[2].startswith(OFFERS)

    def end(self) -> None:
        """Never."""

    abort = end


def offer_in_process(cluster: Cluster) -> None:
    headers = (("content-type", "application/x-protobuf"), ("accept", "application/x-protobuf"))
    request = Request("POST", "/api/v1/scheduler", headers, SUBSCRIBE)
    subscriber = _FirstOffer()
    handler = cluster.master._member.handler
    assert handler is not None
    cluster.call(handler, request, subscriber)
    cluster.wait_for(lambda: subscriber.seen, "an offer")


def offer_over_http(cluster: Cluster) -> None:
    with socket.create_connection(("127.0.0.1", cluster.master.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = (
            "POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
            f"Accept: application/x-protobuf\r\nContent-Length: {len(SUBSCRIBE)}\r\n\r\n"
        )
        connection.sendall(head.encode() + SUBSCRIBE)
        received = b""
        while b"\n" + OFFERS not in received:
            received += connection.recv(1 << 16)
