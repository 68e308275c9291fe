"""Tests of ``sidecar.observability``."""
