"""A real Kubernetes for the tests: API server, controllers, etcd and DNS, run as programs on this machine.

Nothing in here knows ``sidecar``, and nothing here imitates Kubernetes: what a test sees is what the released programs
do. The tests that need it are skipped, with the command that enables them, on a machine where they are not built yet.
"""

ENABLE = "python -m tests.cluster.binaries"
"""The command that builds the programs; every skip for want of them names it."""

ENABLE_NODE = f"{ENABLE} --node"
"""The command that builds the node's programs as well."""
