"""Credentials: what is read from where, how long it is believed, and what stays when it cannot be read again.

The files are real, the clock is not. That a request carries them, and what the server says to them, is in test_api.
"""

from __future__ import annotations

import base64
import json
import logging
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import pytest
import structlog

from sidecar.errors import SettingsError
from sidecar.observability.metrics import Metrics
from sidecar.simulator import Simulator
from sidecar.sources.kubernetes.credentials import REFRESH_SECONDS, Credentials, SessionCredentials
from sidecar.sources.kubernetes.loaders import in_cluster, kubeconfig
from tests.support.builders import PATH, Json, certificate, connected, tls_server

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from pathlib import Path

    from sidecar.sources.kubernetes.loaders import Loader

pytestmark = pytest.mark.filterwarnings("ignore:datetime.*utc:DeprecationWarning")  # in kubernetes-asyncio, from 3.12

SECRET = "secret-0"  # noqa: S105 - of nobody


@dataclass
class Clock:
    """Stands still until told."""

    now: float = 1000.0

    def seconds(self) -> float:
        """What it shows."""
        return self.now


class Reading:
    """Credentials, their clock, and what was counted and logged."""

    def __init__(self, load: Loader) -> None:
        self.clock = Clock()
        self.metrics = Metrics([])
        self.credentials = Credentials(load, self.clock.seconds, self.metrics)
        self.logged: list[MutableMapping[str, object]] = []

    async def session(self, *, after: float = 0.0) -> SessionCredentials:
        """The session for a request so much later."""
        self.clock.now += after
        with structlog.testing.capture_logs() as logged:
            session = await self.credentials.current()
        self.logged += cast("list[MutableMapping[str, object]]", logged)
        return session

    async def token(self, *, after: float = 0.0) -> str:
        """What stands in its header."""
        return (await self.session(after=after)).headers.get("Authorization", "")

    def count(self, name: str, result: str) -> float | None:
        """A counter of readings."""
        return self.metrics.registry.get_sample_value(f"membership_{name}_reloads_total", {"result": result})


async def refusal(load: Loader) -> str:
    """The message with which the first reading fails."""
    with pytest.raises(SettingsError) as raised:
        await Reading(load).credentials.current()
    (message,) = raised.value.problems
    assert message.startswith("The credentials for the API server cannot be read: ")
    assert message.endswith(".")
    assert "secret" not in message
    return message


def authorities(session: SessionCredentials) -> list[str]:
    """The names of the CAs that are trusted."""
    assert isinstance(session.tls, ssl.SSLContext)
    subjects = [cast("tuple[tuple[tuple[str, str]]]", ca["subject"]) for ca in session.tls.get_ca_certs()]
    return [subject[0][0][1] for subject in subjects]


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Two certificates and their keys: one now, one after."""
    directory = tmp_path_factory.mktemp("certificates")
    return {name: certificate(directory, name) for name in ("now", "after")}


# --- In a pod


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, material: dict[str, tuple[Path, Path]]) -> Path:
    """What the kubelet mounts, and the variables that it sets."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "token").write_text(SECRET, encoding="utf-8")
    (tmp_path / "ca.crt").write_bytes(material["now"][0].read_bytes())
    (tmp_path / "namespace").write_text("shop", encoding="utf-8")
    return tmp_path


async def test_in_a_pod(account: Path) -> None:
    """Host, token, CA and namespace."""
    session = await Reading(in_cluster(account)).session()
    assert session.host == "https://10.96.0.1:443"
    assert session.headers == {"Authorization": f"Bearer {SECRET}"}
    assert session.namespace == "shop"
    assert (session.server_name, session.proxy) == (None, None)
    assert authorities(session) == ["now"]
    assert isinstance(session.tls, ssl.SSLContext)
    assert (session.tls.verify_mode, session.tls.check_hostname) == (ssl.CERT_REQUIRED, True)


async def test_an_api_server_that_has_an_ipv6_address(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in brackets in a URL."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00:10:96::1")
    assert (await Reading(in_cluster(account)).session()).host == "https://[fd00:10:96::1]:443"


async def test_a_pod_without_a_namespace_file(account: Path) -> None:
    """Then the namespace is not known, which is no failure."""
    (account / "namespace").unlink()
    assert (await Reading(in_cluster(account)).session()).namespace == ""


async def test_the_token_is_read_again_each_minute(account: Path) -> None:
    """Not at every request, and not once for all: the kubelet rotates it."""
    reading = Reading(in_cluster(account))
    assert await reading.token() == f"Bearer {SECRET}"
    (account / "token").write_text("rotated", encoding="utf-8")
    assert await reading.token(after=REFRESH_SECONDS - 0.1) == f"Bearer {SECRET}"
    assert await reading.token(after=0.1) == "Bearer rotated"
    assert reading.count("token", "ok") == 2


async def test_the_token_is_read_again_after_a_refusal(account: Path) -> None:
    """A 401 does not wait for the minute to be over, and starts a new one."""
    reading = Reading(in_cluster(account))
    await reading.token()
    (account / "token").write_text("rotated", encoding="utf-8")
    reading.credentials.invalidate()
    assert await reading.token(after=30) == "Bearer rotated"
    (account / "token").write_text("again", encoding="utf-8")
    assert await reading.token(after=59) == "Bearer rotated"
    assert await reading.token(after=1) == "Bearer again"


@pytest.mark.parametrize("text", [f"{SECRET}\n", f" {SECRET}\r\n\n"])
async def test_white_space_around_a_token_is_none_of_it(account: Path, text: str) -> None:
    """Editors end files with a newline, and a header must not hold one."""
    (account / "token").write_text(text, encoding="utf-8")
    token = await Reading(in_cluster(account)).token()
    assert token.split() == ["Bearer", SECRET]
    assert token == token.strip()


def empty(file: Path) -> None:
    """As while it is being written."""
    file.write_bytes(b"")


def blank(file: Path) -> None:
    """As a shell writes nothing."""
    file.write_bytes(b"\n")


def vanish(file: Path) -> None:
    """As while it is being replaced."""
    file.unlink()


def garble(file: Path) -> None:
    """As a bad disk would."""
    file.write_bytes(b"\xff\xfe")


@pytest.mark.parametrize("spoil", [empty, blank, vanish, garble])
async def test_a_token_that_cannot_be_read_again_is_kept(account: Path, spoil: Callable[[Path], None]) -> None:
    """The old one is probably good still; it is said and counted, and the next minute may be better."""
    reading = Reading(in_cluster(account))
    await reading.token()
    spoil(account / "token")
    assert await reading.token(after=60) == f"Bearer {SECRET}"
    assert (reading.count("token", "ok"), reading.count("token", "error")) == (1, 1)
    assert [entry["event"] for entry in reading.logged] == ["credentials kept"]
    assert SECRET not in repr(reading.logged)
    (account / "token").write_text("rotated", encoding="utf-8")
    assert await reading.token(after=59) == f"Bearer {SECRET}"
    assert await reading.token(after=1) == "Bearer rotated"


async def test_a_new_ca_is_trusted_from_then_on(account: Path, material: dict[str, tuple[Path, Path]]) -> None:
    """And only from then on: as long as nothing changes, neither does the context."""
    reading = Reading(in_cluster(account))
    before = await reading.session()
    (account / "token").write_text("rotated", encoding="utf-8")
    same = await reading.session(after=60)
    assert same.tls is before.tls
    assert reading.count("ca", "ok") == 1
    (account / "ca.crt").write_bytes(material["after"][0].read_bytes())
    after = await reading.session(after=60)
    assert authorities(after) == ["after"]
    assert reading.count("ca", "ok") == 2


async def test_a_ca_that_cannot_be_used_does_not_replace_one_that_can(account: Path) -> None:
    """The token that comes with it is taken nevertheless."""
    reading = Reading(in_cluster(account))
    before = await reading.session()
    (account / "ca.crt").write_text("no certificate\n", encoding="utf-8")
    (account / "token").write_text("rotated", encoding="utf-8")
    after = await reading.session(after=60)
    assert after.tls is before.tls
    assert after.headers == {"Authorization": "Bearer rotated"}
    assert (reading.count("ca", "ok"), reading.count("ca", "error")) == (1, 1)
    assert [entry["event"] for entry in reading.logged] == ["TLS material kept"]


async def test_a_ca_that_comes_back_is_trusted_without_a_new_context(account: Path) -> None:
    """It never ceased to be."""
    reading = Reading(in_cluster(account))
    before = await reading.session()
    good = (account / "ca.crt").read_bytes()
    (account / "ca.crt").write_text("no certificate\n", encoding="utf-8")
    await reading.session(after=60)
    (account / "ca.crt").write_bytes(good)
    assert (await reading.session(after=60)).tls is before.tls


@pytest.mark.parametrize("spoil", [empty, vanish])
async def test_a_ca_that_is_away_changes_nothing(account: Path, spoil: Callable[[Path], None]) -> None:
    """The kubelet replaces token and CA together; half of it is read again."""
    reading = Reading(in_cluster(account))
    before = await reading.session()
    spoil(account / "ca.crt")
    assert await reading.session(after=60) == before


@pytest.mark.parametrize(
    ("file", "spoil", "words"),
    [
        ("token", vanish, "Service token file does not exist"),
        ("token", empty, "Token file exists but empty"),
        ("token", blank, "the token is empty"),
        ("token", garble, "codec can't decode"),
        ("ca.crt", vanish, "Service certification file does not exist"),
        ("ca.crt", empty, "Cert file exists but empty"),
        ("ca.crt", blank, "cannot be used"),
    ],
)
async def test_a_first_reading_that_fails_ends_the_program(
    account: Path, file: str, spoil: Callable[[Path], None], words: str
) -> None:
    """There is nothing to go on with; the message says what is missing."""
    spoil(account / file)
    assert words in await refusal(in_cluster(account))


async def test_outside_of_a_pod(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubelet's variables are missing."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert "Service host/port is not set" in await refusal(in_cluster(account))


async def test_a_grant_does_not_show_the_token(account: Path) -> None:
    """Whoever logs it."""
    assert SECRET not in repr(await Reading(in_cluster(account)).session())


# --- With a kubeconfig


def write(directory: Path, user: Json, *, cluster: Json | None = None, **context: str) -> Path:
    """A kubeconfig with one context, and another one that is not meant."""
    file = directory / "config"
    server = {"server": "https://127.0.0.1:6443", "insecure-skip-tls-verify": True} | (cluster or {})
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "cluster", "cluster": server}],
        "users": [{"name": "me", "user": user}, {"name": "other", "user": {"token": "other"}}],
        "contexts": [
            {"name": "here", "context": {"cluster": "cluster", "user": "me", **context}},
            {"name": "there", "context": {"cluster": "cluster", "user": "other", "namespace": "there"}},
        ],
    }
    file.write_text(json.dumps(config), encoding="utf-8")
    return file


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
    """Then it is not known."""
    assert (await Reading(kubeconfig(write(tmp_path, {"token": SECRET}), None)).session()).namespace == ""


async def test_a_user_without_a_token(tmp_path: Path) -> None:
    """There are other ways to be known, and none at all."""
    assert (await Reading(kubeconfig(write(tmp_path, {}), None)).session()).headers == {}


async def test_a_user_with_a_password(tmp_path: Path) -> None:
    """Basic authentication, for what still has it."""
    token = await Reading(kubeconfig(write(tmp_path, {"username": "me", "password": SECRET}), None)).token()
    assert token == "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()


async def test_insecure_skip_tls_verify(tmp_path: Path) -> None:
    """Neither the CA nor the name is checked, because somebody said so."""
    tls = (await Reading(kubeconfig(write(tmp_path, {"token": SECRET}), None)).session()).tls
    assert isinstance(tls, ssl.SSLContext)
    assert (tls.verify_mode, tls.check_hostname) == (ssl.CERT_NONE, False)


async def test_without_tls_there_is_no_context(tmp_path: Path) -> None:
    """A tunnel on the own machine, or the demo."""
    file = write(tmp_path, {"token": SECRET}, cluster={"server": "http://127.0.0.1:8001"})
    assert (await Reading(kubeconfig(file, None)).session()).tls is True


async def test_a_token_file_is_read_again_each_minute(tmp_path: Path) -> None:
    """A path beside the kubeconfig; the newline is not part of it; what cannot be read is kept."""
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


async def test_a_kubeconfig_that_was_replaced_is_read_after_a_refusal(tmp_path: Path) -> None:
    """Somebody has logged in anew."""
    reading = Reading(kubeconfig(write(tmp_path, {"token": SECRET}), None))
    await reading.token()
    write(tmp_path, {"token": "new"})
    reading.credentials.invalidate()
    assert await reading.token() == "Bearer new"


async def test_a_client_certificate(tmp_path: Path, material: dict[str, tuple[Path, Path]]) -> None:
    """It is shown to a server that asks for it, and a new one makes a new context."""
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


# --- Exec plug-ins

LATER, EARLIER = "2999-01-01T00:00:00Z", "2001-01-01T00:00:00Z"


def plug_in(directory: Path, status: str) -> Json:
    """A user whose token a program makes: with each run another one, $n in *status*."""
    program, runs = directory / "plug-in", directory / "runs"
    answer = f'{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{status}}}'
    program.write_text(
        f"""#!/bin/sh
[ -e {directory}/broken ] && {{ echo {SECRET}; echo out of order >&2; exit 3; }}
echo run >> {runs}
n=$(grep -c run {runs})
cat << END
{answer}
END
""",
        encoding="utf-8",
    )
    program.chmod(0o700)
    exec_ = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program), "interactiveMode": "Never"}
    return {"exec": exec_}


async def test_a_plug_in_whose_token_has_no_end_is_run_each_minute(tmp_path: Path) -> None:
    """It does not say how long the token is good."""
    reading = Reading(kubeconfig(write(tmp_path, plug_in(tmp_path, '{"token":"secret-$n"}')), None))
    assert await reading.token() == "Bearer secret-1"
    assert await reading.token(after=59) == "Bearer secret-1"
    assert await reading.token(after=1) == "Bearer secret-2"


@pytest.mark.parametrize(("expires", "second"), [(LATER, "Bearer secret-1"), (EARLIER, "Bearer secret-2")])
async def test_a_plug_in_is_run_again_when_its_token_has_expired(tmp_path: Path, expires: str, second: str) -> None:
    """Not sooner: it may ask somebody, or cost a second."""
    status = f'{{"token":"secret-$n","expirationTimestamp":"{expires}"}}'
    reading = Reading(kubeconfig(write(tmp_path, plug_in(tmp_path, status)), None))
    assert await reading.token() == "Bearer secret-1"
    assert await reading.token(after=60) == second


async def test_a_plug_in_is_run_again_after_a_refusal(tmp_path: Path) -> None:
    """Whatever it said about how long its token is good; and only once for each refusal."""
    status = f'{{"token":"secret-$n","expirationTimestamp":"{LATER}"}}'
    reading = Reading(kubeconfig(write(tmp_path, plug_in(tmp_path, status)), None))
    assert await reading.token() == "Bearer secret-1"
    reading.credentials.invalidate()
    assert await reading.token() == "Bearer secret-2"
    assert await reading.token(after=60) == "Bearer secret-2"


async def test_a_plug_in_that_breaks_later_leaves_its_last_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said what it complained of, but not what it printed."""
    reading = Reading(kubeconfig(write(tmp_path, plug_in(tmp_path, '{"token":"secret-$n"}')), None))
    await reading.token()
    (tmp_path / "broken").touch()
    with caplog.at_level(logging.DEBUG):
        assert await reading.token(after=60) == "Bearer secret-1"
    (entry,) = reading.logged
    assert entry["error"] == "exec: process returned 3. out of order"
    assert "secret" not in caplog.text + repr(reading.logged)
    (tmp_path / "broken").unlink()
    assert await reading.token(after=60) == "Bearer secret-2"


@pytest.mark.parametrize(
    "status",
    ["null", "7", '{"token":"secret","expirationTimestamp":"tomorrow"}', "{", '{"token":""}'],
)
async def test_a_plug_in_that_answers_nonsense_ends_the_program_at_first(tmp_path: Path, status: str) -> None:
    """And only at first: later, the last token stays."""
    await refusal(kubeconfig(write(tmp_path, plug_in(tmp_path, status)), None))
    file = write(tmp_path, plug_in(tmp_path, '{"token":"secret-$n"}'))
    reading = Reading(kubeconfig(file, None))
    before = await reading.token()
    plug_in(tmp_path, status)
    assert await reading.token(after=60) == before
    assert reading.count("token", "error") == 1


async def test_a_plug_in_that_is_not_there(tmp_path: Path) -> None:
    """The image lacks it, most likely."""
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(tmp_path / "missing")}}
    assert "No such file" in await refusal(kubeconfig(write(tmp_path, user), None))


# --- What is no kubeconfig


async def test_a_kubeconfig_that_is_not_there(tmp_path: Path) -> None:
    """The message says where it should be."""
    missing = tmp_path / "missing"
    assert (await refusal(kubeconfig(missing, None))).endswith(f": there is no kubeconfig at {missing}.")


async def test_no_kubeconfig_where_it_is_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in a pod nor told where to look: all places are named."""
    places = [str(tmp_path / "a"), str(tmp_path / "b")]
    monkeypatch.setattr("kubernetes_asyncio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", ":".join(places))
    assert (await refusal(kubeconfig(None, None))).endswith(f": there is no kubeconfig at {' or '.join(places)}.")


async def test_a_context_that_is_not_there(tmp_path: Path) -> None:
    """By name."""
    message = await refusal(kubeconfig(write(tmp_path, {"token": SECRET}), "nowhere"))
    assert "nowhere" in message


@pytest.mark.parametrize(
    "text",
    ["", "secret", "[]", "{}", "7", "users: [token: secret", "users: {token: secret}", "clusters: secret", "\x00"],
)
async def test_a_file_that_is_no_kubeconfig(tmp_path: Path, text: str) -> None:
    """A message, whatever it is, and nothing of what stands in it."""
    file = tmp_path / "config"
    file.write_text(text, encoding="utf-8")
    await refusal(kubeconfig(file, None))


async def test_a_kubeconfig_that_lacks_something_is_not_quoted(tmp_path: Path) -> None:
    """The library prints the user as it stands in the file, secrets and all; only what is missing is said."""
    expired = base64.b64encode(b'{"exp":1}').decode()
    provider = {"name": "oidc", "config": {"id-token": f"x.{expired}.x", "refresh-token": SECRET}}
    message = await refusal(kubeconfig(write(tmp_path, {"auth-provider": provider}), None))
    assert "client-id" in message
