"""An etcd restored from a backup: revisions start again lower than what the sidecar has already seen.

What Kubernetes 1.36 does then, seen here: an API server that keeps running serves its watch cache for ever, to lists of
every kind, so that no client can learn the truth until it is restarted or the revisions have caught up. Once it is
restarted, a watch from the future is accepted and stays silent, without bookmarks, and a list from there is refused
(504, "Too large resource version") after 3 s. So the way back is silence, refused lists, and a consistent read.
"""

import asyncio
import time

from sidecar.sources.kubernetes.connection import Timeouts
from sidecar.sources.kubernetes.endpointslices import endpoint_slices
from sidecar.sources.kubernetes.objects import Projection
from sidecar.sources.kubernetes.timing import Timing
from tests.cluster import objects
from tests.cluster.control_plane import ControlPlane
from tests.real import scene
from tests.real.reflected import members, reflected
from tests.support.builders import Followed

SILENCE = 10.0
"""Seconds of silence that are waited for here, instead of ``Timeouts.watch_read``."""

TOO_LARGE_SECONDS = 3.0
"""For so long the API server waits before it refuses a resourceVersion of the future (storage/cacher)."""

AFTERWARDS = Timing().too_large_tries * (TOO_LARGE_SECONDS + 2 * Timing().retry_cap / 8)
"""Seconds for the refused lists: the first waits are a fraction of the longest one, and jitter doubles them."""

AHEAD = 50
"""Writes after the backup: so far in the future is the sidecar."""


def addresses(followed: Followed) -> list[str]:
    """Whom it knows."""
    return [member.address for member in members(followed)]


async def test_a_restored_etcd_is_followed_after_a_silence(fresh_control_plane: ControlPlane) -> None:
    """The members are those of the backup again, and changes after it are seen at once."""
    cluster = fresh_control_plane
    async with cluster.admin() as api:
        await api.create(objects.service("web", "default", selector=None))
        await scene.write_members(api, "default", ["10.1.0.1"])
        await asyncio.to_thread(cluster.etcd.back_up)
        await write_until_taken(cluster, "10.1.0.2")
        for number in range(AHEAD):
            await scene.write_members(api, "default", [f"10.2.0.{number}"])
        collection = endpoint_slices("default", ["web"], Projection())
        timeouts = Timeouts(watch_read=SILENCE)
        async with reflected(cluster, cluster.admin_token, collection, timeouts=timeouts) as followed:
            await followed.until(lambda it: addresses(it) == [f"10.2.0.{AHEAD - 1}"])
            ahead = int(followed.revision)
            await asyncio.to_thread(cluster.kill_api_server)
            await asyncio.to_thread(cluster.etcd.restore)
            await asyncio.to_thread(cluster.start_api_server)
            ready = time.monotonic()
            await followed.until(lambda it: addresses(it) == ["10.1.0.1"], within=SILENCE + AFTERWARDS + 10.0)
            scene.figure(
                f"converged {time.monotonic() - ready:.1f} s after the API server was ready, of which {SILENCE} s"
                f" silence; from {ahead} to {followed.revision}"
            )
            assert int(followed.revision) < ahead
            await scene.write_members(api, "default", ["10.3.0.1"])
            await followed.until(lambda it: addresses(it) == ["10.3.0.1"])
            assert not followed.state.scopes[collection.scope].failing


async def write_until_taken(cluster: ControlPlane, address: str) -> None:
    """Write, as soon as the API server has found etcd again."""
    async with asyncio.timeout(30), cluster.admin() as api:
        while True:
            try:
                await scene.write_members(api, "default", [address])
            except Exception:  # noqa: BLE001 - whatever it says meanwhile
                await asyncio.sleep(0.2)
            else:
                return
