"""Who the members are, which of them may be published, and when.

In it, from the bottom up: ``addresses`` and ``member`` (values), ``events`` (what a source reports), ``fold`` (what is
known after each event), ``union`` (one member from all the reports about it), ``track`` (fold and union of one
candidate source), and ``policy`` (what may be published, and when).

Not in it: how members are found (``sources``), which source is active (``failover``), how members are written
(``formats``, ``output``).

Pure: values in, values out; no I/O, no clock, no logging. It imports msgspec and nothing else of ``sidecar``.
"""
