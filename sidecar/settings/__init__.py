"""What a run is told: the frozen values, how each is written, and the table of options.

Pure. Knows no source and no output: the parts take plain arguments.
"""
