"""The connection: requests and answers over real sockets, and whose fault a failure is, in words.

What the reflector makes of a reason is in test_reflector; where tokens and CAs come from in test_credentials; what the
words of a refusal are made of in test_error_messages.
"""

from __future__ import annotations

import asyncio
import os
import socket
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
import structlog

from sidecar.errors import SourceError
from sidecar.observability.metrics import Metrics
from sidecar.simulator import (
    FOREVER,
    Absent,
    BadGateway,
    CutMidLine,
    Forbidden,
    Gone,
    ImmediateEOF,
    InternalError,
    Refuse,
    ResourceVersionTooLarge,
    ScriptedService,
    Silence,
    Simulator,
    TooManyRequests,
    Unauthorized,
)
from sidecar.sources.kubernetes.connection import Connection, Timeouts, WatchStream
from sidecar.sources.kubernetes.failures import LONGEST_EXPLANATION
from sidecar.sources.kubernetes.responses import decode_page
from tests.support.builders import (
    PATH,
    answering,
    certificate,
    chunk,
    connected,
    encoded,
    endpoint_slice,
    grants,
    line,
    listening,
    metadata_of,
    response,
    tls_server,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from sidecar.simulator import Fault

Verb = Literal["list", "watch"]

VERBS: tuple[Verb, ...] = ("list", "watch")

TOKEN = "very-secret-token"  # noqa: S105 - of nobody
QUERY = {"labelSelector": "kubernetes.io/service-name=app"}
IMPATIENT = Timeouts(connect=0.1, list_total=0.3, list_read=0.1, watch_read=0.1)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """An API server with one slice."""
    async with Simulator() as running:
        running.put("endpointslices", endpoint_slice())
        yield running


@pytest.fixture
async def connection(simulator: Simulator) -> AsyncIterator[Connection]:
    """A connection to it."""
    async with connected(grants(simulator.url, token=TOKEN)) as made:
        yield made


async def ask(connection: Connection, verb: Verb, **query: str) -> bytes:
    """All that is answered."""
    query = QUERY | query
    if verb == "list":
        return await connection.list(PATH, query)
    async with connection.watch(PATH, {**query, "watch": "1", "timeoutSeconds": "1"}) as stream:
        return b"".join([chunk async for chunk in chunks_of(stream)])


async def chunks_of(stream: WatchStream) -> AsyncIterator[bytes]:
    """The chunks of a watch, to its end."""
    while chunk := await stream.read():
        yield chunk


async def failure(connection: Connection, verb: Verb, **query: str) -> SourceError:
    """The error that is raised instead; it never says who we are."""
    with pytest.raises(SourceError) as raised, structlog.testing.capture_logs() as logged:
        await ask(connection, verb, **query)
    session = await connection.credentials.current()
    for words in (raised.value.message, str(raised.value), repr(raised.value), repr(session), repr(logged)):
        assert TOKEN not in words
    assert raised.value.reason in SourceError.REASONS
    return raised.value


def sockets_to(port: int) -> Iterator[socket.socket]:
    """Copies of the sockets of this process that are connected to *port*."""
    for entry in Path("/proc/self/fd").iterdir():
        try:
            copied = os.dup(int(entry.name))
        except OSError:
            continue
        try:
            found = socket.socket(fileno=copied)
        except OSError:
            os.close(copied)
            continue
        with found:
            try:
                peer = found.getpeername()
            except OSError:
                continue
            if found.family == socket.AF_INET and peer[1] == port:
                yield found


# --- What is asked and answered


async def test_a_list_is_its_body(simulator: Simulator, connection: Connection) -> None:
    """As it came, with the query that was given and the name that people see in audit logs."""
    body = await connection.list(PATH, {**QUERY, "resourceVersion": "0"})
    assert len(decode_page(body).items or ()) == 1
    (asked,) = simulator.requests
    assert (asked.verb, asked.resource, asked.namespace) == ("list", "endpointslices", "default")
    assert asked.query == {**QUERY, "resourceVersion": "0"}
    assert asked.user_agent.startswith("membership-sidecar/")
    assert asked.authenticated


async def test_a_watch_is_its_chunks(simulator: Simulator, connection: Connection) -> None:
    """As they come, not when they are many."""
    query = {**QUERY, "watch": "1", "resourceVersion": str(simulator.store.revision)}
    async with connection.watch(PATH, query) as stream:
        for name in ("b", "c"):
            simulator.put("endpointslices", endpoint_slice(name))
            assert f'"name":"{name}"'.encode() in await stream.read()


async def test_one_object_is_read(simulator: Simulator, connection: Connection) -> None:
    """By its path, and without a query."""
    body = await connection.read(f"{PATH}/app-a")
    assert metadata_of(body).name == "app-a"
    (asked,) = simulator.requests
    assert (asked.verb, asked.query) == ("get", {})


async def test_one_object_is_created(simulator: Simulator, connection: Connection) -> None:
    """The answer is the object as the server has it, by 201; the same again is refused."""
    body = encoded(endpoint_slice("app-b") | {"metadata": {"name": "app-b"}})
    assert metadata_of(await connection.create(PATH, body)).resource_version == str(simulator.store.revision)
    assert metadata_of(await connection.read(f"{PATH}/app-b")).name == "app-b"
    with pytest.raises(SourceError, match=r"rejects the request \(409 on create ") as raised:
        await connection.create(PATH, body)
    assert raised.value.reason == "server_error"


async def test_what_is_created_is_said_to_be_json() -> None:
    """API servers take other types, too, and some proxies refuse what has none."""
    heads = []

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        heads.append(head.lower())
        writer.write(response(b"{}", 201))

    async with answering(answer) as url, connected(grants(url, token=TOKEN)) as connection:
        assert await connection.create(PATH, b'{"a":1}') == b"{}"
    assert b"post /apis/" in heads[0]
    assert b"content-type: application/json\r\n" in heads[0]
    assert b"content-length: 7\r\n" in heads[0]
    assert TOKEN.encode() in heads[0]


async def test_an_object_that_is_not_there(connection: Connection) -> None:
    """That is another thing than a resource that is not there."""
    with pytest.raises(SourceError) as raised:
        await connection.read(f"{PATH}/app-z")
    assert raised.value.reason == "not_found"
    assert raised.value.message == (
        f'There is no such object (404 on get {PATH}/app-z): endpointslices.discovery.k8s.io "app-z" not found.'
        " Create it, or correct the name."
    )


@pytest.mark.parametrize("code", [200, 202, 204])
async def test_only_created_is_created(code: int) -> None:
    """A proxy's login page is answered by 200."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"", code))

    async with answering(answer) as url, connected(grants(url)) as connection:
        with pytest.raises(SourceError):
            await connection.create(PATH, b"{}")


async def test_a_large_list_does_not_come_compressed(simulator: Simulator, connection: Connection) -> None:
    """The server would, beyond 128 KiB, if it might."""
    ScriptedService(simulator).scale(1500)
    body = await connection.list(PATH, QUERY)
    assert simulator.requests[0].accept_encoding == "identity"
    assert len(body) > 256 * 1024
    assert len(decode_page(body).items or ()) == 16


async def test_a_watch_may_come_compressed() -> None:
    """If a proxy does so unasked: event by event, without waiting for the end."""
    lines = [line("ADDED", endpoint_slice(name)) for name in ("a", "b")]
    heard = asyncio.Event()

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        packer = zlib.compressobj(wbits=31)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
        for text in lines:
            heard.clear()
            writer.write(chunk(packer.compress(text) + packer.flush(zlib.Z_SYNC_FLUSH)))
            await heard.wait()

    async with (
        answering(answer) as url,
        connected(grants(url)) as connection,
        connection.watch(PATH, QUERY) as stream,
    ):
        for text in lines:
            got = b""
            while got != text:
                got += await stream.read()
            heard.set()


async def test_requests_are_counted(simulator: Simulator) -> None:
    """By verb and code, refusals included."""
    metrics = Metrics([])
    simulator.script(Forbidden(verb="list"), ImmediateEOF(verb="watch"))
    async with connected(grants(simulator.url), metrics=metrics) as connection:
        await failure(connection, "list")
        await ask(connection, "list")
        await ask(connection, "watch")
    for verb, code in (("list", "403"), ("list", "200"), ("watch", "200")):
        assert metrics.registry.get_sample_value("membership_api_requests_total", {"verb": verb, "code": code}) == 1


# --- Refusals

RBAC = (
    'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:default:default" cannot {verb} '
    'resource "endpointslices" in API group "discovery.k8s.io" in the namespace "default"'
)
CURE = (
    "Grant get, list and watch on endpointslices.discovery.k8s.io in namespace default"
    " to the service account default of namespace default with a Role and a RoleBinding."
)

OTHER_SOURCE = "Choose a --source that it has (EndpointSlices came with Kubernetes 1.21), or correct its address."
CHECK_ADDRESS = "Check its address, and whether a NetworkPolicy or a firewall drops the packets."
LOGS = "The request will be repeated. If this persists, check the logs of the API server, of etcd and of any proxy."

STATUS = {
    "401": (
        Unauthorized(),
        "unauthorized",
        (
            "The API server does not accept the token (401 on {verb} {path}): Unauthorized. It will be read again."
            " If this persists, it has expired, or belongs to another service account or cluster."
        ),
        0,
    ),
    "403": (
        Forbidden(),
        "forbidden",
        f"The API server forbids it (403 on {{verb}} {{path}}): {RBAC}. {CURE}",
        0,
    ),
    "404": (
        Absent(),
        "not_found",
        (
            "The API server has no such resource (404 on {verb} {path}): the server could not find the requested"
            f" resource. {OTHER_SOURCE}"
        ),
        0,
    ),
    "404 in plain text": (
        Absent(group=True),
        "not_found",
        f"The API server has no such resource (404 on {{verb}} {{path}}): 404 page not found. {OTHER_SOURCE}",
        0,
    ),
    "410": (
        Gone(),
        "expired",
        "The resourceVersion is too old (410 on {verb} {path}): The resourceVersion for the provided watch is too old.",
        0,
    ),
    "429": (
        TooManyRequests(retry_after=7),
        "too_many_requests",
        (
            "The API server is overloaded (429 on {verb} {path}): Too many requests, please try again later."
            " The request will be repeated after a pause. If this persists, check its priority-and-fairness settings."
        ),
        7,
    ),
    "500": (
        InternalError(),
        "server_error",
        (
            "The API server failed (500 on {verb} {path}): Internal error occurred: etcdserver: request timed out."
            f" {LOGS}"
        ),
        0,
    ),
    "502": (BadGateway(), "server_error", f"The API server failed (502 on {{verb}} {{path}}): <html>. {LOGS}", 0),
    "504": (
        ResourceVersionTooLarge(),
        "too_large_resource_version",
        "The API server is behind what was already seen (Timeout: Too large resource version: 900, current: 899).",
        1,
    ),
}


@pytest.mark.parametrize(("fault", "reason", "message", "retry_after"), STATUS.values(), ids=STATUS)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_refusal_says_what_and_why(
    simulator: Simulator,
    connection: Connection,
    verb: Verb,
    fault: Fault,
    reason: str,
    message: str,
    retry_after: float,
) -> None:
    """The code, the request, the server's own words, and what to do where somebody can."""
    simulator.script(fault)
    error = await failure(connection, verb, resourceVersion="900")
    assert (error.reason, error.message) == (reason, message.format(verb=verb, path=PATH))
    assert error.retry_after == retry_after


TOO_LARGE = encoded(
    {
        "kind": "Status",
        "message": "Timeout: Too large resource version: 9, current: 8",
        "details": {"causes": [{"reason": "ResourceVersionTooLarge"}], "retryAfterSeconds": 1},
        "code": 504,
    }
)


async def test_a_refusal_may_come_in_pieces(simulator: Simulator) -> None:
    """Where its reason stands in the second half, the first half must not be taken for the whole."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        whole = response(TOO_LARGE, 504)
        for piece in (whole[:-80], whole[-80:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)

    async with answering(answer) as url, connected(grants(url)) as connection:
        assert (await failure(connection, "list")).reason == "too_large_resource_version"


async def test_a_refusal_that_breaks_off_is_still_a_refusal() -> None:
    """The code has been said; the rest would have been words."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"x" * 100, 429, "Retry-After: 3")[:-50])

    async with answering(answer) as url, connected(grants(url)) as connection:
        error = await failure(connection, "watch")
    assert (error.reason, error.retry_after) == ("too_many_requests", 3)


@pytest.mark.parametrize("verb", VERBS)
async def test_a_refusal_that_stalls_is_still_a_refusal(verb: Verb) -> None:
    """Its words are waited for no longer than those of a list."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"x" * 100, 429, "Retry-After: 3")[:-50])
        await asyncio.sleep(10)

    async with answering(answer) as url, connected(grants(url), timeouts=IMPATIENT) as connection:
        async with asyncio.timeout(5):
            error = await failure(connection, verb)
    assert (error.reason, error.retry_after) == ("too_many_requests", 3)


async def test_a_refusal_without_end_is_cut_short() -> None:
    """Some of it is enough for a message, and all of it might not fit into memory."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(chunk(b"no " * 10_000))
            await writer.drain()

    async with answering(answer) as url, connected(grants(url)) as connection:
        error = await failure(connection, "list")
    assert error.reason == "server_error"
    assert len(error.message) < 500 < LONGEST_EXPLANATION


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("0", 0), ("", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0), ("-1", 0), ("1.5", 0)]
)
async def test_retry_after_is_seconds_or_nothing(header: str, seconds: float) -> None:
    """API servers send seconds; a date would need a clock that agrees."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"later", 429, f"Retry-After: {header}"))

    async with answering(answer) as url, connected(grants(url)) as connection:
        assert (await failure(connection, "list")).retry_after == seconds


@pytest.mark.parametrize("code", [301, 302, 307, 308])
async def test_redirects_are_not_followed(simulator: Simulator, code: int) -> None:
    """The token is for one server."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"", code, f"Location: {simulator.url}{PATH}"))

    async with answering(answer) as url, connected(grants(url, token=TOKEN)) as connection:
        assert (await failure(connection, "list")).reason == "server_error"
        assert (await failure(connection, "watch")).reason == "server_error"
    assert simulator.requests == ()


# --- Connections that break


async def test_nobody_listens(simulator: Simulator) -> None:
    """The message says where."""
    await simulator.stop_serving()
    async with connected(grants(simulator.url, token=TOKEN)) as connection:
        for verb in VERBS:
            error = await failure(connection, verb)
            assert error.reason == "refused"
            assert error.message.startswith(f"{simulator.url} cannot be reached: ")


async def test_a_list_on_which_nothing_arrives_is_given_up(simulator: Simulator) -> None:
    """Half-open connections do not end by themselves."""
    simulator.script(Silence(times=FOREVER))
    async with connected(grants(simulator.url, token=TOKEN), timeouts=IMPATIENT) as connection:
        error = await failure(connection, "list")
    assert (error.reason, error.message) == (
        "timeout",
        f"{simulator.url} did not answer in time. {CHECK_ADDRESS}",
    )


async def test_a_watch_on_which_nothing_arrives_times_out(simulator: Simulator) -> None:
    """That is no failure: perhaps there is nothing to say."""
    simulator.script(Silence(times=FOREVER))
    async with connected(grants(simulator.url, token=TOKEN), timeouts=IMPATIENT) as connection:
        with pytest.raises(TimeoutError):
            await ask(connection, "watch")


async def test_a_list_that_drips_is_given_up_in_the_end(simulator: Simulator) -> None:
    """Each byte comes in time, the whole does not."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with answering(answer) as url, connected(grants(url), timeouts=IMPATIENT) as connection:
        assert (await failure(connection, "list")).reason == "timeout"


@pytest.mark.parametrize("verb", VERBS)
async def test_a_server_that_does_not_take_the_connection_is_given_up(verb: Verb) -> None:
    """A full backlog, or packets that are dropped: SYN is not answered at all."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        with socket.socket() as first, socket.socket() as second:
            for filler in (first, second):
                filler.settimeout(0)
                filler.connect_ex(full.getsockname())
            async with connected(grants(url, token=TOKEN), timeouts=IMPATIENT) as connection:
                assert (await failure(connection, verb)).reason == "timeout"


@pytest.mark.parametrize(
    "fault", [Refuse(times=2), CutMidLine(), CutMidLine(reset=True)], ids=["FIN first", "FIN", "RST"]
)
@pytest.mark.parametrize("verb", VERBS)
async def test_a_connection_that_breaks_says_so(
    simulator: Simulator, connection: Connection, verb: Verb, fault: Fault
) -> None:
    """Before the answer (twice: aiohttp asks again by itself), in the middle of it, by FIN and by RST."""
    revision = str(simulator.store.revision - 1) if verb == "watch" else "0"
    simulator.script(fault)
    error = await failure(connection, verb, resourceVersion=revision)
    assert error.reason == "connection"
    assert error.message.startswith(f"The connection to {simulator.url} broke: ")


async def test_what_comes_before_a_break_is_given_on(simulator: Simulator, connection: Connection) -> None:
    """A watch that is cut has said what it has said."""
    simulator.script(CutMidLine(verb="watch", after=1))
    query = {**QUERY, "watch": "1", "resourceVersion": str(simulator.store.revision - 1)}
    got = b""

    async def take_all() -> None:
        nonlocal got
        async with connection.watch(PATH, query) as stream:
            simulator.put("endpointslices", endpoint_slice("b"))
            async for piece in chunks_of(stream):
                got += piece

    with pytest.raises(SourceError, match="broke"):
        await take_all()
    assert got.startswith(b'{"type":"ADDED"')
    assert b"\n" in got


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 abc\r\n\r\n", b""])
@pytest.mark.parametrize("verb", VERBS)
async def test_somebody_who_speaks_no_http(words: bytes, verb: Verb) -> None:
    """The wrong port, perhaps."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(words)

    async with answering(answer) as url, connected(grants(url, token=TOKEN)) as connection:
        assert (await failure(connection, verb)).reason == "connection"


async def test_a_body_that_is_not_what_it_says_it_is() -> None:
    """Gzip that is none."""

    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(response(b"no gzip", 200, "Content-Encoding: gzip"))

    async with answering(answer) as url, connected(grants(url)) as connection:
        assert (await failure(connection, "list")).reason == "connection"


@pytest.mark.parametrize("verb", VERBS)
async def test_a_token_that_is_no_header(simulator: Simulator, verb: Verb) -> None:
    """A line break in the middle of it, from a file that was pasted: said without saying the token."""
    async with connected(grants(simulator.url, token=f"{TOKEN}\n{TOKEN}")) as connection:
        error = await failure(connection, verb)
    assert error.reason == "malformed"
    assert error.message.startswith(f"{simulator.url} or the credentials for it are malformed: ")
    assert simulator.requests == ()


# --- TLS


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key."""
    return certificate(tmp_path_factory.mktemp("tls"))


async def test_tls(material: tuple[Path, Path]) -> None:
    """With the CA that the credentials name."""
    async with (
        Simulator(ssl_context=tls_server(*material)) as simulator,
        connected(grants(simulator.url, ca=material[0])) as connection,
    ):
        assert decode_page(await connection.list(PATH, QUERY)).items == []


async def test_the_wrong_ca(material: tuple[Path, Path], tmp_path: Path) -> None:
    """Somebody else's server, or a CA that was rotated."""
    other, _ = certificate(tmp_path, "other")
    async with (
        Simulator(ssl_context=tls_server(*material)) as simulator,
        connected(grants(simulator.url, token=TOKEN, ca=other)) as connection,
    ):
        for verb in VERBS:
            error = await failure(connection, verb)
            assert error.reason == "tls"
            assert error.message.startswith(f"TLS to {simulator.url} failed: ")
            assert "certificate verify failed" in error.message
            assert error.message.endswith("certificate-authority in the kubeconfig.")
        assert simulator.requests == ()


async def test_a_certificate_that_has_expired(tmp_path: Path) -> None:
    """The message says so, for nothing else needs to be looked into."""
    made, key = certificate(tmp_path, expired=True)
    async with (
        Simulator(ssl_context=tls_server(made, key)) as simulator,
        connected(grants(simulator.url, token=TOKEN, ca=made)) as connection,
    ):
        error = await failure(connection, "list")
    assert error.reason == "tls"
    assert "certificate has expired" in error.message
    assert error.message.endswith(" Renew the API server's certificate.")


async def test_the_wrong_name(material: tuple[Path, Path]) -> None:
    """The certificate is good, for another address."""
    async with Simulator(ssl_context=tls_server(*material)) as simulator:
        url = simulator.url.replace("127.0.0.1", "localhost")
        async with connected(grants(url, ca=material[0])) as connection:
            error = await failure(connection, "list")
    assert error.reason == "tls"
    assert "localhost" in error.message
    assert error.message.endswith(" Use a name that is in the certificate, or set tls-server-name to one.")


async def test_another_name_may_be_expected(material: tuple[Path, Path]) -> None:
    """A kubeconfig's ``tls-server-name``, for a server behind a tunnel."""
    async with Simulator(ssl_context=tls_server(*material)) as simulator:
        url = simulator.url.replace("127.0.0.1", "localhost")
        async with connected(grants(url, ca=material[0], server_name="127.0.0.1")) as connection:
            assert decode_page(await connection.list(PATH, QUERY)).items == []


async def test_no_tls_at_all(simulator: Simulator, material: tuple[Path, Path]) -> None:
    """A server that speaks plain HTTP where TLS was expected."""
    url = simulator.url.replace("http:", "https:")
    async with connected(grants(url, token=TOKEN, ca=material[0])) as connection:
        error = await failure(connection, "list")
    assert error.reason == "tls"
    assert error.message.endswith(
        " The server does not speak TLS there: check the port, and whether its URL should begin with http."
    )
    assert simulator.requests == ()


async def test_tls_that_is_not_answered(material: tuple[Path, Path]) -> None:
    """The handshake has its limit, too."""

    async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async with (
        listening(hang, "https") as url,
        connected(grants(url, ca=material[0]), timeouts=IMPATIENT) as connection,
    ):
        assert (await failure(connection, "watch")).reason == "timeout"


# --- Sockets and sessions


@pytest.mark.parametrize("verb", VERBS)
async def test_a_dead_peer_is_noticed_by_the_kernel(simulator: Simulator, connection: Connection, verb: Verb) -> None:
    """Keepalive for a silent connection, a limit for unacknowledged data; on the sockets that are really used."""
    simulator.script(Silence(times=FOREVER))
    asking = asyncio.create_task(ask(connection, verb))
    await simulator.request(verb=verb)
    (used,) = [
        (
            one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
            one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
            one.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
            one.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
        )
        for one in sockets_to(simulator.port)
    ]
    asking.cancel()
    assert used == (1, 20, 10, 3, 45_000)


async def test_lists_share_a_connection_and_watches_have_their_own(
    simulator: Simulator, connection: Connection
) -> None:
    """A half-open watch cannot poison the relist, and a list costs no handshake."""
    async with connection.watch(PATH, {**QUERY, "watch": "1"}), connection.watch(PATH, {**QUERY, "watch": "1"}):
        await connection.list(PATH, QUERY)
        await connection.list(PATH, QUERY)
        first_watch, second_watch, first_list, second_list = [asked.connection for asked in simulator.requests]
    assert first_list == second_list
    assert len({first_list, first_watch, second_watch}) == 3


async def test_the_socket_of_a_watch_is_closed_when_it_is_over(simulator: Simulator, connection: Connection) -> None:
    """Left early, ended by the server or refused, none is kept."""
    query = {**QUERY, "watch": "1"}
    async with connection.watch(PATH, query):
        assert len(list(sockets_to(simulator.port))) == 1
    simulator.script(ImmediateEOF(), Forbidden())
    await ask(connection, "watch")
    await failure(connection, "watch")
    async with asyncio.timeout(5):
        while list(sockets_to(simulator.port)):
            await asyncio.sleep(0)


async def test_the_environment_has_no_say(
    simulator: Simulator, connection: Connection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Proxies and netrc are for people; the API server is in the cluster, and a netrc entry would replace the token."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    simulator.accept_tokens(TOKEN)
    assert decode_page(await connection.list(PATH, QUERY)).items


async def test_a_proxy_that_the_kubeconfig_names_is_used() -> None:
    """It is asked for the whole URL."""
    asked = []

    async def answer(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head.split()[1].partition(b"?")[0])
        writer.write(response(b"{}"))

    async with answering(answer) as proxy, connected(grants("http://api.example", proxy=proxy)) as connection:
        assert await ask(connection, "list") == b"{}"
    assert asked == [f"http://api.example{PATH}".encode()]


async def test_a_closed_connection_leaves_no_socket(simulator: Simulator) -> None:
    """Those of lists are kept open, but not longer than the connection."""
    async with connected(grants(simulator.url)) as connection:
        await ask(connection, "list")
        assert len(list(sockets_to(simulator.port))) == 1
    async with asyncio.timeout(5):
        while list(sockets_to(simulator.port)):
            await asyncio.sleep(0)
