"""Asks DNS for the Services, as the ``dns`` source would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.sources.dns.query import ServiceQuery
from sidecar.sources.dns.records import Wanted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sidecar.sources.dns.records import Outcome
    from sidecar.sources.dns.resolver import Resolver


async def look(
    resolver: Resolver, services: Iterable[tuple[str, str]], *, port: str, family: str
) -> dict[str, Mapping[str, Outcome]]:
    """The outcome of every query, by ``NAMESPACE/NAME`` of the Service and by record type.

    Args:
        resolver: the DNS servers.
        services: namespace and name.
        port: the member port, a number or a name; see ``--port``.
        family: see ``--address-family``.
    """
    return {
        f"{namespace}/{name}": await ServiceQuery(
            resolver, Wanted(service=name, namespace=namespace, port=port, family=family)
        ).ask()
        for namespace, name in services
    }
