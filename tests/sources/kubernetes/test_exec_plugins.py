"""Exec plug-ins of a kubeconfig: when they run, and what happens when they fail."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from sidecar.sources.kubernetes.loaders import kubeconfig
from tests.sources.kubernetes.readings import EARLIER, LATER, Reading, plug_in, refusal, write

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore:datetime.*utc:DeprecationWarning")  # in kubernetes-asyncio, from 3.12


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
