"""Keeps a file on a shared volume true to who the members of a Kubernetes service are.

The flow, one way::

    settings -> source.events() -> fold -> union -> selection -> document -> publish -> observe
                (I/O)              (pure)  (pure)   (pure)       (pure)      (I/O)      (metrics, status, log)

Invariants, each with a test of its own:

- A reader sees a complete file or the previous complete file (``publisher``).
- A failure changes no member; only a complete answer replaces what is known (``members.fold``).
- What is published never goes back in time, restarts included (``sources.reflector``, ``floor``).
- Same members, same bytes, and the same bytes are not written again (``formats``, ``publisher``).
- A change costs the change and not the set, up to the join of the file's bytes (``union``, ``policy``, ``formats``).

Start reading at ``daemon``: it is the composition root, and the only module that knows all others. ``members``,
``union``, ``policy``, ``formats`` and ``sources.objects`` are pure: no I/O, no clock, no logging. ``simulator`` is a
Kubernetes API server in process for the demo and the tests; nothing else imports it.
"""

__version__ = "0.1.0"
