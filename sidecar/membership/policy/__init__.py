"""Which members may be published, and when.

In it: ``rules`` judges one member, ``counts`` keeps the facts about the set that it needs, ``ownership`` decides which
pod has an address, ``lines`` which of several Services' reports of a pod is listed, ``founder`` picks the seed, and
``selection`` puts them together. ``changes`` is the difference between what is selected and what is published,
``leaves`` restrains the members that left, ``guards`` and ``timing`` decide when a publication may happen.

Not in it: how the set becomes known (``fold``, ``union``), and waiting for the time (``output``).

Pure: time is an argument. It imports ``sidecar.membership.member`` and ``addresses``, and nothing else of ``sidecar``.
"""
