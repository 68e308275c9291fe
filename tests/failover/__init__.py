"""Tests of ``sidecar.failover``."""
