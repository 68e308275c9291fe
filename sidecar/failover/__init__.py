"""Which sources may serve, which of them run, and whose answer is used.

``candidates`` lists them, the most preferred first; ``choice`` is the pure decision; ``failover`` carries it out.
"""
