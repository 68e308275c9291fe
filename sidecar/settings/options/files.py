"""Which files to write, and how."""

from __future__ import annotations

from sidecar.settings.options.option import Option, Section
from sidecar.settings.parsing import count, one_of, output

FILES = Section(
    "Output files",
    (
        Option(
            name="output",
            value="FORMAT=PATH",
            parse=output,
            default=None,
            separator=" ",
            text="A file to keep up to date with the current members, such as json=/membership/members.json; required."
            " Repeat the option for more files; in the variable, separate them with spaces."
            " membership-sidecar formats lists the formats.",
        ),
        Option(
            name="port-range",
            value="NUMBER",
            parse=count,
            default="0",
            text="How many ports after a member's own port are listed as well, for readers that try a range of ports;"
            " the json format always lists the one port.",
        ),
        Option(
            name="fsync",
            value="auto|always|never",
            parse=one_of("auto", "always", "never"),
            default="auto",
            text="Whether each file is flushed to disk before it is renamed into place. auto flushes it unless the"
            " volume is in memory.",
        ),
    ),
)
"""In the order of the manual."""
