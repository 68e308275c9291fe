"""A cookie jar that stays empty: the API server is asked without cookies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from aiohttp.abc import AbstractCookieJar

if TYPE_CHECKING:
    from collections.abc import Iterator


class NoCookies(AbstractCookieJar):
    """Keeps none. aiohttp's DummyCookieJar does that too, but its module brings pickle and calendar along: 0.8 MiB."""

    cookies: ClassVar[Any] = {}
    host_only_cookies: ClassVar[Any] = frozenset()
    unsafe = False
    quote_cookie = False

    def clear(self, predicate: object = None) -> None:
        """Nothing to clear."""

    def clear_domain(self, domain: str) -> None:
        """Nothing to clear."""

    def update_cookies(self, cookies: object, response_url: object = None) -> None:
        """Forget them."""

    def filter_cookies(self, request_url: object) -> Any:  # noqa: ANN401, ARG002 - a BaseCookie, which is a dict
        """There are none."""
        return {}

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Any]:
        return iter(())
