"""``check`` on what is around it: real volumes, a DNS server on a real socket, an API server that is away.

Nothing here is judged anew (that is ``test_check``); what is shown is that what is seen is so, and that nothing is left
behind.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sidecar.check.findings.permissions import Permission
from sidecar.check.findings.services import Observed
from sidecar.check.probes import api, volumes
from sidecar.check.probes.api import REVIEWS, USERS
from sidecar.cli import main
from sidecar.errors import SourceError
from tests.support.builders import (
    PATH,
    answering,
    collection,
    connected,
    encoded,
    endpoint,
    endpoint_slice,
    grants,
    page,
    response,
)

if TYPE_CHECKING:
    import asyncio

    from sidecar.check.findings.facts import Answers

ROOT = Path(__file__).parents[2]

NOBODY = 65534


def check(directory: Path, *options: str, mount: str = "") -> dict[str, list[tuple[str, str]]]:
    """Level and message of every finding by subject, of a run that cannot reach any API server.

    Args:
        directory: for the output ``members.json``.
        options: more of them.
        mount: a script that mounts something before, for this run alone. Without the right to do so, the test is
            skipped.
    """
    argv = ["check", "--output-format=json", "--service=app", f"--output=json={directory / 'members.json'}"]
    argv += [f"--kubeconfig={directory / 'none'}", *options]
    before = sorted(directory.iterdir()) if directory.is_dir() else None
    code, out, err = behind(mount, directory, argv) if mount else here(argv)
    assert err == ""
    assert code == 1, "no API server can be reached, which is an error"
    if before is not None:
        assert sorted(directory.iterdir()) == before
    found: dict[str, list[tuple[str, str]]] = {}
    for row in json.loads(out):
        found.setdefault(row["subject"], []).append((row["level"], row["message"]))
    return found


def here(argv: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command in this process."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    out, err = io.StringIO(), io.StringIO()
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main(argv)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return code, out.getvalue(), err.getvalue()


def behind(mount: str, directory: Path, argv: list[str]) -> tuple[int, str, str]:
    """The same of a process that sees a mount which nobody else sees."""
    command = [*unshare(directory), "sh", "-ec", f'{mount}; exec "$@"', "sh"]
    command += [sys.executable, "-W", "error", "-m", "sidecar", *argv]
    done = subprocess.run(
        command, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


def unshare(directory: Path) -> list[str]:
    """A command that gives another one mounts of its own."""
    words = ["unshare", "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        words.append("--map-root-user")
    allowed = subprocess.run([*words, "mount", "-t", "tmpfs", "none", directory], capture_output=True, check=False)
    if allowed.returncode:
        pytest.skip(f"mounting needs root or user namespaces: {allowed.stderr.decode().strip()}")
    return words


def of(directory: Path, found: dict[str, list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """What is said of the output."""
    return found[f"output {directory / 'members.json'}"]


# --- Volumes

WRITTEN = ("ok", "A file was created beside it and renamed.")


def test_a_directory_that_is_no_volume(tmp_path: Path) -> None:
    """It can be written, but who would see it? Nothing is left in it."""
    assert of(tmp_path, check(tmp_path))[0] == WRITTEN
    assert list(tmp_path.iterdir()) == []


def test_a_volume_in_memory(tmp_path: Path) -> None:
    """An emptyDir with ``medium: Memory``; with little in it."""
    place = shlex.quote(str(tmp_path))
    found = of(tmp_path, check(tmp_path, mount=f"mount -t tmpfs -o size=512k none {place}"))
    assert found == [
        WRITTEN,
        ("ok", f"It is in memory (tmpfs, mounted at {tmp_path}). Nothing waits for it (fsync)."),
        found[-1],
    ]
    assert found[-1][0] == "warning"
    assert re.fullmatch(r"There is little room: (508|512) KiB and [0-9]+ files are free\.", found[-1][1]), found


def test_a_volume_that_is_read_only(tmp_path: Path) -> None:
    """Said with the errno, in the words of the publisher."""
    place = shlex.quote(str(tmp_path))
    assert of(tmp_path, check(tmp_path, mount=f"mount -t tmpfs -o ro none {place}")) == [
        ("error", f"{tmp_path}/members.json was not written (EROFS): the volume is mounted read-only.")
    ]


def test_a_volume_that_is_full(tmp_path: Path) -> None:
    """To the last page."""
    place = shlex.quote(str(tmp_path))
    fill = f"mount -t tmpfs -o size=64k none {place}; cat /dev/zero > {place}/filling 2>/dev/null || true"
    assert of(tmp_path, check(tmp_path, mount=fill)) == [
        ("error", f"{tmp_path}/members.json was not written (ENOSPC): the volume is full.")
    ]


def test_a_single_file_that_is_mounted(tmp_path: Path) -> None:
    """A subPath: its reader would never see another inode."""
    file = tmp_path / "members.json"
    file.write_text("old")
    place = shlex.quote(str(file))
    assert of(tmp_path, check(tmp_path, mount=f"mount --bind {place} {place}")) == [
        ("error", f"{file} is a mount point (a subPath or a single-file mount).")
    ]
    assert file.read_text() == "old"


def test_a_file_that_is_there_is_not_touched(tmp_path: Path) -> None:
    """The check may run beside a sidecar."""
    file = tmp_path / "members.json"
    file.write_text("old")
    stamp = file.stat().st_ino, file.stat().st_mtime_ns
    assert of(tmp_path, check(tmp_path))[0] == WRITTEN
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == stamp


def test_a_directory_that_is_missing(tmp_path: Path) -> None:
    """And a directory in the place of the file."""
    missing = tmp_path / "missing"
    assert of(missing, check(missing)) == [("error", f"The directory of {missing / 'members.json'} does not exist.")]
    (tmp_path / "members.json").mkdir()
    assert of(tmp_path, check(tmp_path)) == [("error", f"{tmp_path / 'members.json'} is a directory.")]


def look_as_nobody(*directories: str) -> None:
    """See the test below."""
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    for seen in volumes.look([Path(directory) / "members.json" for directory in directories]):
        assert "was not written (EACCES): this user may not write there" in seen.problem, seen


def test_a_directory_of_somebody_else() -> None:
    """Whether or not others may look into it."""
    if os.geteuid() != 0:
        pytest.skip("only root can look as somebody else")
    code = f"import sys; from {__name__} import look_as_nobody; look_as_nobody(*sys.argv[1:])"
    with tempfile.TemporaryDirectory() as open_to_all, tempfile.TemporaryDirectory() as closed:
        Path(open_to_all).chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, open_to_all, closed],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert [*Path(open_to_all).iterdir(), *Path(closed).iterdir()] == []


# --- The API server


RIGHT = Permission("discovery.k8s.io", "endpointslices", "default")
WHO = encoded({"status": {"userInfo": {"username": "jane"}}})
YES = encoded({"status": {"allowed": True}})
SERVICE = "/api/v1/namespaces/default/services/app"


async def look(**answers: tuple[int, bytes]) -> Answers:
    """What is made of such answers: to ``who``, to ``review``, to ``service``, to ``list`` and to its next ``page``."""
    known = {"who": (201, WHO), "review": (201, YES), "service": (200, b"{}"), "list": (200, page())} | answers

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        target = head.split()[1].decode()
        paths = {"who": USERS, "review": REVIEWS, "service": SERVICE, "list": PATH}
        name = next(name for name, path in paths.items() if target.partition("?")[0] == path)
        code, body = known["page" if "continue=" in target else name]
        writer.write(response(body, code, "Connection: close"))

    async with answering(answer) as url, connected(grants(url)) as connection:
        return await api.look(connection, [RIGHT], [("default", "app")], {"default/app": collection()})


async def test_what_an_api_server_says() -> None:
    """Who we are, what we may, the Service, and the members on all pages."""
    second = endpoint_slice("app-b", endpoints=[endpoint(1)])
    answers = await look(
        list=(200, page(endpoint_slice(), **{"continue": "more"})),
        page=(200, page(second)),
        service=(200, b'{"spec":{}}'),
    )
    assert (answers.user, answers.denied) == ("jane", {RIGHT: ()})
    assert not isinstance(answers.services["default/app"], SourceError)
    seen = answers.seen["default/app"]
    assert isinstance(seen, Observed)
    assert [member.name for member in seen.members] == ["app-0", "app-1"]


@pytest.mark.parametrize("code", [404, 403])
async def test_a_server_that_does_not_say_who_we_are(code: int) -> None:
    """It is too old for the question, or has taken away the right to ask it: the rest is asked all the same."""
    answers = await look(who=(code, b"no"))
    assert (answers.user, answers.denied) == ("", {RIGHT: ()})


@pytest.mark.parametrize(
    ("code", "body"),
    [(401, b""), (500, b""), (403, b'{"message": "User \\"system:anonymous\\" cannot create"}'), (201, b"{}")],
)
async def test_a_server_that_cannot_be_asked_at_all(code: int, body: bytes) -> None:
    """Then there is one thing to say, not one for everything that could not be asked."""
    with pytest.raises(SourceError):
        await look(who=(code, body))


async def test_each_refusal_is_kept_for_itself() -> None:
    """Whatever else can be seen is seen."""
    answers = await look(review=(500, b""), service=(403, b""), list=(200, b"nonsense"))
    reasons = [
        found.reason
        for group in (answers.denied, answers.services, answers.seen)
        for found in group.values()
        if isinstance(found, SourceError)
    ]
    assert reasons == ["server_error", "forbidden", "malformed"]


async def test_what_is_not_allowed_is_kept_as_the_question() -> None:
    """Verb by verb."""
    answers = await look(review=(201, encoded({"status": {"allowed": False}})))
    denied = answers.denied[RIGHT]
    assert not isinstance(denied, SourceError)
    assert [question.verb for question in denied] == ["list", "watch"]


def test_there_is_no_api_server(tmp_path: Path) -> None:
    """One finding that says where it was looked for, and everything else is looked at all the same."""
    found = check(tmp_path)
    ((level, message),) = found["api"]
    assert level == "error"
    assert f"there is no kubeconfig at {tmp_path / 'none'}" in message
    assert [subject for subject in found if subject.startswith("dns ")] == ["dns default/app"]


def test_a_check_that_is_told_to_end_has_not_passed(tmp_path: Path) -> None:
    """An init container that is ended before it has found anything must not look as if nothing were wrong."""
    fifo = tmp_path / "kubeconfig"
    os.mkfifo(fifo)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "sidecar", "check", "--service=app"),
            *(f"--output=json={tmp_path / 'a'}", f"--kubeconfig={fifo}"),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with fifo.open("wb"):  # it is open at both ends only when somebody reads the credentials
        process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert out == b""
