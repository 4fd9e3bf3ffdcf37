"""The error of the cluster itself."""

from __future__ import annotations


class ClusterError(RuntimeError):
    """The cluster cannot do what it was asked to do, or what a test waited for did not happen. The text says why."""
