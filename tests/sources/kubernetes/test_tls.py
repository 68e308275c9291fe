"""TLS to the API server, and the message for each way in which it fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from sidecar.simulator import Simulator
from sidecar.sources.kubernetes.responses import decode_page
from tests.sources.kubernetes.requests import IMPATIENT, QUERY, TOKEN, VERBS, failure
from tests.support.builders import (
    PATH,
    certificate,
    connected,
    credentials_for,
    listening,
    tls_server,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    return certificate(tmp_path_factory.mktemp("tls"))


async def test_tls(material: tuple[Path, Path]) -> None:
    """With the CA that the credentials name."""
    async with (
        Simulator(ssl_context=tls_server(*material)) as simulator,
        connected(credentials_for(simulator.url, ca=material[0])) as connection,
    ):
        assert decode_page(await connection.list(PATH, QUERY)).items == []


async def test_a_server_with_another_ca_is_refused(material: tuple[Path, Path], tmp_path: Path) -> None:
    """It is somebody else's, or its CA was rotated."""
    other, _ = certificate(tmp_path, "other")
    async with (
        Simulator(ssl_context=tls_server(*material)) as simulator,
        connected(credentials_for(simulator.url, token=TOKEN, ca=other)) as connection,
    ):
        for verb in VERBS:
            error = await failure(connection, verb)
            assert error.reason == "tls"
            assert error.message.startswith(f"TLS to {simulator.url} failed: ")
            assert "certificate verify failed" in error.message
            assert error.message.endswith("certificate-authority in the kubeconfig.")
        assert simulator.requests == ()


async def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    """The message says so; nothing else needs to be checked."""
    made, key = certificate(tmp_path, expired=True)
    async with (
        Simulator(ssl_context=tls_server(made, key)) as simulator,
        connected(credentials_for(simulator.url, token=TOKEN, ca=made)) as connection,
    ):
        error = await failure(connection, "list")
    assert error.reason == "tls"
    assert "certificate has expired" in error.message
    assert error.message.endswith(" Renew the API server's certificate.")


async def test_a_certificate_for_another_name_is_refused(material: tuple[Path, Path]) -> None:
    """It is valid, but for another address."""
    async with Simulator(ssl_context=tls_server(*material)) as simulator:
        url = simulator.url.replace("127.0.0.1", "localhost")
        async with connected(credentials_for(url, ca=material[0])) as connection:
            error = await failure(connection, "list")
    assert error.reason == "tls"
    assert "localhost" in error.message
    assert error.message.endswith(" Use a name that is in the certificate, or set tls-server-name to one.")


async def test_the_expected_name_may_be_set(material: tuple[Path, Path]) -> None:
    """With a kubeconfig's ``tls-server-name``, for a server behind a tunnel."""
    async with Simulator(ssl_context=tls_server(*material)) as simulator:
        url = simulator.url.replace("127.0.0.1", "localhost")
        async with connected(credentials_for(url, ca=material[0], server_name="127.0.0.1")) as connection:
            assert decode_page(await connection.list(PATH, QUERY)).items == []


async def test_a_server_without_tls_is_reported(simulator: Simulator, material: tuple[Path, Path]) -> None:
    """It speaks plain HTTP where TLS was expected."""
    url = simulator.url.replace("http:", "https:")
    async with connected(credentials_for(url, token=TOKEN, ca=material[0])) as connection:
        error = await failure(connection, "list")
    assert error.reason == "tls"
    assert error.message.endswith(
        " The server does not speak TLS there: check the port, and whether its URL should begin with http."
    )
    assert simulator.requests == ()


async def test_a_handshake_that_is_not_answered_is_given_up(material: tuple[Path, Path]) -> None:
    """It has its limit, too."""

    async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        listening(hang, "https") as url,
        connected(credentials_for(url, ca=material[0]), timeouts=IMPATIENT) as connection,
    ):
        assert (await failure(connection, "watch")).reason == "timeout"
