"""The two servers, each with a client in a namespace of its own."""

import ssl
import uuid
from collections.abc import AsyncIterator

import aiohttp
import pytest

from sidecar.simulator import Simulator
from tests.cluster.control_plane import ControlPlane
from tests.simulator.client import Client, ForgetfulServer

SERVERS = [pytest.param("simulator"), pytest.param("real", marks=pytest.mark.cluster)]


@pytest.fixture(params=SERVERS)
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of either server, in an empty namespace of its own."""
    if request.param == "simulator":
        headers = {"Authorization": "Bearer right"}
        async with (
            Simulator(watch_list=True, tokens=["right"]) as simulator,
            aiohttp.ClientSession(simulator.url, headers=headers) as session,
        ):
            yield Client(session, "contract")
    else:
        async with _session(request.getfixturevalue("control_plane")) as session:
            yield await _in_new_namespace(session)


@pytest.fixture(params=SERVERS)
async def forgetful(request: pytest.FixtureRequest) -> AsyncIterator[ForgetfulServer]:
    """A server whose history can be compacted."""
    if request.param == "simulator":
        async with Simulator() as simulator, aiohttp.ClientSession(simulator.url) as session:
            yield ForgetfulServer(Client(session, "contract"), simulator.compact)
    else:
        control_plane = request.getfixturevalue("fresh_control_plane")
        async with _session(control_plane) as session:
            yield ForgetfulServer(await _in_new_namespace(session), control_plane.compact)


def _session(control_plane: ControlPlane) -> aiohttp.ClientSession:
    context = ssl.create_default_context(cafile=control_plane.ca_file)
    return aiohttp.ClientSession(
        control_plane.url,
        headers={"Authorization": f"Bearer {control_plane.admin_token}"},
        connector=aiohttp.TCPConnector(ssl=context),
    )


async def _in_new_namespace(session: aiohttp.ClientSession) -> Client:
    client = Client(session, f"contract-{uuid.uuid4().hex[:8]}")
    answer = await client.send("POST", "/api/v1/namespaces", body={"metadata": {"name": client.namespace}})
    assert answer.code == 201
    return client
