"""How the sidecar can be watched: HTTP and the log."""

from __future__ import annotations

from sidecar.settings.options.option import Option, Section
from sidecar.settings.parsing import listen, one_of

OBSERVABILITY = Section(
    "Monitoring and logging",
    (
        Option(
            name="listen",
            value="ADDRESS:PORT|off",
            parse=listen,
            default="[::]:9466",
            text="The address at which /metrics, /livez, /readyz, /startupz and /status are served over HTTP; [::]"
            " accepts IPv4 as well. off serves nothing.",
        ),
        Option(
            name="log-level",
            value="debug|info|warning|error",
            parse=one_of("debug", "info", "warning", "error"),
            default="info",
            text="The lowest level of the events that are logged.",
        ),
        Option(
            name="log-format",
            value="json|console",
            parse=one_of("json", "console"),
            default="json",
            text="How events are logged: json writes one JSON object per line, console is easier to read in a"
            " terminal.",
        ),
    ),
)
"""In the order of the manual."""
