"""The sidecar as it runs in a pod: a process of its own, the Role that the project ships, and a real Kubernetes.

The tests look at the sidecar from outside: the files, ``/status`` and ``/metrics``, the log, the exit code, and the API
server's audit log. Each part by itself is tested elsewhere.
"""
