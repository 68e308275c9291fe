"""Keeps a file on a shared volume true to who the members of a Kubernetes service are.

The flow, one way::

    settings -> source.events() -> track: fold -> union -> selection -> difference -> document -> publish -> observe
                (I/O)                     (pure)  (pure)   (pure)       (pure)        (pure)      (I/O)

There is a track for each *way* to find members (``ways``), and ``following`` believes the best that works. ``pipeline``
is what is pure of it, ``keeper`` decides when to publish and what a publication waits for (``policy.guards``), and
``metrics``, ``status`` and ``log`` are what can be seen.

Invariants, each with a test of its own:

- A reader sees a complete file or the previous complete file (``publisher``).
- A failure changes no member; only a complete answer replaces what is known (``members.fold``).
- What is published never goes back in time, restarts included (``sources.reflector``, ``checkpoint``).
- Same members, same bytes, and the same bytes are not written again (``formats``, ``publisher``).
- A change costs the change and not the set, up to the file's bytes (``union``, ``policy``, ``formats``).

Start reading at ``daemon``: it is the composition root, and the only module that knows all others. ``members``,
``union``, ``policy``, ``formats``, ``pipeline`` and what the sources make of bytes (``sources.objects``,
``sources.endpointslices``, ``sources.records``, ...) are pure: no I/O, no clock, no logging; the list is a contract in
pyproject.toml. ``simulator`` is a Kubernetes API server in process for the demo and the tests; nothing else imports it.
"""

__version__ = "0.1.0"
