"""The images of the tests' pods, made here without a registry: by debootstrap and buildah, as archives in the cache.

The project's image comes from the very Dockerfile that users build; only its base is a stand-in, since a base cannot be
pulled. What is slow is made once (``python -m tests.images``) and is named after what it is made of; what changes with
every line of code takes seconds and is made when a test asks.
"""

ENABLE = "python -m tests.images"
"""The command that makes the images; every skip for want of them names it."""
