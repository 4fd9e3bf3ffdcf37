"""The Mesos master and agent that the cluster runs.

Internal; the public names are in ``pymesoskit.testing``.
"""
