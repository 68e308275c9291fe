"""``membership-sidecar check``: what would stop the sidecar, and what to do about it, before it is deployed or meanwhile.

Everything is looked at first (``cluster``, ``resolving``, ``volumes``: the I/O) and judged then (``rights``,
``services``, ``names``, ``directories``: pure, facts in and findings out). ``command`` puts that together.

*Invariant:* it needs no more rights than the sidecar. What it may not see is not checked, and it says so; that is never
held against the sidecar. It changes nothing: the file that it writes to try the volume is gone when it ends.
"""
