"""A master of bytes for measuring clients, a process of its own: `stub_master.py TYPE UPDATES` prints its port.

SUBSCRIBE (its connection's first request) is answered with SUBSCRIBED, and then UPDATES UPDATE events; every other
request with 202. It answers as fast as it can count requests, so that what is measured is the client.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading

from benchmarks.events import MASTER, update_event
from pymesoskit.wire import JSON, PROTOBUF, encode_record
from pymesoskit.wire.v1 import scheduler

MARK = b"POST /api/v1/scheduler"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nDate: Sat, 21 Nov 2026 08:00:00 GMT\r\nContent-Length: 0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Master:
    def __init__(self, kind: str, updates: int) -> None:
        self.codec = JSON if kind == "json" else PROTOBUF
        subscribed = scheduler.Event(
            type="SUBSCRIBED",
            subscribed={
                "framework_id": {"value": f"{MASTER}-0000"},
                "heartbeat_interval_seconds": 15,
                "master_info": {"id": "m", "ip": 0, "port": 5050, "hostname": "h"},
            },
        )
        self.greeting = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nMesos-Stream-Id: s\r\n"
            b"Content-Type: %b\r\n\r\n" % self.codec.content_type.encode()
        ) + self.event(subscribed)
        self.updates = b"".join(self.event(update_event(number)) for number in range(updates))

    def event(self, event: scheduler.Event) -> bytes:
        return chunk(encode_record(self.codec.encode(event)))

    def serve(self, peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tail = b""
        with contextlib.suppress(ConnectionError), peer:
            while data := peer.recv(1 << 18):
                found = tail + data
                if b"GET /version" in found:
                    peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"version":"1.11.0"}')
                elif b"SUBSCRIBE" in found or b"subscribe" in found or (b"Mesos-Stream-Id" not in found and not tail):
                    peer.sendall(self.greeting)
                    peer.sendall(self.updates)
                else:
                    peer.sendall(ACCEPTED * found.count(MARK))
                tail = found[-(len(MARK) - 1) :]

    def run(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            print(server.getsockname()[1], flush=True)
            while True:
                peer, _ = server.accept()
                threading.Thread(target=self.serve, args=(peer,), daemon=True).start()


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})  # whoever measures is on the last CPU
    Master(sys.argv[1], int(sys.argv[2])).run()
