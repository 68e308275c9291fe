"""The sidecar as it runs in a pod: a process of its own, the Role that the project ships, and a real Kubernetes.

Whatever is asserted here is seen from outside: the files, ``/status`` and ``/metrics``, the log, the exit code, and
the API server's audit log. What each part does by itself is tested elsewhere.
"""
