"""Tests of ``sidecar.sources.kubernetes``."""
