"""What sources report: the events that change what is known.

Pure. A source reports by *origin* (one EndpointSlice, one pod, one DNS name) within a *scope* (what one watch covers).
An event carries everything that its origin reports now, never an increment, so applying it twice changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sidecar.membership.member import Member


class Report(msgspec.Struct, frozen=True):
    """Everything that one origin reports."""

    origin: str
    """For example ``endpointslice/default/app-x7f2k``."""
    order: int
    """Orders origins that disagree about a member: the highest is the newest, and is believed. 0 if the source has no
    such order."""
    members: Mapping[str, Member]
    """By ``Member.key``."""
    problem: str = ""
    """Why the origin cannot be used as it is, for example an ambiguous port; empty if it can."""
    warning: str = ""
    """What an operator should know about an origin that can be used; empty if nothing."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A complete snapshot of a scope: whatever is not in it is gone."""

    scope: str
    reports: tuple[Report, ...]
    resource_version: str
    arrived: float = 0.0
    """When its bytes arrived, in seconds of the event loop's clock."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """One origin was created or changed, and now reports this."""

    scope: str
    report: Report
    resource_version: str
    arrived: float = 0.0


class Deleted(msgspec.Struct, frozen=True, kw_only=True):
    """One origin is gone."""

    scope: str
    origin: str
    resource_version: str
    arrived: float = 0.0


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """The source cannot be reached or used. This reports nothing about members."""

    scope: str
    reason: str
    """One of ``SourceError.REASONS``."""
    message: str
    arrived: float = 0.0


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """The source works again, and has nothing new to report about members."""

    scope: str


Event: TypeAlias = Listed | Applied | Deleted | Failed | Recovered
