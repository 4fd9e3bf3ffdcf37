"""HTTP without sockets: requests, answers, content types, authentication.

Internal; the public names are in ``pymesoskit.testing``.
"""
