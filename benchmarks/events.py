"""Events to measure with, of the sizes and contents that a cluster sends."""

from __future__ import annotations

from pymesoskit.wire.v1 import mesos, scheduler

MASTER = "54ef2c9d-bce8-4e27-8133-2a9770b3cd92"
ROLES = ("web", "batch", "ads")


def offers_event(count: int, first: int = 0) -> scheduler.Event:
    """An OFFERS event of that many offers, each of another agent with other free resources, from agent ``first`` on."""
    return scheduler.Event(
        type="OFFERS", offers=scheduler.Event.Offers(offers=[offer(number) for number in range(first, first + count)])
    )


def offer(number: int) -> mesos.Offer:
    """The offer of agent ``number``: four resources, three attributes, an address."""
    role = {"role": ROLES[number % len(ROLES)]}
    host = f"agent-{number}.example.org"
    ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return mesos.Offer(
        id={"value": f"{MASTER}-O{number}"},
        framework_id={"value": f"{MASTER}-0000"},
        agent_id={"value": f"{MASTER}-S{number}"},
        hostname=host,
        url={"scheme": "http", "address": {"hostname": host, "ip": ip, "port": 5051}, "path": "/slave(1)"},
        resources=[
            {
                "name": "ports",
                "type": "RANGES",
                "ranges": {"range": [{"begin": 31000 + number % 900, "end": 32000}]},
                "allocation_info": role,
            },
            {"name": "cpus", "type": "SCALAR", "scalar": {"value": number % 640 / 10 + 0.1}, "allocation_info": role},
            {"name": "mem", "type": "SCALAR", "scalar": {"value": 512.0 * (number % 500 + 1)}, "allocation_info": role},
            {"name": "disk", "type": "SCALAR", "scalar": {"value": 10000.0 + number}, "allocation_info": role},
        ],
        attributes=[
            {"name": "rack", "type": "TEXT", "text": {"value": f"r{number % 40}"}},
            {"name": "level", "type": "SCALAR", "scalar": {"value": 10.0}},
            {"name": "slots", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": 5}, {"begin": 8, "end": 9}]}},
        ],
        allocation_info=role,
    )


def update_event(number: int) -> scheduler.Event:
    """An UPDATE event: a task began to run."""
    return scheduler.Event(
        type="UPDATE",
        update={
            "status": {
                "task_id": {"value": f"task-{number}"},
                "state": "TASK_RUNNING",
                "source": "SOURCE_EXECUTOR",
                "agent_id": {"value": f"{MASTER}-S{number % 1000}"},
                "executor_id": {"value": f"task-{number}"},
                "timestamp": 1795168816.2077399 + number / 7,
                "uuid": number.to_bytes(16, "big"),
                "container_status": {
                    "network_infos": [{"ip_addresses": [{"ip_address": "10.0.0.7"}]}],
                    "container_id": {"value": f"c-{number}"},
                    "executor_pid": 4711 + number,
                },
            }
        },
    )
