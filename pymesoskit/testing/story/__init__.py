"""Internal: entries of the journal as lines for people. See ``pymesoskit.testing``."""
