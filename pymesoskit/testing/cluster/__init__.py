"""What a test holds in its hand: the cluster, its members, faults, views.

Internal; the public names are in ``pymesoskit.testing``.
"""
