"""Endpoints that master and agents share.

Internal; the public names are in ``pymesoskit.testing``.
"""
