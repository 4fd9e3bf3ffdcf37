"""What is refused, and with which words.

One module per thing that is validated. All functions here are pure: they look at messages (and, where a rule needs it,
at the master's state) and return the text of the first error, or None. What the text is wrapped in and what happens to
the call is decided by the caller. Source: docs/reference/scheduler-api.md 1.3, 3, 4 and 10.

Internal; the public names are in ``pymesoskit.testing``.
"""
