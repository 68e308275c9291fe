"""The manifests and the monitoring of the project.

kubectl renders them; the real API server, promtool and Prometheus check them. No pod runs here.
"""
