"""The real readers of our files: the released Hazelcast and JGroups parse what we write, and form clusters from it.

The tests that need them are skipped, with the command that enables them, where the jars or Java are missing. Other than
those, ``tight_loop`` is a reader of our own, which is impatient.
"""

ENABLE = "python -m tests.readers.jars"
"""The command that fetches the jars; every skip for want of them names it."""
