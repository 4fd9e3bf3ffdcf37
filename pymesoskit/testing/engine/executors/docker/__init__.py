"""Docker tasks: containers of the Docker engine on the agent's host, by way of its command line, as in Mesos.

``options.py`` says what ``docker run`` is asked for, ``client.py`` runs docker's commands, ``container.py`` is one
container from its beginning to its removal, ``executor.py`` the executor of a Docker task, ``process.py`` a container
in which a custom executor runs.

Internal; the public names are in ``pymesoskit.testing``.
"""
