"""Tests of ``sidecar.membership``: no I/O, and time is an argument."""
