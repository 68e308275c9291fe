"""Tokens are replaced while the sidecar runs, and it continues with the new one.

Scope: a token file that changes while the sidecar runs, with a connection that breaks when the old token is no longer
valid. Other credentials in a kubeconfig are the business of kubernetes-asyncio.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cluster import objects
from tests.cluster.access import REVOCATION_SECONDS, RevocableToken, create_service_account, revocable_token
from tests.cluster.api import Api, ApiError
from tests.cluster.audit import AuditEvent
from tests.cluster.control_plane import ControlPlane
from tests.cluster.programs import free_port
from tests.real import scene
from tests.real.relay import Relay
from tests.real.sidecar import FILES, ROLE, Sidecar


@pytest.fixture
async def relay(control_plane: ControlPlane) -> AsyncIterator[Relay]:
    """The relay to cut."""
    async with Relay(control_plane.port, port=free_port()) as relay:
        yield relay


async def revoke(control_plane: ControlPlane, admin: Api, token: RevocableToken) -> None:
    """Revoke the token, and wait until the API server no longer has it in its cache of valid tokens."""
    await token.revoke(admin)
    async with asyncio.timeout(2 * REVOCATION_SECONDS), control_plane.api(token.token) as api:
        while True:
            try:
                await api.list("EndpointSlice", token.namespace)
            except ApiError as error:
                assert error.code == 401  # noqa: PT017 - the error that is waited for
                return
            await asyncio.sleep(0.1)


async def follow(
    control_plane: ControlPlane, admin: Api, token: RevocableToken, directory: Path, make: type[Sidecar], server: str
) -> tuple[Sidecar, Path]:
    """A sidecar with that token that watches a Service with one member, and its token file."""
    await admin.create(objects.service("web", token.namespace, selector=None))
    await scene.write_members(admin, token.namespace, ["10.1.0.1"])
    access = scene.write_pass(control_plane, token.namespace, directory, token.token, server=server)
    one = make(directory, access.kubeconfig, "--service=web")
    await one.start()
    await one.until(lambda: one.holds({form: ["10.1.0.1:8080"] for form in FILES}) and accepted(one) == 1)
    return one, access.token_file


def accepted(one: Sidecar) -> float:
    """How many watches the API server has accepted."""
    return one.metric("membership_api_requests_total", verb="watch", code="200")


def of_sidecar(control_plane: ControlPlane, namespace: str, since: int) -> list[AuditEvent]:
    """Its requests, including those with an invalid token, which the API server ascribes to nobody."""
    events = [event for event in control_plane.audit(since=since) if event.user_agent.startswith("membership-sidecar")]
    return [event for event in scene.requests(events) if f"/namespaces/{namespace}/" in event.uri]


async def test_a_rotated_token_is_read_when_the_old_one_is_refused(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar], relay: Relay
) -> None:
    """After one 401 the file is read and the watch continues: no list, no pause, and no change is missed."""
    await create_service_account(admin, namespace, scene.ACCOUNT, ROLE)
    old = await revocable_token(admin, namespace, scene.ACCOUNT)
    new = await revocable_token(admin, namespace, scene.ACCOUNT)
    one, token_file = await follow(control_plane, admin, old, tmp_path, sidecar, relay.url)
    token_file.write_text(new.token + "\n")
    await revoke(control_plane, admin, old)
    mark = control_plane.audit_mark()
    await relay.cut()
    await scene.write_members(admin, namespace, ["10.1.0.2"])
    seconds = await one.until(lambda: one.addresses() == ["10.1.0.2"])
    scene.figure(f"a change made after the old token had died was in the files after {seconds:.1f} s")
    assert one.failing() == ""
    requests = of_sidecar(control_plane, namespace, mark)
    assert [(event.verb, event.code) for event in requests] == [("watch", 401), ("watch", 200)]
    refused, granted = (scene.seconds_of(event) for event in requests)
    assert granted - refused < 0.5  # at once, where the shortest backoff is 0.8 s
    await one.stop()


async def test_an_empty_token_file_keeps_the_old_token(
    control_plane: ControlPlane, admin: Api, namespace: str, tmp_path: Path, sidecar: type[Sidecar], relay: Relay
) -> None:
    """It may be empty while it is written: the outputs stay, and the sidecar continues with the next token."""
    await create_service_account(admin, namespace, scene.ACCOUNT, ROLE)
    old = await revocable_token(admin, namespace, scene.ACCOUNT)
    new = await revocable_token(admin, namespace, scene.ACCOUNT)
    one, token_file = await follow(control_plane, admin, old, tmp_path, sidecar, relay.url)
    before = one.stamps()
    token_file.write_text("")
    await revoke(control_plane, admin, old)
    mark = control_plane.audit_mark()
    await relay.cut()
    await scene.write_members(admin, namespace, ["10.1.0.2"])
    await one.until(lambda: "401" in one.failing())
    assert one.stamps() == before
    assert one.get("/readyz")[0] == 200
    token_file.write_text(new.token)
    seconds = await one.until(lambda: one.addresses() == ["10.1.0.2"])
    scene.figure(f"it went on {seconds:.1f} s after there was a token again")
    assert one.failing() == ""
    requests = of_sidecar(control_plane, namespace, mark)
    assert {event.verb for event in requests} == {"watch"}
    # An empty token, sent as none, would be a request of "system:anonymous", which is forbidden (403).
    assert {event.code for event in requests} == {200, 401}
    await one.stop()
