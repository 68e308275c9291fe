"""Tests of the simulator: its parts, the whole, and a comparison with a real server (``contract``)."""
