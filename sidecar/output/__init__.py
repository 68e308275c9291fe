"""From members to files: what the files are to hold, when they are written, and how.

The flow: ``pipeline`` renders, ``schedule`` says when, ``publish_loop`` acts, ``writer`` hops into the thread where
``publisher`` replaces each ``file``, and ``written`` is who is in the files by then. ``outputs`` retries each output by
itself; ``situation`` and ``waiting`` are what the guards look at and when that is said; ``observer`` is what is shown.
``checkpoint`` is what a restart must know, ``lock`` keeps two sidecars apart, ``volume`` knows what can be written to.

Not here: who is a member (``membership``), and what a file looks like (``formats``). May import those two, ``backoff``,
``errors`` and ``observability.metrics``.
"""
