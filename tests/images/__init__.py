"""The images of the test pods, built here without a registry: by debootstrap and buildah, as archives in the cache.

The project's image is built from the Dockerfile that users build; only its base is a substitute, because a base cannot
be pulled. What is slow is built once (``python -m tests.images``) and has a name derived from its content; what changes
with every line of code takes seconds and is built when a test needs it.
"""

ENABLE = "python -m tests.images"
"""The command that makes the images; every skip for want of them names it."""
