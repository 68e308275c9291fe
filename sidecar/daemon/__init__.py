"""The composition root: the only room that knows all others.

``run`` is the program (log, signals, exit code), ``daemon`` one run from its start to its end, ``assembly`` makes the
parts and joins them, ``parts`` says what each is told, ``report`` is what ``/status`` says of them. ``replicas`` and
``desired`` find out how many pods the own workload should have. Not here: any decision about members or files.
"""
