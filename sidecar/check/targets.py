"""What the settings say is to be looked at: Services or a selector, where, and through which collections.

Pure; it makes the very collections that the daemon would follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sidecar.check.services import Wishes
from sidecar.sources.endpoints import endpoints
from sidecar.sources.endpointslices import endpoint_slices
from sidecar.sources.objects import Projection
from sidecar.sources.pods import PodProjection, pods

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidecar.settings import Settings
    from sidecar.sources.collection import Collection


class Targets(NamedTuple):
    """Who is to be found."""

    services: Sequence[tuple[str, str]]
    """Namespace and name; none for pods."""
    selector: tuple[str, str] | None = None
    """Namespace and label selector of pods."""

    @property
    def rights(self) -> Sequence[tuple[str, str]]:
        """Namespace and Service of each right that is needed; without Service for pods."""
        return self.services if self.selector is None else [(self.selector[0], "")]


def targets_of(settings: Settings, own_namespace: str) -> Targets:
    """What *settings* name; what is without a namespace is in theirs, else in *own_namespace*."""
    default = settings.namespace or own_namespace
    if settings.source == "pods":
        return Targets((), (default, getattr(settings, "selector", "")))
    return Targets([(service.namespace or default, service.name) for service in settings.service])


def wishes_of(settings: Settings) -> Wishes:
    """What is asked of the members."""
    least: object = settings.min_members  # which may become known only later, as a part of the replicas
    return Wishes(settings.source, settings.port, settings.not_ready, least if isinstance(least, int) else 1)


def collections_of(settings: Settings, targets: Targets) -> dict[str, Collection]:
    """What the source lists, one collection for each Service, so that each can be judged by itself.

    A source that lists nothing is looked at through EndpointSlices, if they may be seen.
    """
    projection = Projection(port=settings.port, family=settings.address_family)
    if targets.selector is not None:
        namespace, selector = targets.selector
        fields = getattr(settings, "field_selector", "")
        name = f"{namespace}/{selector or '*'}"
        return {name: pods(namespace, selector, fields, PodProjection(projection=projection))}
    if settings.source == "endpoints":
        return {f"{namespace}/{name}": endpoints(namespace, name, projection) for namespace, name in targets.services}
    return {
        f"{namespace}/{name}": endpoint_slices(namespace, [name], projection) for namespace, name in targets.services
    }
