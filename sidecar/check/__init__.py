"""``membership-sidecar check``: what would stop the sidecar, and what to do about that, before or after a start.

Everything is looked at first (``command``, with ``cluster`` and ``volumes``: the I/O) and judged then (``report``, with
``roles``, ``services``, ``names`` and ``directories``: pure, facts in and findings out).

*Invariant:* it needs no more rights than the sidecar. What it may not see is not checked, and it says so; that is never
held against the sidecar. It changes nothing: the file that it writes to try the volume is gone when it ends.
"""
