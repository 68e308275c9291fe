"""What follows from what the probes saw: facts in, findings with a remedy out.

In it: ``facts`` and ``finding`` (the values), ``report`` (all facts to all findings, in order), and one module for each
subject: ``permissions`` and ``roles``, ``services``, ``dns``, ``volumes``. Not in it: looking at anything. Pure. It may
import the pure parts of the sources, and nothing else of ``check``.
"""
