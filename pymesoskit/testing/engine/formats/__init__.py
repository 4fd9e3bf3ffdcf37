"""How messages are shown by the older endpoints.

Internal; the public names are in ``pymesoskit.testing``.
"""
