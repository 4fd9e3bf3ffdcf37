"""pymesoskit: a Python SDK for Apache Mesos frameworks. See docs/ for the guide."""

__version__ = "0.1.0"
