"""A real node: scheduler, containerd, kubelet and kube-proxy on a machine of their own, beside the control plane.

Pods are started, killed, limited in memory and given addresses by the same programs as in any cluster. It needs root;
without it, ``obstacle`` has the message.
"""

from tests.cluster.node.node import NODE_PROGRAMS, Node, obstacle, running

__all__ = ["NODE_PROGRAMS", "Node", "obstacle", "running"]
