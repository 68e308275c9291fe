"""Credentials from a kubeconfig: what it may say, and what is reported when it cannot be used."""

from __future__ import annotations

import base64
import json
import ssl
from typing import TYPE_CHECKING

import pytest

from sidecar.simulator import Simulator
from sidecar.sources.kubernetes.loaders import kubeconfig
from tests.sources.kubernetes.readings import SECRET, Reading, authorities, refusal, write
from tests.support.builders import PATH, connected, tls_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # in kubernetes-asyncio


async def test_a_kubeconfig(tmp_path: Path, material: dict[str, tuple[Path, Path]]) -> None:
    """Everything that a cluster and a context may say."""
    ca = base64.b64encode(material["now"][0].read_bytes()).decode()
    cluster = {
        "server": "https://api.example:6443/prefix/",
        "certificate-authority-data": ca,
        "insecure-skip-tls-verify": False,
        "tls-server-name": "kubernetes",
        "proxy-url": "http://proxy.example:3128",
    }
    session = await Reading(
        kubeconfig(write(tmp_path, {"token": SECRET}, cluster=cluster, namespace="shop"), None)
    ).session()
    assert session.host == "https://api.example:6443/prefix"
    assert session.headers == {"Authorization": f"Bearer {SECRET}"}
    assert (session.server_name, session.proxy, session.namespace) == (
        "kubernetes",
        "http://proxy.example:3128",
        "shop",
    )
    assert authorities(session) == ["now"]


async def test_the_context_may_be_chosen(tmp_path: Path) -> None:
    """With its user and its namespace."""
    session = await Reading(kubeconfig(write(tmp_path, {"token": SECRET}, namespace="here"), "there")).session()
    assert session.headers == {"Authorization": "Bearer other"}
    assert session.namespace == "there"


async def test_a_context_without_a_namespace(tmp_path: Path) -> None:
    """The namespace is then unknown."""
    assert (await Reading(kubeconfig(write(tmp_path, {"token": SECRET}), None)).session()).namespace == ""


async def test_a_user_without_a_token(tmp_path: Path) -> None:
    """There are other ways to authenticate, and none at all."""
    assert (await Reading(kubeconfig(write(tmp_path, {}), None)).session()).headers == {}


async def test_a_user_with_a_password(tmp_path: Path) -> None:
    """Basic authentication, where it still exists."""
    token = await Reading(kubeconfig(write(tmp_path, {"username": "me", "password": SECRET}), None)).token()
    assert token == "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()


async def test_insecure_skip_tls_verify(tmp_path: Path) -> None:
    """Neither the CA nor the name is checked, because somebody asked for that."""
    tls = (await Reading(kubeconfig(write(tmp_path, {"token": SECRET}), None)).session()).tls
    assert isinstance(tls, ssl.SSLContext)
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_NONE, False)


async def test_without_tls_there_is_no_context(tmp_path: Path) -> None:
    """A tunnel on the same machine, or the demo."""
    file = write(tmp_path, {"token": SECRET}, cluster={"server": "http://127.0.0.1:8001"})
    assert (await Reading(kubeconfig(file, None)).session()).tls is True


async def test_a_token_file_is_read_again_each_minute(tmp_path: Path) -> None:
    """Its path is relative to the kubeconfig; the newline is ignored; if it cannot be read, the last token stays."""
    file = write(tmp_path, {"tokenFile": "token"})
    (tmp_path / "token").write_text(f"{SECRET}\n", encoding="utf-8")
    reading = Reading(kubeconfig(file, None))
    assert await reading.token() == f"Bearer {SECRET}"
    (tmp_path / "token").write_text("rotated\n", encoding="utf-8")
    assert await reading.token(after=59) == f"Bearer {SECRET}"
    assert await reading.token(after=1) == "Bearer rotated"
    (tmp_path / "token").unlink()
    assert await reading.token(after=60) == "Bearer rotated"
    assert reading.count("token", "error") == 1


@pytest.mark.parametrize("text", ["", "\n"])
async def test_an_empty_token_file_keeps_the_last_token(tmp_path: Path, text: str) -> None:
    """It is being written. A request without a token would be made as ``system:anonymous``."""
    file = write(tmp_path, {"tokenFile": "token"})
    (tmp_path / "token").write_text(SECRET, encoding="utf-8")
    reading = Reading(kubeconfig(file, None))
    await reading.token()
    (tmp_path / "token").write_text(text, encoding="utf-8")
    assert await reading.token(after=60) == f"Bearer {SECRET}"
    reading.credentials.invalidate()
    assert await reading.token() == f"Bearer {SECRET}"
    assert reading.logged[-1]["event"] == "credentials kept"


async def test_a_kubeconfig_that_was_replaced_is_read_after_a_401(tmp_path: Path) -> None:
    """Somebody has logged in again."""
    reading = Reading(kubeconfig(write(tmp_path, {"token": SECRET}), None))
    await reading.token()
    write(tmp_path, {"token": "new"})
    reading.credentials.invalidate()
    assert await reading.token() == "Bearer new"


async def test_a_client_certificate(tmp_path: Path, material: dict[str, tuple[Path, Path]]) -> None:
    """It is sent to a server that asks for it, and a new one makes a new context."""
    server = tls_server(*material["now"])
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(material["after"][0])
    for suffix in ("crt", "key"):
        (tmp_path / f"client.{suffix}").write_bytes((material["after"][0].with_suffix(f".{suffix}")).read_bytes())
    user = {"client-certificate": "client.crt", "client-key": "client.key"}
    async with Simulator(ssl_context=server) as simulator:
        cluster = {"server": simulator.url, "certificate-authority": str(material["now"][0])}
        file = write(tmp_path, user, cluster=cluster | {"insecure-skip-tls-verify": False})
        async with connected(kubeconfig(file, None)) as connection:
            await connection.list(PATH, {})
    reading = Reading(kubeconfig(file, None))
    before = await reading.session()
    assert (await reading.session(after=60)).tls is before.tls
    for suffix in ("crt", "key"):
        (tmp_path / f"client.{suffix}").write_bytes((material["now"][0].with_suffix(f".{suffix}")).read_bytes())
    assert (await reading.session(after=60)).tls is not before.tls


async def test_a_missing_kubeconfig_is_reported(tmp_path: Path) -> None:
    """The message says where it should be."""
    missing = tmp_path / "missing"
    assert (await refusal(kubeconfig(missing, None))).endswith(f": there is no kubeconfig at {missing}.")


async def test_a_missing_default_kubeconfig_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All default places are listed."""
    places = [str(tmp_path / "a"), str(tmp_path / "b")]
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", ":".join(places))
    assert (await refusal(kubeconfig(None, None))).endswith(f": there is no kubeconfig at {' or '.join(places)}.")


async def test_a_missing_context_is_reported(tmp_path: Path) -> None:
    """By name."""
    message = await refusal(kubeconfig(write(tmp_path, {"token": SECRET}), "nowhere"))
    assert "nowhere" in message


@pytest.mark.parametrize(
    "text",
    ["", "secret", "[]", "{}", "7", "users: [token: secret", "users: {token: secret}", "clusters: secret", "\x00"],
)
async def test_a_file_that_is_not_a_kubeconfig_is_reported(tmp_path: Path, text: str) -> None:
    """Nothing of its content is quoted."""
    file = tmp_path / "config"
    file.write_text(text, encoding="utf-8")
    await refusal(kubeconfig(file, None))


async def test_a_kubeconfig_that_lacks_an_entry_is_not_quoted(tmp_path: Path) -> None:
    """The library prints the whole user, secrets and all; only what is missing is reported."""
    expired = base64.b64encode(b'{"exp":1}').decode()
    provider = {"name": "oidc", "config": {"id-token": f"x.{expired}.x", "refresh-token": SECRET}}
    message = await refusal(kubeconfig(write(tmp_path, {"auth-provider": provider}), None))
    assert "client-id" in message


def id_token(claims: str) -> str:
    """A JWT with these claims."""
    return f"x.{base64.b64encode(claims.encode()).decode()}.x"


@pytest.mark.parametrize(
    "claims", ['{"exp":"tomorrow"}', '{"exp":1e400}', '{"exp":1e20}', '{"exp":-1e20}', '{"exp":[]}', "[]", "7", "x", ""]
)
async def test_an_id_token_with_odd_claims_is_reported(tmp_path: Path, claims: str) -> None:
    """Whatever kubernetes-asyncio raises."""
    user = {"auth-provider": {"name": "oidc", "config": {"id-token": id_token(claims)}}}
    await refusal(kubeconfig(write(tmp_path, user), None))


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("proxy-url", "socks5://me:secret@proxy:1080", "proxy-url has the scheme 'socks5'; only http and https are"),
        ("proxy-url", "proxy:3128", "proxy-url has the scheme 'proxy'; only http and https are supported"),
        ("proxy-url", "http://", "proxy-url is not a URL such as https://10.0.0.1:6443"),
        ("proxy-url", "http://proxy:secret", "proxy-url is not a URL"),
        ("proxy-url", "http://[secret", "proxy-url is not a URL"),
        ("proxy-url", 7, "proxy-url is not a URL"),
        ("proxy-url", {"a": "secret"}, "proxy-url is not a URL"),
        ("tls-server-name", 7, "tls-server-name is not a name"),
        ("tls-server-name", ["secret"], "tls-server-name is not a name"),
        ("server", "ftp://10.0.0.1", "server has the scheme 'ftp'"),
        ("server", "10.0.0.1:6443", "server is not a URL such as https://10.0.0.1:6443"),
        ("server", "", "server is not a URL"),
        ("server", 7, ""),
        ("certificate-authority-data", "secret", ""),
        ("certificate-authority-data", 7, ""),
        ("insecure-skip-tls-verify", [], ""),
    ],
)
async def test_a_cluster_with_an_odd_entry_is_reported(tmp_path: Path, entry: str, value: object, message: str) -> None:
    """By the name of the entry, and without its text: it may hold a password."""
    cluster = {"insecure-skip-tls-verify": False, entry: value}
    if entry == "insecure-skip-tls-verify":
        cluster["certificate-authority"] = str(tmp_path)
    assert message in await refusal(kubeconfig(write(tmp_path, {"token": SECRET}, cluster=cluster), None))


async def test_empty_entries_count_as_none(tmp_path: Path) -> None:
    """Some tools write them."""
    cluster = {"proxy-url": "", "tls-server-name": ""}
    session = await Reading(kubeconfig(write(tmp_path, {"token": SECRET}, cluster=cluster), None)).session()
    assert (session.proxy, session.server_name) == (None, None)


async def test_a_context_whose_namespace_is_null_has_none(tmp_path: Path) -> None:
    """Not the namespace None."""
    file = write(tmp_path, {"token": SECRET})
    config = json.loads(file.read_text(encoding="utf-8"))
    config["contexts"][0]["context"]["namespace"] = None
    file.write_text(json.dumps(config), encoding="utf-8")
    assert (await Reading(kubeconfig(file, None)).session()).namespace == ""


async def test_an_unreachable_issuer_is_reported_by_name(tmp_path: Path) -> None:
    """Without Python objects in the message."""
    config = {"client-id": "me", "client-secret": "x", "refresh-token": "x", "idp-issuer-url": "http://127.0.0.1:9"}
    message = await refusal(kubeconfig(write(tmp_path, {"auth-provider": {"name": "oidc", "config": config}}), None))
    assert message.endswith(": 127.0.0.1 cannot be reached: Connection refused.")
