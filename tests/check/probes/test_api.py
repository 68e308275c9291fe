"""An API server on a real socket: what is seen of its answers, and of its refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sidecar.check.findings.permissions import Permission
from sidecar.check.findings.services import Observed
from sidecar.check.probes import api
from sidecar.check.probes.api import REVIEWS, USERS
from sidecar.errors import SourceError
from tests.support.builders import (
    PATH,
    answering,
    collection,
    connected,
    credentials_for,
    encoded,
    endpoint,
    endpoint_slice,
    page,
    response,
)

if TYPE_CHECKING:
    import asyncio

    from sidecar.check.findings.facts import Answers

PERMISSION = Permission("discovery.k8s.io", "endpointslices", "default")
WHO = encoded({"status": {"userInfo": {"username": "jane"}}})
YES = encoded({"status": {"allowed": True}})
SERVICE = "/api/v1/namespaces/default/services/app"


async def look(**answers: tuple[int, bytes]) -> Answers:
    """What is seen of answers to ``who``, ``review``, ``service``, ``list``, and the next ``page`` of the list."""
    known = {"who": (201, WHO), "review": (201, YES), "service": (200, b"{}"), "list": (200, page())} | answers

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        target = head.split()[1].decode()
        paths = {"who": USERS, "review": REVIEWS, "service": SERVICE, "list": PATH}
        name = next(name for name, path in paths.items() if target.partition("?")[0] == path)
        code, body = known["page" if "continue=" in target else name]
        writer.write(response(body, code, "Connection: close"))

    async with answering(answer) as url, connected(credentials_for(url)) as connection:
        return await api.look(connection, [PERMISSION], [("default", "app")], {"default/app": collection()})


async def test_identity_permissions_service_and_members_are_seen() -> None:
    """The members on all pages."""
    second = endpoint_slice("app-b", endpoints=[endpoint(1)])
    answers = await look(
        list=(200, page(endpoint_slice(), **{"continue": "more"})),
        page=(200, page(second)),
        service=(200, b'{"spec":{}}'),
    )
    assert (answers.user, answers.denied) == ("jane", {PERMISSION: ()})
    assert not isinstance(answers.services["default/app"], SourceError)
    seen = answers.seen["default/app"]
    assert isinstance(seen, Observed)
    assert [member.name for member in seen.members] == ["app-0", "app-1"]


@pytest.mark.parametrize("code", [404, 403])
async def test_a_server_that_does_not_say_the_identity_is_asked_for_the_rest(code: int) -> None:
    """It is too old for the question, or nobody may ask it."""
    answers = await look(who=(code, b"no"))
    assert (answers.user, answers.denied) == ("", {PERMISSION: ()})


@pytest.mark.parametrize(
    ("code", "body"),
    [(401, b""), (500, b""), (403, b'{"message": "User \\"system:anonymous\\" cannot create"}'), (201, b"{}")],
)
async def test_a_server_that_cannot_be_asked_at_all_is_one_error(code: int, body: bytes) -> None:
    """Not one for everything that could not be asked."""
    with pytest.raises(SourceError):
        await look(who=(code, body))


async def test_each_refusal_is_kept_by_itself() -> None:
    """Everything else is seen."""
    answers = await look(review=(500, b""), service=(403, b""), list=(200, b"nonsense"))
    reasons = [
        found.reason
        for group in (answers.denied, answers.services, answers.seen)
        for found in group.values()
        if isinstance(found, SourceError)
    ]
    assert reasons == ["server_error", "forbidden", "malformed"]


async def test_what_is_not_allowed_is_kept_verb_by_verb() -> None:
    """As the questions that were answered with no."""
    answers = await look(review=(201, encoded({"status": {"allowed": False}})))
    denied = answers.denied[PERMISSION]
    assert not isinstance(denied, SourceError)
    assert [question.verb for question in denied] == ["list", "watch"]
