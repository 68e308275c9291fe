"""Who the members are, and which of them may be published, when.

Pure: values in, values out; no I/O, no clock, no logging. ``member`` has the value and the events that sources
report; ``union`` makes one member of several reports about it, ``policy`` decides.
"""
