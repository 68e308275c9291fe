"""Credentials in a pod: what is read, how long it is used, and what is kept when it cannot be read again.

The files are real, the clock is not. That requests carry them is in ``test_connection``.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest

from sidecar.sources.kubernetes.credentials import REFRESH_SECONDS
from sidecar.sources.kubernetes.loaders import Configuration, in_cluster
from tests.sources.kubernetes.readings import SECRET, Reading, authorities, refusal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:datetime.*utc:DeprecationWarning")  # in kubernetes-asyncio, from 3.12


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


async def test_an_ipv6_address_of_the_api_server_is_in_brackets(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a URL needs it."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00:10:96::1")
    assert (await Reading(in_cluster(account)).session()).host == "https://[fd00:10:96::1]:443"


async def test_a_pod_without_a_namespace_file(account: Path) -> None:
    """The namespace is then unknown, which is not a failure."""
    (account / "namespace").unlink()
    assert (await Reading(in_cluster(account)).session()).namespace == ""


async def test_the_token_is_read_again_each_minute(account: Path) -> None:
    """Neither for every request nor only once: the kubelet rotates it."""
    reading = Reading(in_cluster(account))
    assert await reading.token() == f"Bearer {SECRET}"
    (account / "token").write_text("rotated", encoding="utf-8")
    assert await reading.token(after=REFRESH_SECONDS - 0.1) == f"Bearer {SECRET}"
    assert await reading.token(after=0.1) == "Bearer rotated"
    assert reading.count("token", "ok") == 2


async def test_the_token_is_read_again_after_a_401(account: Path) -> None:
    """Without waiting for the minute to be over; then a new minute begins."""
    reading = Reading(in_cluster(account))
    await reading.token()
    (account / "token").write_text("rotated", encoding="utf-8")
    reading.credentials.invalidate()
    assert await reading.token(after=30) == "Bearer rotated"
    (account / "token").write_text("again", encoding="utf-8")
    assert await reading.token(after=59) == "Bearer rotated"
    assert await reading.token(after=1) == "Bearer again"


@pytest.mark.parametrize("text", [f"{SECRET}\n", f" {SECRET}\r\n\n"])
async def test_white_space_around_a_token_is_ignored(account: Path, text: str) -> None:
    """Editors end files with a newline, and a header must not contain one."""
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
    """The old one probably still works; the failure is logged and counted, and the next minute may be better."""
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
    """As long as nothing changes, the context stays the same."""
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
    """The token that comes with it is used nevertheless."""
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
    """It was trusted all the time."""
    reading = Reading(in_cluster(account))
    before = await reading.session()
    good = (account / "ca.crt").read_bytes()
    (account / "ca.crt").write_text("no certificate\n", encoding="utf-8")
    await reading.session(after=60)
    (account / "ca.crt").write_bytes(good)
    assert (await reading.session(after=60)).tls is before.tls


@pytest.mark.parametrize("spoil", [empty, vanish])
async def test_a_missing_ca_changes_nothing(account: Path, spoil: Callable[[Path], None]) -> None:
    """The kubelet replaces token and CA together; a reading in between sees only half of it."""
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
    """There is nothing to continue with; the message says what is missing."""
    spoil(account / file)
    assert words in await refusal(in_cluster(account))


async def test_outside_of_a_pod(account: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that the kubelet sets are missing."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    assert "Service host/port is not set" in await refusal(in_cluster(account))


async def test_credentials_do_not_show_the_token(account: Path) -> None:
    """If somebody logs them."""
    assert SECRET not in repr(await Reading(in_cluster(account)).session())


# --- One reading at a time


class Slow:
    """A loader that waits until it may go on; the n-th reading has the token n."""

    def __init__(self) -> None:
        self.runs: list[bool] = []
        """Whether each run was to be afresh."""
        self.go_on = asyncio.Event()

    async def __call__(self, configuration: Configuration, *, afresh: bool) -> str:
        """As ``Loader``."""
        self.runs.append(afresh)
        number = len(self.runs)
        await self.go_on.wait()
        configuration.host = "http://127.0.0.1:1"
        configuration.api_key["BearerToken"] = f"Bearer {number}"
        return ""


async def test_requests_during_a_reading_wait_for_it() -> None:
    """An exec plug-in runs once, not once for each request."""
    load = Slow()
    reading = Reading(load)
    asking = [asyncio.create_task(reading.credentials.current()) for _ in range(5)]
    await asyncio.sleep(0)
    load.go_on.set()
    assert {(await task).headers["Authorization"] for task in asking} == {"Bearer 1"}
    assert load.runs == [False]


async def test_a_401_during_a_reading_is_followed_by_another_one() -> None:
    """The token that is being read may be the one that was refused."""
    load = Slow()
    load.go_on.set()
    reading = Reading(load)
    await reading.token()
    load.go_on.clear()
    asking = asyncio.create_task(reading.token(after=60))
    await asyncio.sleep(0)
    reading.credentials.invalidate()
    load.go_on.set()
    assert await asking == "Bearer 2"
    assert await reading.token() == "Bearer 3"
    assert await reading.token(after=59) == "Bearer 3"
    assert load.runs == [False, False, True]


async def test_a_reading_after_a_401_that_fails_is_repeated_afresh(account: Path) -> None:
    """A minute later, and plug-ins run again then."""
    runs = []

    async def load(configuration: Configuration, *, afresh: bool) -> str:
        runs.append(afresh)
        if len(runs) == 2:
            raise ArithmeticError("anything")
        return await in_cluster(account)(configuration, afresh=afresh)

    reading = Reading(load)
    await reading.token()
    reading.credentials.invalidate()
    assert await reading.token() == f"Bearer {SECRET}"
    await reading.token(after=60)
    assert runs == [False, True, True]


@pytest.mark.looptime
async def test_a_reading_that_hangs_is_given_up() -> None:
    """The first time that is an error; later the last credentials stay."""
    load = Slow()
    assert (await refusal(load)).endswith("reading them took longer than 45 s.")
    load.go_on.set()
    reading = Reading(load)
    before = await reading.token()
    load.go_on.clear()
    assert await reading.token(after=60) == before
    assert [entry["event"] for entry in reading.logged] == ["credentials kept"]
