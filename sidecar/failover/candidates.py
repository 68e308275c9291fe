"""Which ways to find members the settings ask for, the most preferred first, and the sources of each."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from sidecar.errors import SettingsError
from sidecar.failover.failover import Way
from sidecar.output.pipeline import Track
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


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What sources need to be made.

    Args:
        settings: what is wanted.
        namespace: the own one, which services that name none are in.
        connection: to the API server; None if there are no credentials for it.
        metrics: where to count.
        floor: the resourceVersion by scope that a predecessor published.
        clock: seconds of the event loop's clock.
        dice: a random number in [0, 1).
    """

    settings: Settings
    namespace: str
    connection: Connection | None
    metrics: Metrics
    floor: Mapping[str, str]
    clock: Callable[[], float]
    dice: Callable[[], float]

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


def make(means: Means) -> list[Way]:
    """The ways."""
    makers: Mapping[str, Callable[[Means], Way]] = {
        "endpointslice": partial(_reflected, "endpointslice", _endpoint_slices),
        "endpoints": partial(_reflected, "endpoints", _endpoints),
        "pods": partial(_reflected, "pods", _pods),
    }
    made: list[Way] = []
    for kind in kinds(means.settings, api=means.connection is not None):
        made.append(_dns(means, [way.track for way in made]) if kind == "dns" else makers[kind](means))
    return made


def _endpoint_slices(means: Means) -> list[Collection[Any]]:
    """One for each namespace: a Role covers one, and so does a resourceVersion that is asked for."""
    names: dict[str, list[str]] = {}
    for namespace, name in means.services:
        names.setdefault(namespace, []).append(name)
    return [endpoint_slices(namespace, services, means.projection) for namespace, services in names.items()]


def _endpoints(means: Means) -> list[Collection[Any]]:
    return [endpoints(namespace, name, means.projection) for namespace, name in means.services]


def _pods(means: Means) -> list[Collection[Any]]:
    settings = means.settings
    return [
        pods(
            settings.namespace or means.namespace,
            settings.selector,
            settings.field_selector,
            PodProjection(projection=means.projection, split=settings.split, cluster_label=settings.cluster_id),
        )
    ]


def _reflected(kind: str, collect: Callable[[Means], Sequence[Collection[Any]]], means: Means) -> Way:
    """A way by reflectors, with a floor each."""
    scopes = [collection.scope for collection in collect(means)]
    connection = means.connection
    assert connection is not None  # noqa: S101 - kinds() leaves these out otherwise

    def sources() -> list[Source]:
        return [
            Reflector(
                connection,
                collection,
                metrics=means.metrics,
                floor=means.floor.get(collection.scope, ""),
                clock=means.clock,
                dice=means.dice,
                timing=Timing(),
            )
            for collection in collect(means)
        ]

    return _way(kind, scopes, sources, means)


def _dns(means: Means, before: Sequence[Track]) -> Way:
    """DNS, in the place of the tracks *before* it."""
    if find_spec("dns") is None:  # told now and not when DNS is needed; to import it would be 3.6 MB
        raise SettingsError(["The package dnspython is not installed: install it, or choose another --source."])
    scopes = [f"dns/{namespace}/{name}" for namespace, name in means.services]

    def sources() -> list[Source]:
        from sidecar.sources.dns.records import Wanted  # noqa: PLC0415
        from sidecar.sources.dns.resolver import Resolver  # noqa: PLC0415
        from sidecar.sources.dns.source import Dns  # noqa: PLC0415 - dnspython is 3 MB, and seldom needed

        settings = means.settings
        resolver = Resolver(servers=settings.dns_server, zone=settings.cluster_domain, metrics=means.metrics)
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
                metrics=means.metrics,
                clock=means.clock,
                dice=means.dice,
            )
            for namespace, name in means.services
        ]

    return _way("dns", scopes, sources, means)


def known_port(tracks: Iterable[Track]) -> str:
    """The port of all members that these tracks know, since those in DNS have none; empty if it is not one."""
    ports = {member.port for track in tracks for member in track.union.members.values() if member.port is not None}
    if len(ports) == 1:
        return str(ports.pop())
    log.warning("port unknown", reason="DNS does not tell the port of an address: set --port.")
    return ""


def _way(kind: str, scopes: Iterable[str], sources: Callable[[], Sequence[Source]], means: Means) -> Way:
    def expected() -> Sequence[Source]:
        made = sources()
        for source in made:
            means.metrics.expect(source.scope)
        return made

    return Way(Track(kind, scopes, means.settings.address_family), expected)
