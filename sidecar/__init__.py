"""Keeps a file on a shared volume up to date with the current cluster members.

One flow, in one direction::

    settings -> sources -> membership -> formats -> output -> observability
                (I/O)      (pure)        (pure)     (I/O)     (metrics, status, log)

A source reports what it sees, one report for each *origin* (an EndpointSlice, a DNS name). ``membership`` folds the
reports, unites them into members, and its ``policy`` selects who may be published and when; a ``Track`` is what one
candidate source knows. ``failover`` decides which candidate is active, so that two sources never mix. ``formats``
renders the members, and ``output`` decides when to publish, replaces the files and remembers how far it got.
``daemon`` is the composition root and the only room that knows all the others: start reading there. ``simulator`` is a
Kubernetes API server in process, for the demo and the tests; the daemon never imports it.

Invariants, each with tests of its own:

- A reader sees a complete file or the previous complete file (``output.publisher``).
- A failure changes no member; only a complete snapshot replaces what is known (``membership.fold``).
- What is published never goes back in time, restarts included (``sources.kubernetes.reflector``,
  ``output.checkpoint``).
- Same members, same bytes; and the same bytes are not written again (``formats``, ``output.publisher``).
- A change costs what changed, not the size of the set, except for the bytes of the file (``membership``, ``formats``).
- Imports point down from room to room; ``membership``, ``formats``, ``settings`` and how the sources interpret objects
  do no I/O and read no clock: both are contracts in pyproject.toml.
"""

__version__ = "0.1.0"
