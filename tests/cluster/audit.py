"""The requests according to the API server's audit log, which does not depend on the client under test."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
"""A watch is logged twice, at ResponseStarted and at ResponseComplete; everything else at ResponseComplete."""


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One stage of one request."""

    time: str
    stage: str
    verb: str
    user: str
    user_agent: str
    uri: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    audit_id: str

    @classmethod
    def parse(cls, line: str) -> "AuditEvent":
        """Parse one line of the log."""
        event: dict[str, Any] = json.loads(line)
        target: dict[str, str] = event.get("objectRef", {})
        return cls(
            time=event["stageTimestamp"],
            stage=event["stage"],
            verb=event["verb"],
            user=event["user"].get("username", ""),
            user_agent=event.get("userAgent", ""),
            uri=event["requestURI"],
            resource=target.get("resource", ""),
            subresource=target.get("subresource", ""),
            namespace=target.get("namespace", ""),
            name=target.get("name", ""),
            code=event.get("responseStatus", {}).get("code", 0),
            audit_id=event["auditID"],
        )


class AuditLog:
    """The server's audit log; it writes an event before it ends the response."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def mark(self) -> int:
        """The current position in the log, for ``since``."""
        return self.file.stat().st_size if self.file.exists() else 0

    def events(self, *, since: int = 0, user: str | None = None) -> list[AuditEvent]:
        """The events since the mark, of that user (``system:serviceaccount:NAMESPACE:NAME``) or of all."""
        with self.file.open("rb") as file:
            file.seek(since)
            written = file.read()
        whole = written[: written.rfind(b"\n") + 1]  # the server may still be writing the last line
        events = map(AuditEvent.parse, whole.decode().splitlines())
        return [event for event in events if user in {None, event.user}]
