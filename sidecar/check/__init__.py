"""``membership-sidecar check``: what would stop the sidecar, and what to do about it, before or after a start.

In it: ``targets`` (what the settings say is to be looked at), ``probes`` (look at it: all the I/O), ``findings`` (judge
what was seen: pure), and ``command``, which connects them and prints. Not in it: how members are found and files are
written; the probes use the sources and the publisher of the sidecar itself. It may import every room but ``cli``,
``demo`` and ``simulator``; nothing but ``cli`` may import it.

*Invariant:* it needs no more permissions than the sidecar. What it may not see is ``skipped``, which is never an error.
It changes nothing: the file that it writes to try a volume is removed again.
"""
