"""The manifests and the monitoring, as a user gets them.

kubectl renders them, the real API server, promtool and Prometheus judge them. No pod runs here.
"""
