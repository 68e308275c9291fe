"""The addresses behind SRV records, and what the name of the Service itself tells about them.

A server that adds the addresses of the targets to its answer, as CoreDNS does, is asked once. Of another one they are
asked for: first those of the Service, which are the targets' too; then, of a target whose label is not made of one of
them, its own.
"""

from __future__ import annotations

import asyncio
from itertools import batched
from typing import TYPE_CHECKING, Protocol
