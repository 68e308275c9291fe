"""What is to be looked at, by the settings: Services or a selector, where, and through which collections.

Does no I/O; the collections are those that the daemon would follow.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from sidecar.check.findings.permissions import needed
from sidecar.check.findings.services import Requirements
from sidecar.failover.candidates import candidate_names
from sidecar.settings.services import resolved
from sidecar.settings.values import ALL_NAMESPACES
from sidecar.sources.kubernetes.endpoints import endpoints
from sidecar.sources.kubernetes.endpointslices import endpoint_slices
from sidecar.sources.kubernetes.objects import Projection
from sidecar.sources.kubernetes.pods import PodProjection, pods

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidecar.check.findings.permissions import Permission
    from sidecar.settings.values import Settings
    from sidecar.sources.kubernetes.collection import Collection


class Targets(NamedTuple):
    """What to look at."""

    services: Sequence[tuple[str, str]]
    """Namespace and name; none for pods."""
    selector: tuple[str, str] | None = None
    """Namespace and label selector of pods."""

    @property
    def named(self) -> Sequence[tuple[str, str]]:
        """Namespace and name of the Services that can be looked at one by one."""
        return [service for service in self.services if service[0] != ALL_NAMESPACES]

    @property
    def everywhere(self) -> Sequence[str]:
        """The names of Services in all namespaces."""
        return [name for namespace, name in self.services if namespace == ALL_NAMESPACES]

    @property
    def followed(self) -> Sequence[tuple[str, str]]:
        """Namespace and Service of everything that is followed; the Service is empty for pods."""
        return self.services if self.selector is None else [(self.selector[0], "")]


def targets_of(settings: Settings, own_namespace: str) -> Targets:
    """What *settings* name; a Service without a namespace is in theirs, otherwise in *own_namespace*."""
    default = settings.namespace or own_namespace
    if settings.selector:
        return Targets((), (default, settings.selector))
    return Targets(resolved(settings.service, default))


def requirements_of(settings: Settings) -> Requirements:
    """What the settings demand of Services and members."""
    sources = candidate_names(settings, api=True)
    return Requirements(
        source=sources[0] if len(sources) == 1 else "auto",
        port=settings.port,
        not_ready=settings.not_ready,
        min_members=1 if settings.min_members.relative else settings.min_members.number,
        falls_back=math.isfinite(settings.fallback_after),
    )


def permissions_of(settings: Settings, targets: Targets) -> list[Permission]:
    """What each source needs, the preferred source first."""
    sources = candidate_names(settings, api=True)
    return [permission for source in sources for permission in needed(source, targets.followed)]


def collections_of(settings: Settings, targets: Targets) -> dict[str, Collection[Any]]:
    """What the preferred source lists, one collection for each Service, so that each Service is judged by itself.

    For a source that lists nothing, EndpointSlices are looked at if that is allowed.
    """
    projection = Projection(port=settings.port, family=settings.address_family)
    if targets.selector is not None:
        namespace, selector = targets.selector
        made = pods(namespace, selector, settings.field_selector, PodProjection(projection=projection))
        return {f"{namespace}/{selector}": made}
    if settings.source == "endpoints":
        return {f"{namespace}/{name}": endpoints(namespace, name, projection) for namespace, name in targets.services}
    return {
        f"{namespace}/{name}": endpoint_slices(namespace, [name], projection) for namespace, name in targets.services
    }
