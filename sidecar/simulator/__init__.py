"""A Kubernetes API server in process, for the demo, the tests and the benchmarks.

It speaks HTTP on a real socket, so that the code under test is the code that ships, and it does on demand what a real
server does once a year: lose its history, send malformed responses, stop responding. A contract test sends the same
requests to it and to a real control plane; where the two differ, the simulator is wrong.

    store, selectors, resources      the objects and how they are selected     (pure)
    listing, events, status          the content of the responses              (pure)
    routing, exchange, answers       one request and its response
    watching, writing, server        watches, writes, and the HTTP server
    faults, misbehaviour, journal    faults on demand, and the requests received
    service, slices, projections     a service whose members come and go, as the controllers would write it

*Invariant:* nothing here imports the rest of the package, and the daemon never imports any of it.
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
