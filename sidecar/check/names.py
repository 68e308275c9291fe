"""What DNS's answers about a Service mean for a source that would have to live on them, or fall back on them.

Pure: the three outcomes of a question (``sources.records``) in, findings out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.check.findings import Finding, Level
from sidecar.sources.records import Absent, Answered, Unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sidecar.sources.records import Outcome

LEVELS: Mapping[str, Level] = {"dns": "error", "auto": "warning"}
"""What it means that DNS is of no use, by source; the others do not ask it."""


def judge(
    name: str, outcomes: Sequence[Outcome], *, source: str, cluster_ip: str = "", ready: int | None = None
) -> Finding:
    """What there is to say of a name.

    Args:
        name: that was asked for.
        outcomes: of its record types.
        source: of the configuration.
        cluster_ip: of the Service, if it is known to have one; ``None`` is what a headless one has.
        ready: how many of its members are ready, if that is known.
    """
    subject, level = f"dns {name}", LEVELS.get(source, "ok")
    unneeded = "" if source in LEVELS else f" --source {source} does not need it."
    addresses = sorted({address for one in outcomes if isinstance(one, Answered) for address in _addresses(one)})
    if addresses == [cluster_ip]:
        cure = "Make a Service with clusterIP: None." if not unneeded else ""
        sentence = f"DNS tells the cluster IP {cluster_ip} instead of the members: the Service is not headless.{unneeded}"
        return Finding(level, subject, sentence, cure)
    if addresses:
        return Finding("ok", subject, f"DNS tells {len(addresses)} address{'es' if len(addresses) > 1 else ''}.")
    unknown = next((outcome for outcome in outcomes if isinstance(outcome, Unknown)), None)
    if unknown:
        return Finding(level, subject, f"{unknown.sentence}{unneeded}")
    code = next((outcome.code for outcome in outcomes if isinstance(outcome, Absent)), "nothing")
    if ready == 0:
        sentence = f"DNS has no address ({code}), for no member is ready.{unneeded}"
        return Finding("ok" if unneeded else "warning", subject, sentence, "" if unneeded else _WAIT)
    cure = "" if unneeded else "See the name of the Service, its namespace and --cluster-domain, and whether a pod is ready."
    return Finding(level, subject, f"DNS has no address for it ({code}).{unneeded}", cure)


_WAIT = "Wait for one, or set publishNotReadyAddresses on the Service."


def _addresses(answered: Answered) -> list[str]:
    return [address for record in answered.records for address in record.addresses]
