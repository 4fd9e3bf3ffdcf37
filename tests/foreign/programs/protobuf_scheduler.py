"""A scheduler that speaks protobuf with the messages that Apache Mesos itself publishes for Python (mesos.interface 1.7.2).

`protobuf_scheduler.py HOST:PORT COUNT` runs COUNT command tasks. FrameworkInfo, TaskInfo, Offer and TaskStatus are Apache's classes (the
older API, which has the same numbers); the few bytes of scheduler::Call and Event around them are put together by hand, HTTP is
http.client. Nothing here comes from pymesoskit.
"""

import http.client
import sys

from mesos.interface import mesos_pb2

SUBSCRIBE, TEARDOWN, ACCEPT, DECLINE, ACKNOWLEDGE = 1, 2, 3, 4, 8
SUBSCRIBED, OFFERS, UPDATE, ERROR = 1, 2, 4, 7
LAUNCH = 1
KIND = "application/x-protobuf"


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value if isinstance(value, bytes) else value.SerializeToString()
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(data):
    """{number: [value]}: ints, bytes, and eight raw bytes for doubles."""
    found, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            value = number()
        else:
            size = number() if tag & 7 == 2 else {1: 8, 5: 4}[tag & 7]
            value, at = data[at : at + size], at + size
        found.setdefault(tag >> 3, []).append(value)
    return found


class Scheduler:
    def __init__(self, address, count):
        self.address = address
        self.count = count
        self.waiting = ["task-%d" % n for n in range(count)]
        self.ended = {}
        self.calls = http.client.HTTPConnection(address)
        self.id = self.stream_id = None

    def call(self, kind, number, payload):
        body = field(1, self.id) + field(2, kind) + (field(number, payload) if number else b"")
        headers = {"Content-Type": KIND, "Accept": KIND, "Mesos-Stream-Id": self.stream_id}
        self.calls.request("POST", "/api/v1/scheduler", body, headers)
        answer = self.calls.getresponse()
        text = answer.read()
        if answer.status != 202:
            raise RuntimeError("%d %s" % (answer.status, text))

    def events(self):
        info = mesos_pb2.FrameworkInfo(user="root", name="protobuf")
        stream = http.client.HTTPConnection(self.address)
        body = field(2, SUBSCRIBE) + field(3, field(1, info))
        stream.request("POST", "/api/v1/scheduler", body, {"Content-Type": KIND, "Accept": KIND})
        answer = stream.getresponse()
        if answer.status != 200 or answer.getheader("Content-Type") != KIND:
            raise RuntimeError("%d %s" % (answer.status, answer.read()))
        self.stream_id = answer.getheader("Mesos-Stream-Id")
        while True:
            size = b""
            while not size.endswith(b"\n"):
                byte = answer.read(1)
                if not byte:
                    return
                size += byte
            yield fields(answer.read(int(size)))

    def run(self):
        for event in self.events():
            kind = event[1][0]
            if kind == SUBSCRIBED:
                self.id = mesos_pb2.FrameworkID.FromString(fields(event[2][0])[1][0])
                print("subscribed", self.id.value, flush=True)
            elif kind == OFFERS:
                for raw in fields(event[3][0])[1]:
                    self.offered(mesos_pb2.Offer.FromString(raw))
            elif kind == UPDATE:
                self.updated(mesos_pb2.TaskStatus.FromString(fields(event[5][0])[1][0]))
                if len(self.ended) == self.count:
                    self.call(TEARDOWN, 0, b"")
                    break
            elif kind == ERROR:
                raise RuntimeError(event)
        good = sum(state == mesos_pb2.TASK_FINISHED for state in self.ended.values())
        print("finished %d of %d" % (good, self.count), flush=True)
        return 0 if good == self.count else 1

    def offered(self, offer):
        filters = mesos_pb2.Filters(refuse_seconds=0.1)
        names, self.waiting = self.waiting[:5], self.waiting[5:]
        if not names:
            return self.call(DECLINE, 5, field(1, offer.id) + field(2, filters))
        launch = field(1, LAUNCH) + field(2, b"".join(field(1, self.task(name, offer)) for name in names))
        return self.call(ACCEPT, 4, field(1, offer.id) + field(2, launch) + field(3, filters))

    def task(self, name, offer):
        task = mesos_pb2.TaskInfo(name=name)
        task.task_id.value = name
        task.slave_id.value = offer.slave_id.value
        task.command.value = "exit 0"
        for resource, amount in (("cpus", 0.1), ("mem", 32)):
            one = task.resources.add(name=resource, type=mesos_pb2.Value.SCALAR)
            one.scalar.value = amount
        return task

    def updated(self, status):
        print(status.task_id.value, mesos_pb2.TaskState.Name(status.state), flush=True)
        if status.uuid:
            self.call(ACKNOWLEDGE, 8, field(1, status.slave_id) + field(2, status.task_id) + field(3, status.uuid))
        if status.state not in (mesos_pb2.TASK_STAGING, mesos_pb2.TASK_STARTING, mesos_pb2.TASK_RUNNING):
            self.ended[status.task_id.value] = status.state


if __name__ == "__main__":
    sys.exit(Scheduler(sys.argv[1], int(sys.argv[2])).run())
