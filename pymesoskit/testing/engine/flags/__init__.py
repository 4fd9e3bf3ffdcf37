"""The flags of mesos-master and mesos-agent.

Internal; the public names are in ``pymesoskit.testing``.
"""
