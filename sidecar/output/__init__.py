"""From members to files: what the files are to hold, when they are written, and how.

``pipeline`` is pure; ``publish_loop`` decides when, ``publisher`` and ``volume`` replace files, ``checkpoint`` is
what a restart must know.
"""
