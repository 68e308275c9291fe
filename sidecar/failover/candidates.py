"""The candidate sources that the settings allow, the most preferred first, and how each is made."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog

from sidecar.errors import SettingsError
from sidecar.membership.track import Track
from sidecar.sources.kubernetes.endpoints import endpoints
from sidecar.sources.kubernetes.endpointslices import endpoint_slices
from sidecar.sources.kubernetes.pods import PodProjection, pods
from sidecar.sources.kubernetes.reflector import Reflector
from sidecar.sources.kubernetes.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sidecar.failover.context import Context
    from sidecar.settings.values import Settings
    from sidecar.sources import Source
    from sidecar.sources.kubernetes.collection import Collection

log = structlog.get_logger(__name__)


class Candidate(NamedTuple):
    """One way to find the members."""

    track: Track
    """What is known by it."""
    make_sources: Callable[[], Sequence[Source]]
    """Makes the sources of the track's scopes."""


def candidate_names(settings: Settings, *, api: bool) -> tuple[str, ...]:
    """The candidates by name, the most preferred first.

    Args:
        settings: what is wanted.
        api: whether there are credentials for an API server.
    """
    if settings.selector:
        return ("pods",)
    if settings.source != "auto":
        return (settings.source,)
    if not api:
        return ("dns",)
    return ("endpointslice", "endpoints", "dns")


def make_candidates(context: Context) -> list[Candidate]:
    """The candidates, the most preferred first."""
    made: list[Candidate] = []
    for name in candidate_names(context.settings, api=context.connection is not None):
        if name == "dns":
            made.append(_dns(context, [candidate.track for candidate in made]))
        else:
            made.append(_reflected(name, _COLLECTIONS[name], context))
    return made


def _endpoint_slices(context: Context) -> list[Collection[Any]]:
    """One for each namespace: a Role covers one, and so does the resourceVersion of a request."""
    names: dict[str, list[str]] = {}
    for namespace, name in context.services:
        names.setdefault(namespace, []).append(name)
    return [endpoint_slices(namespace, services, context.projection) for namespace, services in names.items()]


def _endpoints(context: Context) -> list[Collection[Any]]:
    return [endpoints(namespace, name, context.projection) for namespace, name in context.services]


def _pods(context: Context) -> list[Collection[Any]]:
    settings = context.settings
    return [
        pods(
            settings.namespace or context.namespace,
            settings.selector,
            settings.field_selector,
            PodProjection(projection=context.projection, split=settings.split, cluster_label=settings.cluster_id),
        )
    ]


_COLLECTIONS: Mapping[str, Callable[[Context], Sequence[Collection[Any]]]] = {
    "endpointslice": _endpoint_slices,
    "endpoints": _endpoints,
    "pods": _pods,
}
"""What each candidate follows on the API server."""


def _reflected(name: str, collect: Callable[[Context], Sequence[Collection[Any]]], context: Context) -> Candidate:
    """A candidate that lists and watches; each source starts from what is published by then."""
    connection = context.connection
    assert connection is not None  # noqa: S101 - candidate_names() leaves these out otherwise

    def reflector(collection: Collection[Any]) -> Source:
        return Reflector(
            connection,
            collection,
            metrics=context.metrics,
            not_older_than=context.checkpoint(collection.scope),
            clock=context.clock,
            jitter=context.jitter,
            timing=Timing(),
        )

    scopes = [collection.scope for collection in collect(context)]
    return _candidate(name, scopes, lambda: [reflector(collection) for collection in collect(context)], context)


def _dns(context: Context, before: Sequence[Track]) -> Candidate:
    """DNS, instead of the tracks *before* it."""
    if find_spec("dns") is None:  # reported now and not when DNS is needed; importing it would be 3.6 MB
        raise SettingsError(["The package dnspython is not installed: install it, or choose another --source."])
    scopes = [f"dns/{namespace}/{name}" for namespace, name in context.services]
    return _candidate("dns", scopes, partial(_dns_sources, context, before), context)


def _dns_sources(context: Context, before: Sequence[Track]) -> list[Source]:
    from sidecar.sources.dns.records import Wanted  # noqa: PLC0415 - dnspython is 3 MB, and seldom needed
    from sidecar.sources.dns.resolver import Resolver  # noqa: PLC0415
    from sidecar.sources.dns.source import Dns  # noqa: PLC0415

    settings = context.settings
    resolver = Resolver(servers=settings.dns_server, zone=settings.cluster_domain, metrics=context.metrics)
    return [
        Dns(
            resolver,
            Wanted(
                service=name,
                namespace=namespace,
                port=settings.port or known_port(before),
                family=settings.address_family,
                own_addresses=frozenset(settings.pod_ip),
            ),
            metrics=context.metrics,
            clock=context.clock,
            jitter=context.jitter,
        )
        for namespace, name in context.services
    ]


def known_port(tracks: Iterable[Track]) -> str:
    """The port of all members that these tracks know, since address records have none; empty if it is not one."""
    ports = {member.port for track in tracks for member in track.union.members.values() if member.port is not None}
    if len(ports) == 1:
        return str(ports.pop())
    log.warning("port unknown", reason="DNS address records have no port: set --port.")
    return ""


def _candidate(name: str, scopes: Iterable[str], make: Callable[[], Sequence[Source]], context: Context) -> Candidate:
    def make_and_measure() -> Sequence[Source]:
        made = make()
        for source in made:
            context.metrics.expect(source.scope)
        return made

    return Candidate(Track(name, scopes, context.settings.address_family), make_and_measure)
