"""What DNS answers about a Service mean for a source that depends on them, or falls back to them.

Pure: the outcomes of queries (``sources.dns.records``) in, findings out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.check.findings.finding import Finding, Level, not_checked
from sidecar.sources.dns.records import Absent, Answered, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sidecar.sources.dns.records import Outcome

LEVELS: Mapping[str, Level] = {"dns": "error", "auto": "warning"}
"""How serious it is that DNS cannot be used, by source; all other sources do not need DNS."""


def judge(
    name: str, outcomes: Mapping[str, Outcome], *, source: str, ready: int | None = None, cluster_ip: str = ""
) -> Finding:
    """The finding about a Service's DNS name.

    Args:
        name: of the Service, ``NAMESPACE/NAME``.
        outcomes: of every query that the source would make, by record type.
        source: the configured source.
        ready: how many members are ready, if that is known.
        cluster_ip: of the Service, if that is known; a DNS server without reverse names does not reveal it.
    """
    if source not in LEVELS:
        return _unneeded(name, outcomes, f"--source {source} does not need DNS")
    subject, level = f"dns {name}", LEVELS[source]
    values, unknown = _values(outcomes), _unknown(outcomes)
    if values and all(value == cluster_ip for value in values):
        message = f"DNS returns the cluster IP {cluster_ip} instead of the members' addresses."
        return Finding(level, subject, message, "Create a Service with clusterIP: None, and use that one.")
    explained = unknown or next((one for one in outcomes.values() if isinstance(one, Absent) and one.message), None)
    if explained:
        return Finding(level, subject, explained.message)
    if values:
        return Finding("ok", subject, f"DNS returns {_records(len(values))}.")
    if ready == 0:
        message = f"DNS has no address for it ({_code(outcomes)}), because no member is ready."
        remedy = "Wait for a ready member, or set publishNotReadyAddresses on the Service."
        return Finding("warning", subject, message, remedy)
    remedy = "Check its name, its namespace and --cluster-domain, and whether a member is ready."
    return Finding(level, subject, f"DNS has no address for it ({_code(outcomes)}).", remedy)


def _unneeded(name: str, outcomes: Mapping[str, Outcome], because: str) -> Finding:
    """The same for a source that does not need DNS: nothing can be wrong."""
    values, unknown = _values(outcomes), _unknown(outcomes)
    if unknown:
        return not_checked(f"dns {name}", f"DNS gave no usable answer ({unknown.reason}); {because}")
    found = _records(len(values)) if values else f"no address for it ({_code(outcomes)})"
    return Finding("ok", f"dns {name}", f"DNS returns {found}; {because}.")


def _values(outcomes: Mapping[str, Outcome]) -> list[str]:
    return [record.value for one in outcomes.values() if isinstance(one, Answered) for record in one.records]


def _unknown(outcomes: Mapping[str, Outcome]) -> Unknown | None:
    return next((one for one in outcomes.values() if isinstance(one, Unknown)), None)


def _code(outcomes: Mapping[str, Outcome]) -> str:
    return next((one.code for one in outcomes.values() if isinstance(one, Absent)), "no answer")


def _records(number: int) -> str:
    return f"{number} record{'' if number == 1 else 's'}"
