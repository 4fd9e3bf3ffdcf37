"""The machine that an agent runs on: processes, simulated or real.

Internal; the public names are in ``pymesoskit.testing``.
"""
