"""Which ways to find members the settings ask for, the most preferred first, and the sources of each."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from sidecar.errors import SettingsError
from sidecar.failover.failover import Candidate
from sidecar.membership.track import Track
from sidecar.sources.kubernetes.endpoints import endpoints
from sidecar.sources.kubernetes.endpointslices import endpoint_slices
from sidecar.sources.kubernetes.objects import Projection
from sidecar.sources.kubernetes.pods import PodProjection, pods
from sidecar.sources.kubernetes.reflector import Reflector, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sidecar.observability.metrics import Metrics
    from sidecar.settings.values import Settings
    from sidecar.sources import Source
    from sidecar.sources.kubernetes.collection import Collection
    from sidecar.sources.kubernetes.connection import Connection


log = structlog.get_logger(__name__)


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What sources need to be made.

    Args:
        settings: what is wanted.
        namespace: the own one, which services that name none are in.
        connection: to the API server; None if there are no credentials for it.
        metrics: where to count.
        not_older_than: the resourceVersion by scope that a predecessor published.
        clock: seconds of the event loop's clock.
        jitter: a random number in [0, 1).
    """

    settings: Settings
    namespace: str
    connection: Connection | None
    metrics: Metrics
    checkpoint: Mapping[str, str]
    clock: Callable[[], float]
    jitter: Callable[[], float]

    @property
    def projection(self) -> Projection:
        """How objects become members."""
        settings = self.settings
        return Projection(
            port=settings.port,
            family=settings.address_family,
            pod_uid=settings.pod_uid,
            pod_name=settings.pod_name,
            namespace=self.namespace,
        )

    @property
    def services(self) -> list[tuple[str, str]]:
        """Namespace and name of the Services."""
        default = self.settings.namespace or self.namespace
        return sorted({(service.namespace or default, service.name) for service in self.settings.service})


def kinds(settings: Settings, *, api: bool) -> tuple[str, ...]:
    """The ways by name, the most preferred first.

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


def make(context: Context) -> list[Candidate]:
    """The ways."""
    makers: Mapping[str, Callable[[Context], Candidate]] = {
        "endpointslice": partial(_reflected, "endpointslice", _endpoint_slices),
        "endpoints": partial(_reflected, "endpoints", _endpoints),
        "pods": partial(_reflected, "pods", _pods),
    }
    made: list[Candidate] = []
    for kind in kinds(context.settings, api=context.connection is not None):
        made.append(_dns(context, [way.track for way in made]) if kind == "dns" else makers[kind](context))
    return made


def _endpoint_slices(context: Context) -> list[Collection[Any]]:
    """One for each namespace: a Role covers one, and so does a resourceVersion that is asked for."""
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


def _reflected(kind: str, collect: Callable[[Context], Sequence[Collection[Any]]], context: Context) -> Candidate:
    """A way by reflectors, with a checkpoint each."""
    scopes = [collection.scope for collection in collect(context)]
    connection = context.connection
    assert connection is not None  # noqa: S101 - kinds() leaves these out otherwise

    def sources() -> list[Source]:
        return [
            Reflector(
                connection,
                collection,
                metrics=context.metrics,
                not_older_than=context.checkpoint.get(collection.scope, ""),
                clock=context.clock,
                jitter=context.jitter,
                timing=Timing(),
            )
            for collection in collect(context)
        ]

    return _way(kind, scopes, sources, context)


def _dns(context: Context, before: Sequence[Track]) -> Candidate:
    """DNS, in the place of the tracks *before* it."""
    if find_spec("dns") is None:  # told now and not when DNS is needed; to import it would be 3.6 MB
        raise SettingsError(["The package dnspython is not installed: install it, or choose another --source."])
    scopes = [f"dns/{namespace}/{name}" for namespace, name in context.services]

    def sources() -> list[Source]:
        from sidecar.sources.dns.records import Wanted  # noqa: PLC0415
        from sidecar.sources.dns.resolver import Resolver  # noqa: PLC0415
        from sidecar.sources.dns.source import Dns  # noqa: PLC0415 - dnspython is 3 MB, and seldom needed

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

    return _way("dns", scopes, sources, context)


def known_port(tracks: Iterable[Track]) -> str:
    """The port of all members that these tracks know, since those in DNS have none; empty if it is not one."""
    ports = {member.port for track in tracks for member in track.union.members.values() if member.port is not None}
    if len(ports) == 1:
        return str(ports.pop())
    log.warning("port unknown", reason="DNS does not tell the port of an address: set --port.")
    return ""


def _way(kind: str, scopes: Iterable[str], sources: Callable[[], Sequence[Source]], context: Context) -> Candidate:
    def expected() -> Sequence[Source]:
        made = sources()
        for source in made:
            context.metrics.expect(source.scope)
        return made

    return Candidate(Track(kind, scopes, context.settings.address_family), expected)
