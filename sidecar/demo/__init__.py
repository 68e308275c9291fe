"""``membership-sidecar demo``: the real sidecar against a simulated API server. Not part of the image.

``run`` runs the demo from start to end; ``walkthrough`` is the script and what it prints. It may import anything;
nothing but ``cli`` imports it, so the daemon never loads the simulator.
"""
