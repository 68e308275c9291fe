"""Which Services are followed: every one with its namespace, and none twice.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sidecar.settings.values import ALL_NAMESPACES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sidecar.settings.values import Service


def resolved(services: Iterable[Service], default_namespace: str) -> list[tuple[str, str]]:
    """Namespace and name of each Service, sorted.

    A Service in all namespaces (``app.*``) includes the same name in any one of them, so ``app.*,app.default`` is
    ``app.*`` alone: two scopes that share an object would overwrite what the other one knows of it.

    Args:
        services: as they were given.
        default_namespace: of those that were given without one; may be ``*``.
    """
    named = {(service.namespace or default_namespace, service.name) for service in services}
    everywhere = {name for namespace, name in named if namespace == ALL_NAMESPACES}
    return sorted(one for one in named if one[0] == ALL_NAMESPACES or one[1] not in everywhere)
