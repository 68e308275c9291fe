"""Tests of ``sidecar.membership.policy``."""
