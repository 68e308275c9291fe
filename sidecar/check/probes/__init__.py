"""Look at the surroundings: the API server, DNS, the volumes. All I/O of ``check`` is in here.

Not in it: what follows from what is seen; a probe returns facts, also those that it could not get, with the reason. It
may import ``findings`` (the values), ``sources`` and ``output``.
"""
