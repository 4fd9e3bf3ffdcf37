"""The master of the cluster: what Mesos's master does, without sockets, threads or a clock of its own.

``master.Master`` is one life of a master's process; whoever holds it hands in everything it works with. Its rules are
functions on a ``core.Core``, one module per concern, each of which imports only those above it:

=============================  =======================================================================================
``transitions``, ``registry``  the lives of frameworks, agents, tasks, operations as tables; what outlives a master
``entities``, ``state``        what the master knows, and the books that it keeps of it
``core``, ``events``           what all parts work with; what schedulers are told (``options``: the allocator)
``validation/``                what is refused, with which words
``offers``, ``tasks``          offers and inverse offers; tasks, executors (``status``: their statuses)
``operations``, ``reconcile``  offer operations and their feedback; what is known of tasks
``frameworks``, ``subscribe``  frameworks come, fail over and go
``agents``, ``registration``   agents are lost; agents come in and come back
``accept``, ``calls``          ACCEPT; the scheduler API, check by check and call by call
``leadership``, ``master``     one of several leads; the whole
=============================  =======================================================================================

The operator's side (``operator/``, ``legacy/``, ``endpoints`` and the modules that they use: ``draining``,
``maintenance``, ``quota``, ``reservations``, ``roles``, ``weights``) works on the same core and state.

Internal; the public names are in ``pymesoskit.testing``.
"""
