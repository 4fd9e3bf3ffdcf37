"""Docker tasks: containers of the Docker engine on the agent's host, run with its command line as in Mesos.

``options.py`` builds the arguments of ``docker run``, ``client.py`` runs docker commands, ``container.py`` is one
container from its start to its removal, ``executor.py`` is the executor of a Docker task, and ``process.py`` is a
container in which a custom executor runs.

Internal; the public names are in ``pymesoskit.testing``.
"""
