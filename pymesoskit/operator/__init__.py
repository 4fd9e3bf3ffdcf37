"""Single requests to masters and agents, for tools and tests: which master leads, the JSON of an endpoint, calls of the
operator API.

Each function opens a connection, asks, and closes it. Programs that ask often, or that follow a stream of events, need
another client. Rules: docs/reference/operator-api.md.
"""

from pymesoskit.operator.client import get_json, leading_master, operator_call

__all__ = ["get_json", "leading_master", "operator_call"]
