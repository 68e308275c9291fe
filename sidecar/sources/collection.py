"""What a reflector follows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sidecar.members import Group
    from sidecar.sources.objects import Metadata


class Collection(msgspec.Struct, frozen=True, kw_only=True):
    """What is followed.

    Args:
        scope: its name among the sources, for example ``endpointslice/default/app``.
        path: the path of the collection, ``/apis/...``.
        query: selectors, sent with every request.
        project: what an object says about members.
        origin: the origin that an object is.
        forget: told of an origin that is gone, for a projection that remembers.
    """

    scope: str
    path: str
    query: Mapping[str, str]
    project: Callable[[bytes | msgspec.Raw], Group]
    origin: Callable[[Metadata], str]
    forget: Callable[[str], None] = lambda origin: None  # noqa: ARG005 - most remember nothing
