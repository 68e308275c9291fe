"""What sources say: the events that change what is known.

Pure. A source reports by *origin* (one EndpointSlice, one DNS name) within a *scope* (what one watch covers). An event
carries everything that its origin says, never an increment, so that applying it twice changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sidecar.membership.member import Member


class Report(msgspec.Struct, frozen=True):
    """What one origin says."""

    origin: str
    """For example ``endpointslice/default/app-x7f2k``."""
    order: int
    """Orders two origins that disagree about a member: the newer one is believed. 0 if the source has no order."""
    members: Mapping[str, Member]
    """By ``Member.key``."""
    problem: str = ""
    """A message if the origin cannot be used as it is, for example an ambiguous port."""
    warning: str = ""
    """A message if the origin can be used, but an operator should know something about it."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """The complete answer of a scope: whatever is not in it is gone."""

    scope: str
    reports: tuple[Report, ...]
    resource_version: str
    arrived: float = 0.0
    """When its bytes arrived, in seconds of the event loop's clock."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """One origin is now this."""

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
    """The source could not be asked. Says nothing about members."""

    scope: str
    reason: str
    """One of ``SourceError.REASONS``."""
    message: str
    arrived: float = 0.0


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """The source answers again, with nothing new to say about members."""

    scope: str


Event: TypeAlias = Listed | Applied | Deleted | Failed | Recovered
