"""Tests of ``sidecar.output``."""
