"""Tests of ``sidecar.sources``."""
