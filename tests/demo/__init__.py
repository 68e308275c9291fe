"""Tests of ``sidecar.demo``."""
