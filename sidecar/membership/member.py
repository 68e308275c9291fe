"""Who is a member: the value, the events that change what is known, and the fold over them.

Pure: no I/O, no clock, no logging. A source reports by *origin* (one EndpointSlice, one DNS name) within a *scope*
(what one watch covers), always the whole truth about that origin and never an increment, so that folding an event
twice changes nothing and a relist forgets everything before it. What may be published of the members is decided in
``policy``; what they look like in a file, in ``formats``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Member(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """One member, as it stands in the ``json`` file; the order of the fields is the order there.

    The fields that only some sources know have a default, and stand in the file where they differ from it.

    Conditions mean what the EndpointSlice API says when they are absent (``EndpointConditions`` in discovery/v1):
    ready is true, serving is ready, terminating is false.
    """

    name: str
    """The pod's name; empty where the source knows only an address."""
    namespace: str
    service: str
    uid: str
    """The pod's UID, which is its identity: an address is not one (hostNetwork shares it, a new pod reuses it)."""
    address: str
    """The address to use, of the chosen family; empty if the member has none of that family."""
    addresses: tuple[str, ...]
    """The addresses of both families, IPv4 first."""
    port: int | None
    hostname: str
    node: str
    zone: str
    ready: bool
    serving: bool
    terminating: bool
    is_self: bool = msgspec.field(name="self")
    """Whether this is the pod that the sidecar runs in."""
    rollout: str = msgspec.field(name="group", default="")
    """What it was rolled out with, for example the ReplicaSet's ``pod-template-hash``; see ``--split``."""
    created: str = ""
    """When the pod was created, as the API says it (RFC 3339)."""
    cluster: str = ""
    """The value of the label ``--cluster-id``."""
    lost: bool = False
    """Whether its node is lost: the conditions are the last that were heard."""
    seed: bool = False
    """Whether it is the one that may found the cluster."""

    @property
    def key(self) -> str:
        """Identity and canonical order in one string: namespace, service, name or address, then UID.

        NUL sorts before every character of a name, hence strings compare as the tuples would, and faster.
        """
        return f"{self.namespace}\0{self.service}\0{self.name or self.address}\0{self.uid}"


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


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one scope."""

    reports: Mapping[str, Report] = {}
    resource_version: str = ""
    """The resourceVersion up to which the reports are true."""
    synced: bool = False
    """Whether there ever was a complete answer."""
    failing: str = ""
    """The message of the failure that is going on, empty if none is."""
    reason: str = ""
    """Its reason."""
    since: float = 0.0
    """When it began."""


class State(msgspec.Struct, frozen=True):
    """What is known of all scopes. Immutable: ``fold`` makes the next one."""

    scopes: Mapping[str, Scope]

    @classmethod
    def of(cls, scopes: Iterable[str]) -> State:
        """The state in which nothing is known yet of *scopes*."""
        return cls({scope: Scope() for scope in scopes})

    @property
    def synced(self) -> bool:
        """Whether every scope has given a complete answer."""
        return all(scope.synced for scope in self.scopes.values())

    @property
    def reports(self) -> dict[str, Report]:
        """The reports of all scopes by origin."""
        return {origin: report for scope in self.scopes.values() for origin, report in scope.reports.items()}

    @property
    def resource_versions(self) -> dict[str, str]:
        """How far each scope has been followed."""
        return {name: scope.resource_version for name, scope in self.scopes.items()}


def fold(state: State, event: Event) -> State:
    """The state after *event*."""
    return State({**state.scopes, event.scope: _fold_scope(state.scopes[event.scope], event)})


def _fold_scope(scope: Scope, event: Event) -> Scope:
    match event:
        case Listed():
            reports = {report.origin: report for report in event.reports}
            return Scope(reports=reports, resource_version=event.resource_version, synced=True)
        case Applied():
            reports = {**scope.reports, event.report.origin: event.report}
            return replace(scope, reports=reports, resource_version=event.resource_version, failing="", reason="")
        case Deleted():
            reports = {origin: report for origin, report in scope.reports.items() if origin != event.origin}
            return replace(scope, reports=reports, resource_version=event.resource_version, failing="", reason="")
        case Failed():
            since = scope.since if scope.failing else event.arrived
            return replace(scope, failing=event.message, reason=event.reason, since=since)
        case Recovered():
            return replace(scope, failing="", reason="")
