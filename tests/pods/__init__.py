"""What the README and the examples promise, in real pods on a node with a kubelet, with the image that users build.

The tests look at what runs and not at manifests. The manifests are those of ``deploy``.
"""
