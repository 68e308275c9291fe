"""What DNS's answers about a Service mean for a source that would have to live on them, or fall back on them.

Pure: the three outcomes of a question (``sources.records``) in, findings out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.check.findings.finding import Finding, Level
from sidecar.sources.dns.records import Absent, Answered, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sidecar.sources.dns.records import Outcome

LEVELS: Mapping[str, Level] = {"dns": "error", "auto": "warning"}
"""What it means that DNS is of no use, by source; the others do not ask it."""


def judge(
    name: str, outcomes: Mapping[str, Outcome], *, source: str, ready: int | None = None, cluster_ip: str = ""
) -> Finding:
    """What there is to say of a Service's name.

    Args:
        name: of the Service, ``NAMESPACE/NAME``.
        outcomes: of everything that the source would ask, by record type.
        source: of the configuration.
        ready: how many of its members are ready, if that is known.
        cluster_ip: of the Service, if that is known; a server without reverse names does not betray it.
    """
    subject, level = f"dns {name}", LEVELS.get(source, "ok")
    records = [record for one in outcomes.values() if isinstance(one, Answered) for record in one.records]
    unknown = next((one for one in outcomes.values() if isinstance(one, Unknown)), None)
    if records and all(record.value == cluster_ip for record in records):
        remedy = "Make a Service with clusterIP: None, and name that one." if source in LEVELS else ""
        return Finding(level, subject, f"DNS tells the cluster IP {cluster_ip}, not the members.", remedy)
    if records and not unknown:
        return Finding("ok", subject, f"DNS tells {len(records)} record{'s' if len(records) > 1 else ''}.")
    if source not in LEVELS:
        unneeded = f"--source {source} does not need it"
        return Finding(
            "ok",
            subject,
            f"DNS does not tell its members ({unknown.reason if unknown else _code(outcomes)}); {unneeded}.",
        )
    if unknown:
        return Finding(level, subject, unknown.message)
    if ready == 0:
        message = f"DNS has no address for it ({_code(outcomes)}), for no member is ready."
        return Finding("warning", subject, message, "Wait for one, or set publishNotReadyAddresses on the Service.")
    remedy = "See its name, its namespace and --cluster-domain, and whether a member is ready."
    return Finding(level, subject, f"DNS has no address for it ({_code(outcomes)}).", remedy)


def _code(outcomes: Mapping[str, Outcome]) -> str:
    return next((one.code for one in outcomes.values() if isinstance(one, Absent)), "no answer")
