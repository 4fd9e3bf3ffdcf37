"""Measurements beside peers: ``python -m benchmarks [NAME…] [--quick]`` (``make bench``)."""
