"""``membership-sidecar demo``: the real sidecar against a simulated API server. Not in the image."""
