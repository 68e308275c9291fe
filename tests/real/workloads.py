"""Pods as their controllers make them, for which a test is the kubelet; and pods that do not go when they should."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.cluster import objects
from tests.cluster.api import Api, Json

PATIENCE = 20.0
"""Seconds for controllers on a busy machine; a failure, never the way to success."""


def workload(kind: str, name: str, namespace: str, version: str = "1", **spec: object) -> Json:
    """A workload of the pods that ``objects.pod`` makes, labelled with a version."""
    labels = {**objects.LABELS, "version": version}
    template = {"metadata": {"labels": labels}, "spec": objects.pod("x", namespace)["spec"]}
    del template["spec"]["nodeName"]
    fields = {"selector": {"matchLabels": objects.LABELS}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": fields}


async def eventually(look: Callable[[], Awaitable[list[Json]]], count: int) -> list[Json]:
    """So many of what *look* finds, once the controllers have made them."""
    async with asyncio.timeout(PATIENCE):
        while len(found := await look()) != count:
            await asyncio.sleep(0.02)
    return found


async def run_all(admin: Api, namespace: str, count: int, *, version: str = "1", ready: bool = True) -> list[Json]:
    """Let the pods of that version run, once their controller has made so many."""

    async def of_version() -> list[Json]:
        items: list[Json] = (await admin.list("Pod", namespace, labelSelector=f"version={version}"))["items"]
        return items

    found = await eventually(of_version, count)
    for number, pod in enumerate(found):
        status = objects.running([f"10.{version}.0.{number + 1}"], ready=ready)
        await admin.patch_status("Pod", pod["metadata"]["name"], status, namespace)
    return found


def held(body: Json) -> Json:
    """The pod, with somebody who must agree to its end."""
    body["metadata"]["finalizers"] = ["example.com/hold"]
    return body
