"""Tests of ``sidecar.settings``."""
