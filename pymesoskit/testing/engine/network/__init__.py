"""The messages between master and agents.

Internal; the public names are in ``pymesoskit.testing``.
"""
