"""Measures pymesos 0.3.15 in its own interpreter (Python 3.8 to 3.10): `pymesos_peer.py WHAT ...` prints one figure.

`replay FILE N`       seconds to decode and dispatch a body of N events, HTTP-chunked in FILE, without a socket
`acknowledge HOST:PORT N`  updates per second from a server that streams N of them, each acknowledged
`decline HOST:PORT N`      DECLINE calls per second
`accept HOST:PORT N`       ACCEPT calls (one command task each) per second
"""

import logging
import sys
import time

from pymesos import MesosSchedulerDriver, Scheduler
from pymesos.process import Connection

logging.disable(logging.CRITICAL)


class Counter(Scheduler):
    def __init__(self, expected=0):
        self.seen = 0
        self.expected = expected
        self.registered_at = None
        self.first_at = None
        self.ready = False

    def registered(self, driver, framework_id, master_info):
        self.ready = True

    reregistered = registered

    def resourceOffers(self, driver, offers):
        self.seen += 1

    def statusUpdate(self, driver, status):
        if self.first_at is None:
            self.first_at = time.perf_counter()
        self.seen += 1


class File:
    """A socket that reads from memory."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def recv(self, size):
        piece = self.data[self.at : self.at + size]
        self.at += size
        return piece


def replay(path, count):
    with open(path, "rb") as file:
        data = file.read()
    counter = Counter()
    driver = MesosSchedulerDriver(counter, {"name": "n", "user": "u"}, "127.0.0.1:1", implicit_acknowledgements=False)
    driver._started = True
    driver.change_master = driver._notify = lambda *_: None
    driver.gen_request = lambda: b""
    connection = Connection.__new__(Connection)
    from http_parser.http import HttpParser

    connection._addr = ("", 0)
    connection._sock = File(data)
    connection._parser = HttpParser()
    connection._callback = driver
    connection._stream_id = None
    connection._request = b""
    connection._response = b""
    begin = time.perf_counter()
    while counter.seen < count:
        if not connection.read():
            break
    took = time.perf_counter() - begin
    assert counter.seen == count, counter.seen
    print(took)


def subscribed(address, counter):
    driver = MesosSchedulerDriver(counter, {"name": "n", "user": "u"}, address, failover=True)
    driver.start()
    while not counter.ready:
        time.sleep(0.001)
    return driver


def acknowledge(address, count):
    counter = Counter(count)
    subscribed(address, counter)
    while counter.seen < count:
        time.sleep(0.001)
    print(count / (time.perf_counter() - counter.first_at))


def calls(address, count, kind):
    driver = subscribed(address, Counter())
    agent, identifier = {"value": "a"}, {"value": "t"}
    task = {
        "name": "t",
        "task_id": identifier,
        "agent_id": agent,
        "resources": [
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 32.0}},
        ],
        "command": {"value": "true"},
    }
    begin = time.perf_counter()
    for number in range(count):
        offer = {"value": "54ef2c9d-bce8-4e27-8133-2a9770b3cd92-O%d" % number}
        if kind == "decline":
            driver.declineOffer(offer)
        else:
            driver.launchTasks(offer, [task])
    print(count / (time.perf_counter() - begin))


what = sys.argv[1]
if what == "replay":
    replay(sys.argv[2], int(sys.argv[3]))
elif what == "acknowledge":
    acknowledge(sys.argv[2], int(sys.argv[3]))
else:
    calls(sys.argv[2], int(sys.argv[3]), what)
