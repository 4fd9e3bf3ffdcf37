"""The built-in executors, and what tasks do in them.

Internal; the public names are in ``pymesoskit.testing``.
"""
