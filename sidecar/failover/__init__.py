"""Which sources may serve, which of them run, and whose members are used.

``candidates`` lists them, the most preferred first, and makes their sources from a ``context``; ``choice`` is the pure
decision; ``failover`` carries it out. Not here: how a source is asked (``sources``), and when something is published
(``output``). May import those and everything below.
"""
