"""Exec plug-ins of a kubeconfig: when they run, and what happens when they fail."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import tempfile
from pathlib import Path

import pytest

from sidecar.sources.kubernetes.exec_plugins import run_plugin
from sidecar.sources.kubernetes.loaders import Configuration, kubeconfig
from tests.sources.kubernetes.readings import EARLIER, LATER, Reading, plug_in, refusal, write

pytestmark = pytest.mark.filterwarnings("ignore:datetime.*utc:DeprecationWarning")  # in kubernetes-asyncio, from 3.12


async def test_a_plug_in_whose_token_has_no_expiry_is_run_each_minute(tmp_path: Path) -> None:
    """Nobody knows how long the token is valid."""
    reading = Reading(kubeconfig(write(tmp_path, plug_in(tmp_path, '{"token":"secret-$n"}')), None))
    assert await reading.token() == "Bearer secret-1"
    assert await reading.token(after=59) == "Bearer secret-1"
    assert await reading.token(after=1) == "Bearer secret-2"


@pytest.mark.parametrize(("expires", "second"), [(LATER, "Bearer secret-1"), (EARLIER, "Bearer secret-2")])
async def test_a_plug_in_is_run_again_when_its_token_has_expired(tmp_path: Path, expires: str, second: str) -> None:
    """Not sooner: it may call a cloud's API, or take a second."""
    status = f'{{"token":"secret-$n","expirationTimestamp":"{expires}"}}'
    reading = Reading(kubeconfig(write(tmp_path, plug_in(tmp_path, status)), None))
    assert await reading.token() == "Bearer secret-1"
    assert await reading.token(after=60) == second


async def test_a_plug_in_is_run_again_after_a_401(tmp_path: Path) -> None:
    """Whatever the expiry of its token; and once for each 401."""
    status = f'{{"token":"secret-$n","expirationTimestamp":"{LATER}"}}'
    reading = Reading(kubeconfig(write(tmp_path, plug_in(tmp_path, status)), None))
    assert await reading.token() == "Bearer secret-1"
    reading.credentials.invalidate()
    assert await reading.token() == "Bearer secret-2"
    assert await reading.token(after=60) == "Bearer secret-2"


async def test_a_plug_in_that_fails_later_leaves_its_last_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has its error output, but nothing of what it printed."""
    reading = Reading(kubeconfig(write(tmp_path, plug_in(tmp_path, '{"token":"secret-$n"}')), None))
    await reading.token()
    (tmp_path / "broken").touch()
    with caplog.at_level(logging.DEBUG):
        assert await reading.token(after=60) == "Bearer secret-1"
    (entry,) = [entry for entry in reading.logged if entry["event"] == "credentials kept"]
    assert entry["error"] == "exec: process returned 3. out of order"
    assert "secret" not in caplog.text + repr(reading.logged)
    (tmp_path / "broken").unlink()
    assert await reading.token(after=60) == "Bearer secret-2"


@pytest.mark.parametrize(
    "status",
    ["null", "7", '{"token":"secret","expirationTimestamp":"tomorrow"}', "{", '{"token":""}'],
)
async def test_a_plug_in_whose_first_answer_is_unusable_ends_the_program(tmp_path: Path, status: str) -> None:
    """Later, the last token stays."""
    await refusal(kubeconfig(write(tmp_path, plug_in(tmp_path, status)), None))
    file = write(tmp_path, plug_in(tmp_path, '{"token":"secret-$n"}'))
    reading = Reading(kubeconfig(file, None))
    before = await reading.token()
    plug_in(tmp_path, status)
    assert await reading.token(after=60) == before
    assert reading.count("token", "error") == 1


async def test_a_missing_plug_in_is_reported(tmp_path: Path) -> None:
    """Most likely the image lacks it."""
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(tmp_path / "missing")}}
    assert "No such file" in await refusal(kubeconfig(write(tmp_path, user), None))


async def test_a_plug_in_may_answer_with_a_client_certificate(
    tmp_path: Path, material: dict[str, tuple[Path, Path]]
) -> None:
    """Each answer replaces the one before."""
    configurations = []
    load = kubeconfig(write(tmp_path, plug_in(tmp_path, certificate_status(material["now"]))), None)
    for name in ("now", "after"):
        plug_in(tmp_path, certificate_status(material[name]))
        configurations.append(Configuration())
        await load(configurations[-1], afresh=False)
        assert text(configurations[-1].cert_file) == material[name][0].read_text(encoding="utf-8")
        assert configurations[-1].key_file
    assert configurations[0].cert_file != configurations[1].cert_file


def text(file: str | None) -> str:
    """What is in it."""
    assert file
    return Path(file).read_text(encoding="utf-8")


def certificate_status(material: tuple[Path, Path]) -> str:
    """The status of a plug-in that prints a certificate and its key."""
    certificate, key = (json.dumps(file.read_text(encoding="utf-8")) for file in material)
    return f'{{"clientCertificateData":{certificate},"clientKeyData":{key}}}'.replace("\\n", "\\\\n")


# --- How it runs

API = "client.authentication.k8s.io/v1"


def shell(script: str) -> tuple[str, ...]:
    """A plug-in that is a line of shell."""
    return ("sh", "-c", script)


async def run(script: str, *, seconds: float = 30.0, **environ: str) -> dict[str, object]:
    """The status that it prints."""
    return await run_plugin(shell(script), os.environ | environ, API, seconds)


def printing(status: str) -> str:
    """The script that prints an ExecCredential."""
    return f'echo \'{{"apiVersion":"{API}","status":{status}}}\''


async def test_a_plug_in_learns_what_it_is_asked_for() -> None:
    """From the environment, to which the kubeconfig may add variables; there is nobody to answer a prompt."""
    script = 'printf "%s" "$KUBERNETES_EXEC_INFO" > "$OUT"; read line; ' + printing("{}")
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "out"
        assert await run(script, OUT=str(out)) == {}
        asked = json.loads(out.read_text(encoding="utf-8"))
    assert asked == {"apiVersion": API, "kind": "ExecCredential", "spec": {"interactive": False}}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param("echo out of order >&2; exit 3", "exec: process returned 3. out of order", id="fails"),
        pytest.param("exit 3", "exec: process returned 3", id="fails silently"),
        pytest.param("echo secret", "is not an ExecCredential with a status", id="prints something else"),
        pytest.param("echo '[]'", "is not an ExecCredential with a status", id="prints a list"),
        pytest.param(printing("null"), "is not an ExecCredential with a status", id="no status"),
        pytest.param('echo \'{"apiVersion":"v0","status":{}}\'', "an ExecCredential of v0, not of", id="version"),
    ],
)
async def test_the_failure_of_a_plug_in_is_reported(script: str, message: str) -> None:
    """But nothing of what it printed, which may be a token."""
    with pytest.raises(ValueError, match=message) as raised:
        await run(script)
    assert "secret" not in str(raised.value)


async def test_a_plug_in_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    """After its time limit."""
    pid = tmp_path / "pid"
    with pytest.raises(ValueError, match=r"exec: sh did not finish within 0\.5 s"):
        await run("sleep 600 & echo $! > $PID; wait", seconds=0.5, PID=str(pid))
    await until_gone(int(pid.read_text(encoding="utf-8")))


async def test_what_a_plug_in_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    """An agent that keeps its output open, for example. The answer is there."""
    pid = tmp_path / "pid"
    try:
        async with asyncio.timeout(10):
            assert await run(f"sleep 600 & echo $! > $PID; {printing('{}')}", PID=str(pid)) == {}
        assert alive(int(pid.read_text(encoding="utf-8")))
    finally:
        os.kill(int(pid.read_text(encoding="utf-8")), signal.SIGKILL)


async def test_a_plug_in_is_killed_when_its_caller_is_cancelled(tmp_path: Path) -> None:
    """The sidecar ends without leaving a process behind."""
    pid = tmp_path / "pid"
    running = asyncio.create_task(run("sleep 600 & echo $! > $PID; wait", PID=str(pid)))
    async with asyncio.timeout(10):
        while not (pid.exists() and pid.read_text(encoding="utf-8").strip()):
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until_gone(int(pid.read_text(encoding="utf-8")))


async def until_gone(pid: int) -> None:
    """Wait until that process has ended."""
    async with asyncio.timeout(10):
        while alive(pid):
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether that process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
