"""What DNS answers about a Service, by the source that would use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from sidecar.check.findings import dns
from sidecar.sources.dns.records import Record
from tests.check.findings.given import ANSWERED, NXDOMAIN, UNKNOWN

if TYPE_CHECKING:
    from sidecar.sources.dns.records import Outcome


@pytest.mark.parametrize(
    ("outcomes", "source", "ready", "found"),
    [
        ({"A": ANSWERED, "AAAA": NXDOMAIN}, "dns", None, ("ok", "DNS returns 1 record.")),
        ({"A": ANSWERED, "AAAA": UNKNOWN}, "dns", None, ("error", "Nobody answers: see resolv.conf.")),
        ({"A": NXDOMAIN}, "dns", None, ("error", "DNS has no address for it (NXDOMAIN).")),
        ({"A": NXDOMAIN}, "dns", 2, ("error", "DNS has no address for it (NXDOMAIN).")),
        ({"A": NXDOMAIN}, "auto", 2, ("warning", "DNS has no address for it (NXDOMAIN).")),
        ({"A": NXDOMAIN}, "dns", 0, ("warning", "DNS has no address for it (NXDOMAIN), because no member is ready.")),
        ({"A": UNKNOWN}, "dns", 0, ("error", "Nobody answers: see resolv.conf.")),
        ({"A": UNKNOWN}, "auto", 0, ("warning", "Nobody answers: see resolv.conf.")),
        ({"A": ANSWERED}, "endpoints", None, ("ok", "DNS returns 1 record; --source endpoints does not need DNS.")),
        (
            {"A": UNKNOWN},
            "endpointslice",
            0,
            (
                "skipped",
                "Not checked, because DNS gave no usable answer (timeout); --source endpointslice does not need DNS.",
            ),
        ),
        (
            {"A": NXDOMAIN},
            "endpoints",
            None,
            ("ok", "DNS returns no address for it (NXDOMAIN); --source endpoints does not need DNS."),
        ),
    ],
)
def test_dns_matters_to_the_sources_that_use_it(
    outcomes: dict[str, Outcome], source: str, ready: int | None, found: tuple[str, str]
) -> None:
    """And that there is no address may have an innocent reason."""
    finding = dns.judge("prod/app", outcomes, source=source, ready=ready)
    assert (finding.level, finding.message) == found
    assert finding.subject == "dns prod/app"


@pytest.mark.parametrize(("source", "level"), [("dns", "error"), ("auto", "warning")])
def test_a_cluster_ip_is_not_a_member(source: str, level: str) -> None:
    """The Service reveals it where DNS does not."""
    finding = dns.judge("prod/app", {"A": ANSWERED}, source=source, cluster_ip="10.0.0.1")
    assert (finding.level, finding.message) == (
        level,
        "DNS returns the cluster IP 10.0.0.1 instead of the members' addresses.",
    )
    assert finding.remedy == "Create a Service with clusterIP: None, and use that one."


def test_a_member_may_have_the_address_of_the_cluster_ip() -> None:
    """As long as there is another one, it is not the answer of a Service that is not headless."""
    two = msgspec.structs.replace(ANSWERED, records=(*ANSWERED.records, Record("10.0.0.2", ("10.0.0.2",))))
    finding = dns.judge("prod/app", {"A": two}, source="dns", cluster_ip="10.0.0.1")
    assert (finding.level, finding.message) == ("ok", "DNS returns 2 records.")
