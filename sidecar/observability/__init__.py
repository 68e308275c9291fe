"""What operators see of the sidecar: metrics, status, log, and the HTTP server for the first two.

``metrics`` has all metrics in a registry of its own, ``status`` the value that ``/status`` shows and the probes judge,
``server`` the pages, ``connections`` the HTTP connections, and ``log`` the log lines. Nothing here decides anything or
measures anything by itself: the other rooms set the metrics, and the daemon makes the status. It may import
``membership`` and ``errors``.
"""
