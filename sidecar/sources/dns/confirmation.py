"""What is believed of a name in DNS: when an answer is taken for the truth.

Pure; the time is an argument. The rules:

- An answer with records is believed at once. An unknown outcome changes nothing.
- That there are none any more is believed after so many answers in a row *and* longer than the first of them may have
  been in a cache: zero ready endpoints are NXDOMAIN by specification (2.4.1), and so are a typo, a Service deleted by
  mistake and a CoreDNS whose watch is stuck (coredns #6518).
- The same goes for the very first answer, so that a typo, or a cache from before the Service was made, is not an empty
  set. It does not where another question about the same name has records: then this address family has just none.
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
    """In a row, any failure in between starting anew."""
    negative_ttl_cap: float = 300.0
    """Seconds that a negative TTL is taken for at most. CoreDNS says 5 or 30; some zones' SOA says a day."""


class _Absence(msgspec.Struct):
    answers: int
    over: float
    """When nobody can repeat the first of them from a cache any more."""


class ConfirmedRecords:
    """What is believed of the answers to some questions about one Service.

    Args:
        questions: what is asked each time, for example A and AAAA.
        confirmation: see there.
    """

    def __init__(self, questions: Iterable[str], confirmation: ConfirmationPolicy) -> None:
        self.records: dict[str, tuple[Record, ...] | None] = dict.fromkeys(questions)
        """By question; None while nothing is believed yet."""
        self._confirmation = confirmation
        self._absences: dict[str, _Absence] = {}

    @property
    def complete(self) -> bool:
        """Whether something is believed of every question."""
        return None not in self.records.values()

    def take(self, outcomes: Mapping[str, Outcome], now: float) -> Unknown | None:
        """Take in an outcome for each question; tell why they are not all believed, None if they are.

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
        over = now + min(absent.ttl, self._confirmation.negative_ttl_cap)
        absence = self._absences.setdefault(question, _Absence(0, over))
        absence.answers += 1
        needed = self._confirmation.answers
        if absence.answers >= needed and now > absence.over:
            del self._absences[question]
            self.records[question] = ()
            return None
        if before is None:
            return Unknown(reason="absent", message=f"{missing(absent)} Until that is certain, nothing is written.")
        return Unknown(
            reason="absent",
            message=f"{absent.name} is gone ({absent.code}): its last ready pod, or the Service. The members stay"
            f" until {needed} answers in a row say so; this is number {absence.answers}.",
        )


def missing(absent: Absent) -> str:
    """What it means that there are no records, and what to do."""
    if absent.code == "NODATA":
        return (
            f"{absent.name} is in DNS, but without addresses of the wanted family (NODATA): see the Service's"
            " ipFamilies, and --address-family."
        )
    return (
        f"There is no {absent.name} in DNS ({absent.code}): the Service does not exist, is misspelt or has no ready"
        " pod. Compare --service and --namespace with kubectl get services, --cluster-domain with the cluster's zone;"
        " a pod in the host's network needs dnsPolicy ClusterFirstWithHostNet or --dns-server; pods that wait for each"
        " other need publishNotReadyAddresses."
    )
