"""Tests of ``sidecar.check``."""
