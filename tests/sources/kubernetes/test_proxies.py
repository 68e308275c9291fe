"""Which proxy is used: the kubeconfig's for the API server, the environment's for an OIDC issuer.

Scope: what the README says of HTTPS_PROXY and NO_PROXY. An exec plug-in inherits the environment and does as it likes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from sidecar.errors import SettingsError
from sidecar.sources.kubernetes.loaders import kubeconfig
from tests.support.builders import PATH, Json, answering, connected, response

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # in kubernetes-asyncio, about aiohttp

OIDC = {
    "auth-provider": {
        "name": "oidc",
        "config": {
            "client-id": "me",
            "client-secret": "",
            "refresh-token": "again",
            "idp-issuer-url": "http://issuer.invalid",
        },
    }
}
"""A user without an ID token: the first reading asks the issuer for one."""


def write(directory: Path, server: str, user: Json, **cluster: str) -> Path:
    """A kubeconfig."""
    file = directory / "config"
    config = {
        "current-context": "here",
        "clusters": [{"name": "cluster", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "me", "user": user}],
        "contexts": [{"name": "here", "context": {"cluster": "cluster", "user": "me"}}],
    }
    file.write_text(json.dumps(config), encoding="utf-8")
    return file


class Peer:
    """An HTTP server that is API server, issuer or proxy, whatever it is taken for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def answer(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        """Note what was asked for; answer as an issuer would."""
        target = head.split()[1].decode()
        self.asked.append(target)
        body = {"token_endpoint": "http://issuer.invalid/token", "id_token": "new", "refresh_token": "again"}
        writer.write(response(json.dumps(body).encode(), 200, "Content-Type: application/json"))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without any of the variables."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def set_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Name a proxy for every scheme."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, url)


async def test_the_environment_names_no_proxy_for_the_api_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading a kubeconfig does not read the variables either."""
    proxy, server = Peer(), Peer()
    async with answering(proxy.answer) as proxy_url, answering(server.answer) as url:
        set_proxy(monkeypatch, proxy_url)
        async with connected(kubeconfig(write(tmp_path, url, {"token": "t"}), None)) as connection:
            await connection.list(PATH, {})
    assert server.asked == [PATH]
    assert proxy.asked == []


async def test_no_proxy_does_not_overrule_the_proxy_of_a_kubeconfig(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``proxy-url`` is for this cluster, whatever the environment excludes."""
    proxy = Peer()
    monkeypatch.setenv("NO_PROXY", "*")
    async with answering(proxy.answer) as url:
        file = write(tmp_path, "http://api.example", {"token": "t"}, **{"proxy-url": url})
        async with connected(kubeconfig(file, None)) as connection:
            await connection.list(PATH, {})
    assert proxy.asked == [f"http://api.example{PATH}"]


@pytest.mark.parametrize(("excluded", "by_proxy"), [("", True), ("issuer.invalid", False)])
async def test_the_environment_names_the_proxy_for_an_oidc_issuer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, excluded: str, by_proxy: bool
) -> None:
    """The issuer is often outside the cluster; NO_PROXY makes exceptions. Without a proxy, this name does not exist."""
    proxy, server = Peer(), Peer()
    async with answering(proxy.answer) as proxy_url, answering(server.answer) as url:
        set_proxy(monkeypatch, proxy_url)
        monkeypatch.setenv("NO_PROXY", excluded)
        async with connected(kubeconfig(write(tmp_path, url, OIDC), None)) as connection:
            if by_proxy:
                await connection.list(PATH, {})
            else:
                with pytest.raises(SettingsError, match=r"issuer\.invalid"):
                    await connection.list(PATH, {})
    expected = ["http://issuer.invalid/.well-known/openid-configuration", "http://issuer.invalid/token"]
    assert proxy.asked == (expected if by_proxy else [])
