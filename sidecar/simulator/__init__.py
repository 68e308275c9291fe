"""A Kubernetes API server in process, for the demo, the tests and the benchmarks.

It speaks real HTTP on a real socket, so that the code under test is the code that ships, and it does on demand what a
real server does once a year: forget history, answer nonsense, fall silent. One contract test runs the same scenario
against it and against a real control plane; where the two differ, the simulator is wrong.

    store, selectors, resources      what there is            (pure)
    listing, events, status          what the answers say     (pure)
    routing, exchange, answers       one request and its answer
    watching, writing, server        HTTP
    faults, misbehaviour, journal    what goes wrong on demand, and what was asked
    service, slices, projections     a service whose members come and go, as the controllers would write it

*Invariant:* nothing here imports the rest of the package, and the daemon never imports anything of this.
"""

from sidecar.simulator.faults import (
    FOREVER,
    Absent,
    BadGateway,
    CutMidLine,
    Delayed,
    Fault,
    Forbidden,
    Gone,
    GoneEvent,
    ImmediateEOF,
    InsertLine,
    InternalError,
    OlderReplica,
    Refuse,
    ResourceVersionTooLarge,
    Silence,
    SlowDrip,
    TooManyRequests,
    Unauthorized,
)
from sidecar.simulator.journal import Request
from sidecar.simulator.server import Simulator
from sidecar.simulator.service import ScriptedService
from sidecar.simulator.store import Store

__all__ = [
    "FOREVER",
    "Absent",
    "BadGateway",
    "CutMidLine",
    "Delayed",
    "Fault",
    "Forbidden",
    "Gone",
    "GoneEvent",
    "ImmediateEOF",
    "InsertLine",
    "InternalError",
    "OlderReplica",
    "Refuse",
    "Request",
    "ResourceVersionTooLarge",
    "ScriptedService",
    "Silence",
    "Simulator",
    "SlowDrip",
    "Store",
    "TooManyRequests",
    "Unauthorized",
]
