"""A real node: scheduler, containerd, kubelet and kube-proxy on a machine of their own, beside the control plane.

What starts a pod here, kills it, limits its memory and gives it an address is what does so in any cluster. Only root
can have it; for everybody else ``obstacle`` has the sentence.
"""

from tests.cluster.node.node import NODE_PROGRAMS, Node, obstacle, running

__all__ = ["NODE_PROGRAMS", "Node", "obstacle", "running"]
