"""The HTTP front end: sockets on the actor's event loop in front of the handlers of master and agents.

``server.py`` has addresses, ``connection.py`` connections, ``exchange.py`` requests and answers, ``heads.py`` bytes.

Internal; the public names are in ``pymesoskit.testing``.
"""

from pymesoskit.testing.engine.http.server.connection import Limits
from pymesoskit.testing.engine.http.server.server import HttpServer, ListenError

__all__ = ["HttpServer", "Limits", "ListenError"]
