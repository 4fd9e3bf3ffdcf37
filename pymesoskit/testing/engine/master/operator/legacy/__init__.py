"""The master's endpoints from before the v1 API: ``/state``, ``/slaves``, ``/metrics/snapshot``, ``/quota``, …

Internal; the public names are in ``pymesoskit.testing``.
"""
