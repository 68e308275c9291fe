"""How long the parts of a reflector last and wait."""

from __future__ import annotations

import msgspec


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """Durations in seconds; the defaults are client-go's, where it has them."""

    complete_list: float = 120.0
    """For all pages of a LIST, reading the credentials included. A page of 500 pods takes tens of milliseconds."""
    watch_min: float = 300.0
    watch_max: float = 600.0
    """The server ends a watch after a random time between these, so that a fleet does not reconnect at once."""
    watch_grace: float = 30.0
    """After that the client ends it: the server's end never came."""
    short_watch: float = 1.0
    """A watch that ends sooner and without an event is a failure, not an end (VeryShortWatchError)."""
    proof: float = 5.0
    """A watch that has stayed open so long after a failure has recovered, although nothing was said: the events that
    were missed and a 410 both come at once, and a server on which nothing happens sends no bookmarks either."""
    confirm: float = 1.0
    """Between two lists that were asked for with ``confirm``: whoever asks at each list must not cause a busy loop."""
    too_large_tries: int = 3
    """How often a server that is behind is asked again before a consistent read (it waits 3 s itself each time)."""
    retry: float = 0.8
    retry_cap: float = 30.0
    """The wait after a failure grows from the one to the other (with jitter, twice that)."""
    refused_cap: float = 2.0
    """Between attempts while nobody listens (with jitter, twice that): cheap to find out, and good to be back soon."""
