"""What a run is configured to do: frozen values, how each is written, and the one table of options.

In it: ``options`` (the table, and from texts to ``Settings``), ``inputs`` (the texts that were given on the command
line, in the environment and in the configuration file), ``parsing`` (one function for each kind of value),
``conflicts`` (values that cannot be combined), ``services`` and ``values`` (the result).

Not in it: reading files, printing, and what a value does. Pure. It may import ``formats``, ``membership`` and
``errors``, and nobody below it may import it: a part takes plain arguments, never ``Settings``.
"""
