"""LIST: from the parameters of a request and the store to one page.

The rules are those of the API reference, "resourceVersion in list": unset is the newest, "0" is anything in the cache,
a number is a minimum (``NotOlderThan``) or, with a limit or on request, exactly that revision. All pages of a list show
one revision; once that is compacted, the response is 410 with a token that continues at the newest. Pure: whether to
wait for a revision that has not been reached yet is decided elsewhere.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice

import msgspec

from sidecar.simulator import status
from sidecar.simulator.resources import Object, Resource
from sidecar.simulator.selectors import BadSelectorError, Selection, select
from sidecar.simulator.status import RefusedError
from sidecar.simulator.store import ExpiredError, Key, Store

_INCONSISTENT = -1
"""The revision in a token that continues at the newest revision of the collection."""

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


class _Token(msgspec.Struct):
    v: str
    rv: int
    start: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The parameters of a LIST, parsed."""

    selection: Selection
    limit: int = 0
    """0: no limit."""

    not_older_than: int = 0
    at: int | None = None
    """The revision to show; None for the newest."""

    start: Key = ("", "")
    """The last item of the previous page."""


def understand(resource: Resource, namespace: str | None, query: Mapping[str, str]) -> Page:
    """Read the parameters of a LIST.

    Raises:
        RefusedError: They are invalid, alone or in combination.
    """
    selection = selection_of(resource, namespace, query)
    try:
        revision = revision_of(query)
    except ValueError as error:
        raise RefusedError(status.bad_request(f"invalid resource version: {error}")) from None
    limit = max(number(query, "limit"), 0)
    number(query, "timeoutSeconds")
    match = query.get("resourceVersionMatch", "")
    if "sendInitialEvents" in query:
        raise RefusedError(
            status.invalid_list_options("sendInitialEvents", "sendInitialEvents is forbidden for list"),
        )
    if token := query.get("continue"):
        return _continued(token, selection, limit, query)
    _refuse_invalid_match(match, query)
    if match == "Exact" or (not match and limit and revision):
        return Page(selection=selection, limit=limit, not_older_than=revision, at=revision)
    from_cache = query.get("resourceVersion") == "0"
    return Page(selection=selection, limit=0 if from_cache else limit, not_older_than=revision)


def selection_of(resource: Resource, namespace: str | None, query: Mapping[str, str]) -> Selection:
    """The selectors of a LIST or WATCH.

    Raises:
        RefusedError: One of them cannot be parsed.
    """
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    try:
        return select(resource, namespace, labels, fields)
    except BadSelectorError as error:
        raise RefusedError(status.bad_request(str(error))) from error


def number(query: Mapping[str, str], name: str) -> int:
    """The value of a numeric parameter; 0 if it is not given.

    Raises:
        RefusedError: It is not a number.
    """
    text = query.get(name) or "0"
    try:
        return int(text)
    except ValueError:
        raise RefusedError(status.bad_request(status.unparsed("ParseInt", text))) from None


def revision_of(query: Mapping[str, str]) -> int:
    """The requested resourceVersion; 0 if there is none.

    Raises:
        ValueError: It is not a resourceVersion.
    """
    text = query.get("resourceVersion") or "0"
    if not text.isascii() or not text.isdigit():
        complaint = status.unparsed("ParseUint", text)
        raise ValueError(f'resourceVersion: Invalid value: "{text}": {complaint}')
    return int(text)


def _refuse_invalid_match(match: str, query: Mapping[str, str]) -> None:
    name = "resourceVersionMatch"
    if match and not query.get("resourceVersion"):
        raise RefusedError(status.invalid_list_options(name, f"{name} is forbidden unless resourceVersion is provided"))
    if match == "Exact" and query["resourceVersion"] == "0":
        detail = f'{name} "exact" is forbidden for resourceVersion "0"'
        raise RefusedError(status.invalid_list_options(name, detail))
    if match not in ("", "Exact", "NotOlderThan"):
        detail = f'"{match}": supported values: "Exact", "NotOlderThan", ""'
        raise RefusedError(status.invalid_list_options(name, detail, "Unsupported value"))


def _continued(text: str, selection: Selection, limit: int, query: Mapping[str, str]) -> Page:
    if query.get("resourceVersionMatch"):
        name = "resourceVersionMatch"
        raise RefusedError(status.invalid_list_options(name, f"{name} is forbidden when continue is provided"))
    if query.get("resourceVersion", "0") != "0":
        raise RefusedError(status.bad_request("specifying resource version is not allowed when using continue"))
    try:
        padded = text + "=" * (-len(text) % 4)
        token = msgspec.json.decode(base64.urlsafe_b64decode(padded), type=_Token)
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedError(status.bad_request(f"invalid continue token: continue key is not valid: {error}")) from error
    namespace, _, name = token.start.partition("/")
    at = None if token.rv == _INCONSISTENT else token.rv
    return Page(selection=selection, limit=limit, at=at, start=(namespace, name))


def at_revision(asked: Page, revision: int) -> Page:
    """The same request to a server that is at that revision."""
    return replace(asked, at=revision, not_older_than=0)


def page(store: Store, resource: Resource, asked: Page) -> Object:
    """The response to a LIST.

    Raises:
        RefusedError: The requested revision has been compacted.
    """
    revision = store.revision if asked.at is None else asked.at
    try:
        found = [
            (key, obj)
            for key, obj in store.objects(resource.name, asked.at)
            if key > asked.start and obj in asked.selection
        ]
    except ExpiredError as error:
        raise RefusedError(_forgotten(asked)) from error
    shown = list(islice(found, asked.limit or None))
    metadata: Object = {"resourceVersion": str(revision)}
    if left := len(found) - len(shown):
        metadata["continue"] = _token(revision, shown[-1][0])
        if asked.selection.whole_collection:
            metadata["remainingItemCount"] = left
    head: Object = {"kind": f"{resource.kind}List", "apiVersion": resource.api_version}
    return head | {"metadata": metadata, "items": [obj for _, obj in shown]}


def _forgotten(asked: Page) -> Object:
    if asked.start == ("", ""):
        return status.expired("The resourceVersion for the provided list is too old.")
    refusal = status.expired(_TOO_OLD)
    return refusal | {"metadata": {"continue": _token(_INCONSISTENT, asked.start)}}


def _token(revision: int, last: Key) -> str:
    token = msgspec.json.encode(_Token("meta.k8s.io/v1", revision, "/".join(last)))
    return base64.urlsafe_b64encode(token).decode().rstrip("=")
