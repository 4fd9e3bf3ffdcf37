"""The v1 protobuf messages of Mesos 1.11, one module per .proto file.

``from pymesoskit.wire.v1 import mesos, scheduler`` gives ``mesos.TaskInfo``, ``scheduler.Call`` and so on. The modules
``*_pb2`` are generated from ``pymesoskit/wire/proto`` by ``make wire``; their names here lose the suffix.
"""

from pymesoskit.wire.v1 import agent_pb2 as agent
from pymesoskit.wire.v1 import allocator_pb2 as allocator
from pymesoskit.wire.v1 import executor_pb2 as executor
from pymesoskit.wire.v1 import maintenance_pb2 as maintenance
from pymesoskit.wire.v1 import master_pb2 as master
from pymesoskit.wire.v1 import mesos_pb2 as mesos
from pymesoskit.wire.v1 import quota_pb2 as quota
from pymesoskit.wire.v1 import resource_provider_pb2 as resource_provider
from pymesoskit.wire.v1 import scheduler_pb2 as scheduler

__all__ = [
    "agent",
    "allocator",
    "executor",
    "maintenance",
    "master",
    "mesos",
    "quota",
    "resource_provider",
    "scheduler",
]
