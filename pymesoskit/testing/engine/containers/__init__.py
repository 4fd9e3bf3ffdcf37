"""Sandboxes, volumes, and the environment of processes in containers.

Internal; the public names are in ``pymesoskit.testing``.
"""
