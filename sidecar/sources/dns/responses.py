"""Turns dnspython's answers and errors into the three outcomes.

No I/O. dnspython has tried all servers by then; what each of them answered is in its list of errors.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeAlias

import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver

from sidecar.membership.addresses import is_ipv6
from sidecar.sources.dns.records import Absent, Answered, Record, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sidecar.sources.dns.records import Outcome

CODES = ("NOERROR", "NODATA", "NXDOMAIN", "SERVFAIL", "REFUSED", "OTHER", "NONE")
"""How a question ended: with an rcode, where NOERROR without records is NODATA, or without any (NONE)."""

_Error: TypeAlias = tuple[str, bool, int, "Exception | str", "dns.message.Message | None"]
"""What dnspython keeps of an attempt: server, whether TCP, port, what went wrong, and the response if any."""


def answered(name: str, answer: dns.resolver.Answer) -> Outcome:
    """The records of *answer*; the TTL is the shortest on the way, aliases included."""
    ttl = float(answer.chaining_result.minimum_ttl)
    glue = _glue(answer.response)
    records = {_record(rdata, glue) for rdata in answer}
    records.discard(NOWHERE)
    if not records:
        return Absent(name=name, code="NODATA", ttl=ttl)
    return Answered(name=name, records=tuple(sorted(records)), ttl=ttl)


NOWHERE = Record(".", (), None)
"""The target of an SRV record that says that the service is decidedly not available (RFC 2782)."""


def _record(rdata: Any, glue: dict[str, tuple[str, ...]]) -> Record:  # noqa: ANN401 - a class for each type
    if rdata.rdtype in {dns.rdatatype.A, dns.rdatatype.AAAA}:
        address = str(ip_address(rdata.address))
        return Record(address, (address,))
    target = str(rdata.target).lower()
    if rdata.rdtype == dns.rdatatype.SRV and target != NOWHERE.value:
        return Record(target, glue.get(target, ()), rdata.port)
    return Record(target, ())


def _glue(response: dns.message.Message) -> dict[str, tuple[str, ...]]:
    """The addresses in the additional section, by name, IPv4 first."""
    found: dict[str, set[str]] = {}
    for rrset in response.additional:
        if rrset.rdtype in {dns.rdatatype.A, dns.rdatatype.AAAA}:
            name = str(rrset.name).lower()
            found.setdefault(name, set()).update(str(ip_address(rdata.address)) for rdata in rrset)
    return {name: ipv4_first(addresses) for name, addresses in found.items()}


def ipv4_first(addresses: Iterable[str]) -> tuple[str, ...]:
    """*addresses* in the order of a member's."""
    return tuple(sorted(addresses, key=lambda address: (is_ipv6(address), address)))


def absent(name: str, response: dns.message.QueryMessage) -> Outcome:
    """An absence, if *response* has the authority to say so.

    A referral (name servers of another zone, no SOA) is no answer; a response with neither must not be cached
    (RFC 2308).
    """
    kinds = {rrset.rdtype for rrset in response.authority}
    code = "NXDOMAIN" if response.rcode() == dns.rcode.NXDOMAIN else "NODATA"
    if dns.rdatatype.SOA in kinds:
        return Absent(name=name, code=code, ttl=float(response.resolve_chaining().minimum_ttl))
    if dns.rdatatype.NS in kinds and code == "NODATA":
        return Unknown(
            reason="malformed",
            message=f"The DNS server answers {name} with a referral, so it does not resolve names itself. Set"
            " --dns-server to a resolver.",
        )
    return Absent(name=name, code=code, ttl=0.0)


def failure(question: str, servers: str, errors: Sequence[_Error]) -> tuple[Unknown, str]:
    """Why no server answered *question*, and the code; the message has what the last server said.

    Args:
        question: the name and the type.
        servers: those that were asked, for the message.
        errors: dnspython's.
    """
    server, tcp, _, error, response = errors[-1] if errors else (servers, False, 0, "no answer", None)
    if isinstance(error, dns.message.Truncated) and not tcp:
        error = TimeoutError()  # the time was up before TCP could be tried
        tcp = True
    if response is not None and isinstance(error, str):
        return _by_rcode(question, server_text(server), error)
    if tcp:
        return _by_tcp(question, server_text(server), error)
    if isinstance(error, OSError):
        message = f"{server_text(server)} cannot be asked for {question}: {error.strerror or error}."
        return Unknown(reason="connection", message=message), "NONE"
    if response is not None:
        what = str(error) or type(error).__name__
        message = f"{server_text(server)} answers {question} with something that is no answer to it: {what}."
        return Unknown(reason="malformed", message=message), "OTHER"
    return Unknown(
        reason="timeout",
        message=f"No answer to {question} from {servers}: check that the DNS server runs and that NetworkPolicies allow"
        " UDP and TCP to it. If only AAAA gets no answer, --address-family ipv4 avoids it.",
    ), "NONE"


def _by_rcode(question: str, server: str, rcode: str) -> tuple[Unknown, str]:
    advice = {
        "SERVFAIL": "it has no data; CoreDNS says so until it has reached the API server, check its log",
        "REFUSED": "it does not serve that zone, or not this client; correct --dns-server or --cluster-domain",
    }.get(rcode, "check its log")
    message = f"{server} answers {question} with {rcode}: {advice}."
    return Unknown(reason="server_error", message=message), rcode if rcode in CODES else "OTHER"


def _by_tcp(question: str, server: str, error: Exception | str) -> tuple[Unknown, str]:
    reason, what = "connection", f"fails ({error})"
    if isinstance(error, ConnectionRefusedError):
        reason, what = "refused", "is refused"
    elif isinstance(error, TimeoutError | dns.exception.Timeout):
        reason, what = "timeout", "gets no answer"
    return Unknown(
        reason=reason,
        message=f"The answer of {server} to {question} is too long for UDP, and TCP {what}: allow TCP to its port,"
        " in NetworkPolicies too.",
    ), "NONE"


def server_text(server: str) -> str:
    """``Do53:10.96.0.10@53`` as an address and a port."""
    address, _, port = server.removeprefix("Do53:").rpartition("@")
    if not address:
        return server
    return f"[{address}]:{port}" if is_ipv6(address) else f"{address}:{port}"
