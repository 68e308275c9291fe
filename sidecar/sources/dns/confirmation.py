"""When an answer of DNS is accepted.

Pure; the time is an argument. The rules:

- An answer with records is accepted at once. An unknown outcome changes nothing.
- That there are no records any more is accepted after several answers in a row *and* after the time for which a cache
  may have repeated the first of them: zero ready endpoints are NXDOMAIN by specification (2.4.1), but so are a typo, a
  Service deleted by mistake and a CoreDNS whose watch is stuck (coredns #6518).
- The same holds for the very first answer, so that a typo, or a cache from before the Service was created, is not an
  empty set. It does not hold where another question about the same name has records: then the Service merely has no
  addresses of this family.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sidecar.sources.dns.records import Absent, Answered, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sidecar.sources.dns.records import Outcome, Record


class ConfirmationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How an absence is confirmed."""

    answers: int = 3
    """In a row; any failure in between starts the count anew."""
    negative_ttl_cap: float = 300.0
    """The longest negative TTL that is waited for, in seconds. CoreDNS says 5 or 30; some zones' SOA says a day."""


class _Absence(msgspec.Struct):
    answers: int
    over: float
    """When no cache can repeat the first of them any more."""


class ConfirmedRecords:
    """The records that are accepted, for each question about one Service.

    Args:
        questions: what is asked each time, for example A and AAAA.
        policy: how an absence is confirmed.
    """

    def __init__(self, questions: Iterable[str], policy: ConfirmationPolicy) -> None:
        self.records: dict[str, tuple[Record, ...] | None] = dict.fromkeys(questions)
        """By question; None while nothing is accepted yet."""
        self._policy = policy
        self._absences: dict[str, _Absence] = {}

    @property
    def complete(self) -> bool:
        """Whether an answer to every question is accepted."""
        return None not in self.records.values()

    def take(self, outcomes: Mapping[str, Outcome], now: float) -> Unknown | None:
        """Take in an outcome for each question; return why not all of them are accepted, or None if they are.

        Args:
            outcomes: by question.
            now: seconds of a monotonic clock.
        """
        exists = any(isinstance(outcome, Answered) for outcome in outcomes.values())
        doubts = [self._take(question, outcome, now, exists=exists) for question, outcome in outcomes.items()]
        failures = [doubt for doubt in doubts if doubt is not None]
        failures.sort(key=lambda doubt: doubt.reason == "absent")  # a failure explains more than an absence
        return failures[0] if failures else None

    def _take(self, question: str, outcome: Outcome, now: float, *, exists: bool) -> Unknown | None:
        match outcome:
            case Answered():
                self._absences.pop(question, None)
                self.records[question] = outcome.records
                return None
            case Absent():
                return self._doubt(question, outcome, now, exists=exists)
            case Unknown():
                self._absences.pop(question, None)
                return outcome

    def _doubt(self, question: str, absent: Absent, now: float, *, exists: bool) -> Unknown | None:
        before = self.records[question]
        if before == () or (before is None and exists):
            self.records[question] = ()
            return None
        over = now + min(absent.ttl, self._policy.negative_ttl_cap)
        absence = self._absences.setdefault(question, _Absence(0, over))
        absence.answers += 1
        needed = self._policy.answers
        if absence.answers >= needed and now > absence.over:
            del self._absences[question]
            self.records[question] = ()
            return None
        if before is None:
            return Unknown(reason="absent", message=f"{missing(absent)} Nothing is written until this is confirmed.")
        gone = f"{absent.name} is gone ({absent.code}): its last ready pod is, or the Service."
        return Unknown(
            reason="absent",
            message=f"{absent.message or gone} The members stay until {needed} answers in a row confirm it; this is"
            f" number {absence.answers}.",
        )


def missing(absent: Absent) -> str:
    """What the absence of records means, and what to do."""
    if absent.message:
        return absent.message
    if absent.code == "NODATA":
        return (
            f"{absent.name} is in DNS, but without addresses of the wanted family (NODATA): check the Service's"
            " ipFamilies, and --address-family."
        )
    return (
        f"There is no {absent.name} in DNS ({absent.code}): the Service does not exist, is misspelt or has no ready"
        " pod. Compare --service and --namespace with kubectl get services, and --cluster-domain with the cluster's"
        " zone. A pod in the host's network needs dnsPolicy ClusterFirstWithHostNet or --dns-server; pods that wait for"
        " each other need publishNotReadyAddresses."
    )
