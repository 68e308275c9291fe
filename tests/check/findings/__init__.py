"""Tests of ``sidecar.check.findings``: pure, from facts to findings, as tables."""
