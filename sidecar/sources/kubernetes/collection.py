"""What a reflector follows: where the objects are, how they are read, and what they say about members.

Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic

import msgspec

from sidecar.sources.kubernetes.objects import K, decoder

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from sidecar.membership.events import Report
    from sidecar.sources.kubernetes.objects import Metadata


class Collection(msgspec.Struct, Generic[K], frozen=True, kw_only=True):
    """A collection of objects.

    Args:
        scope: its name among the sources, for example ``endpointslice/default/app``.
        path: its path, ``/apis/...``.
        query: selectors, sent with every request.
        kind: the type of its objects.
        project: what an object says about members; raises MsgspecError where it is malformed.
        origin: the origin that an object is.
        forget: for a projection that remembers: called with an origin that is gone.
        retain: the same, called with all origins that are left, after a list.
    """

    scope: str
    path: str
    query: Mapping[str, str]
    kind: type[K]
    project: Callable[[K], Report]
    origin: Callable[[Metadata], str]
    forget: Callable[[str], None] = lambda origin: None  # noqa: ARG005 - most remember nothing
    retain: Callable[[Container[str]], None] = lambda origins: None  # noqa: ARG005


def reader(collection: Collection[K]) -> Callable[[bytes | msgspec.Raw], Report]:
    """What an object says about members, from its bytes; raises MsgspecError where it is malformed."""
    decode = decoder(collection.kind)
    return lambda body: collection.project(decode(body))
