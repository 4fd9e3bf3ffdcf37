"""Actors, clocks, and the history of a cluster.

Internal; the public names are in ``pymesoskit.testing``.
"""
