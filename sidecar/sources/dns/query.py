"""Everything that is asked about one Service in one poll.

Without a named port, the A and AAAA records of the Service are the members' addresses; each family is decided on its
own. A named port has SRV records, which also have the port's number and the hostnames. A server that adds the addresses
of their targets, as CoreDNS does, is asked once. Any other server is asked for them: first for those of the Service,
since the label of a target without a hostname is made from one of them; then, for the rest, for those of each target.

The address of a Service that is not headless is a correct answer and yet no list of members: it becomes ``Unknown``
here, with what to do.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from sidecar.sources.dns.names import dashed, port_name, reverse_name, service_name
from sidecar.sources.dns.records import KINDS, Absent, Answered, Record, Unknown
from sidecar.sources.dns.responses import ipv4_first

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sidecar.sources.dns.records import Outcome, Wanted

AT_ONCE = 16
"""How many targets are looked up at the same time."""


class Asks(Protocol):
    """Anything that can ask DNS, see ``resolver.Resolver``."""

    async def ask(self, name: str, kind: str, *, once: bool = False) -> Outcome:
        """See there."""


class ServiceQuery:
    """The questions about a Service.

    Args:
        resolver: asks them.
        wanted: says which Service, port and family.
    """

    def __init__(self, resolver: Asks, wanted: Wanted) -> None:
        self._kinds = KINDS[wanted.family]
        self._port = wanted.port_name
        self.questions: tuple[str, ...] = ("SRV",) if self._port else self._kinds
        """What is asked, as record types."""
        self._resolver = resolver
        self._name = service_name(wanted.service, wanted.namespace)
        self._port_name = port_name(self._port, wanted.service, wanted.namespace)
        self._endpoints: dict[str, str] = {}
        """By question, the single address that is known not to be a cluster IP."""

    async def ask(self) -> dict[str, Outcome]:
        """Ask everything once, and return the outcome of each of the ``questions``."""
        if self._port:
            return {"SRV": await self._ask_port()}
        outcomes = await self._ask_all([self._name], self._kinds)
        asked = zip(self._kinds, outcomes, strict=True)
        return {kind: await self._unless_cluster_ip(kind, outcome) for kind, outcome in asked}

    async def _ask_all(self, names: Iterable[str], kinds: Sequence[str]) -> list[Outcome]:
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(self._resolver.ask(name, kind)) for name in names for kind in kinds]
        return [task.result() for task in asked]

    async def _unless_cluster_ip(self, kind: str, outcome: Outcome) -> Outcome:
        """*outcome*, unless it is the single address of a Service that is not headless.

        The reverse name of a cluster IP is the Service's own, that of an endpoint is a subdomain of it (DNS
        specification, 2.3.3 and 2.4.3). Only a single address can be a cluster IP; once it is known not to be one, it
        is not looked up again.
        """
        if not isinstance(outcome, Answered) or len(outcome.records) != 1:
            return outcome
        address = outcome.records[0].value
        if self._endpoints.get(kind) == address:
            return outcome
        names = await self._resolver.ask(reverse_name(address), "PTR", once=True)
        if isinstance(names, Answered) and any(record.value == outcome.name for record in names.records):
            return _not_headless(outcome.name, address)
        if not isinstance(names, Unknown):
            self._endpoints[kind] = address
        return outcome

    async def _ask_port(self) -> Outcome:
        outcome = await self._resolver.ask(self._port_name, "SRV")
        match outcome:
            case Answered():
                return await self._complete(outcome)
            case Absent():
                return await self._unless_no_port(outcome)
            case Unknown():
                return outcome

    async def _unless_no_port(self, absent: Absent) -> Outcome:
        """That the Service is absent, or that only the port is: then it has no members, as in every other source."""
        outcomes = await self._ask_all([self._name], self._kinds)
        for outcome in outcomes:
            if isinstance(outcome, Answered):
                message = (
                    f"{outcome.name} has addresses, but no port named {self._port!r} for TCP ({absent.name} is"
                    f" {absent.code}). Correct --port, or set it to the port's number."
                )
                return Absent(name=absent.name, code=absent.code, ttl=absent.ttl, message=message)
        return next((outcome for outcome in outcomes if isinstance(outcome, Unknown)), outcomes[0])

    async def _complete(self, answered: Answered) -> Outcome:
        """The SRV records with all addresses of their targets."""
        service = answered.name.partition("._tcp.")[2]
        bare = []
        for record in answered.records:
            if record.value == service:
                return _not_headless(service, ", ".join(record.addresses) or "one address")
            if not record.addresses:
                bare.append(record.value)
        if not bare:
            return answered
        found = await self._addresses(bare)
        if isinstance(found, Unknown):
            return found
        filled = (record._replace(addresses=record.addresses or found[record.value]) for record in answered.records)
        records = tuple(record for record in filled if record.addresses)  # the others are of the other family
        if not records:
            return Absent(name=answered.name, code="NODATA", ttl=answered.ttl)
        return Answered(name=answered.name, records=records, ttl=answered.ttl)

    async def _addresses(self, targets: Sequence[str]) -> dict[str, tuple[str, ...]] | Unknown:
        """The addresses of all *targets*; the first failure ends it, because an incomplete answer is of no use."""
        own = await self._ask_all([self._name], self._kinds)
        failures = [outcome for outcome in own if isinstance(outcome, Unknown)]
        if failures:
            return failures[0]
        known = {dashed(record.value): record.value for outcome in own for record in _records(outcome)}
        labels = {target: target.partition(".")[0] for target in targets}
        found: dict[str, tuple[str, ...]]
        found = {target: (known[label],) for target, label in labels.items() if label in known}
        rest = sorted(labels.keys() - found.keys())
        for start in range(0, len(rest), AT_ONCE):
            batch = rest[start : start + AT_ONCE]
            outcomes = iter(await self._ask_all(batch, self._kinds))
            for target in batch:
                addresses = _of_target(target, [next(outcomes) for _ in self._kinds])
                if isinstance(addresses, Unknown):
                    return addresses
                found[target] = addresses
        return found


def _of_target(target: str, outcomes: Sequence[Outcome]) -> tuple[str, ...] | Unknown:
    """The addresses of a target, from *outcomes*; none if it only has addresses of the other family."""
    for outcome in outcomes:
        match outcome:
            case Unknown():
                return outcome
            case Absent(code="NXDOMAIN"):
                message = f"An SRV record points to {target}, which does not exist (yet, or any more)."
                return Unknown(reason="malformed", message=message)
            case _:
                pass
    return ipv4_first(record.value for outcome in outcomes for record in _records(outcome))


def _records(outcome: Outcome) -> Sequence[Record]:
    return outcome.records if isinstance(outcome, Answered) else ()


def _not_headless(service: str, address: str) -> Unknown:
    return Unknown(
        reason="not_headless",
        message=f"{service} has the Service's own address ({address}), not those of its members: the Service is not"
        " headless. Make one with clusterIP: None and name it with --service, or use --source endpointslice.",
    )
