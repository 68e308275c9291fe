"""Tests of ``sidecar.sources.dns``."""
