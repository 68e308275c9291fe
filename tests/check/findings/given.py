"""The facts that several of these tests start from."""

from __future__ import annotations

from sidecar.check.findings.facts import Answers, Facts
from sidecar.check.findings.permissions import Permission
from sidecar.check.findings.report import findings
from sidecar.check.findings.services import Observed, Requirements
from sidecar.formats import samples
from sidecar.sources.dns.records import Absent, Answered, Record, Unknown

ACCOUNT = "system:serviceaccount:apps:sidecar"
WHO = "The service account sidecar of namespace apps"
SLICES = Permission("discovery.k8s.io", "endpointslices", "prod")
REQUIREMENTS = Requirements(source="endpointslice", port="", not_ready="prefer-ready", min_members=1)
SEEN = Observed(samples.MEMBERS)

ANSWERED = Answered(name="app.prod.svc.cluster.local.", records=(Record("10.0.0.1", ("10.0.0.1",)),), ttl=5)
NXDOMAIN = Absent(name="app.prod.svc.cluster.local.", code="NXDOMAIN", ttl=5)
UNKNOWN = Unknown(reason="timeout", message="Nobody answers: see resolv.conf.")


def reported(answers: Answers | str, requirements: Requirements = REQUIREMENTS) -> list[tuple[str, str, str]]:
    """Level, subject and message of everything that follows from what the API server answered."""
    return [finding[:3] for finding in findings(Facts((), answers, {}), requirements, "auto")]
