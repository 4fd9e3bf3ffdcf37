"""The operator's v1 API of the master: ``POST /api/v1``.

Internal; the public names are in ``pymesoskit.testing``.
"""
