"""What of the member set may be published, and when.

Pure: time is an argument. ``rules`` judges one member, ``claims`` settles whose an address is, ``founder`` names the
seed, ``selection`` keeps the result up to date. ``timing`` and ``guards`` choose the moment; ``difference`` is what is
selected and not yet published, ``departures`` what of it leaves.
"""
