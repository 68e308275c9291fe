"""Tests of ``sidecar.check.probes``: real volumes, and servers on real sockets."""
