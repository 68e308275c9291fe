"""What can be seen of the sidecar: metrics, status, log, and the HTTP server that serves the first two."""
