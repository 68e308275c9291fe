"""In real pods: what the README and the examples promise, on a node with a kubelet, with the image that users build.

Nothing here is told from a manifest: a test looks at what runs. The manifests are those of ``deploy``.
"""
