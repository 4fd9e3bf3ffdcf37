"""Internal: the cluster that tests hold (``pymesoskit.testing`` has its public names)."""
