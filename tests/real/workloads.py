"""Pods created by controllers, for which the test acts as the kubelet; and pods that a finalizer keeps."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.cluster import objects
from tests.cluster.api import Api, Json

PATIENCE = 20.0
"""Seconds for controllers on a busy machine; only a failing test takes as long."""


def workload(kind: str, name: str, namespace: str, version: str = "1", **spec: object) -> Json:
    """A workload of pods like those of ``objects.pod``, labelled with a version."""
    labels = {**objects.LABELS, "version": version}
    template = {"metadata": {"labels": labels}, "spec": objects.pod("x", namespace)["spec"]}
    del template["spec"]["nodeName"]
    fields = {"selector": {"matchLabels": objects.LABELS}, "template": template, **spec}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": fields}


async def eventually(look: Callable[[], Awaitable[list[Json]]], count: int) -> list[Json]:
    """Wait until *look* finds this number of objects, and return them."""
    async with asyncio.timeout(PATIENCE):
        while len(found := await look()) != count:
            await asyncio.sleep(0.02)
    return found


async def run_all(admin: Api, namespace: str, count: int, *, version: str = "1", ready: bool = True) -> list[Json]:
    """Make the pods of that version running and ready once their controller has created this number."""

    async def of_version() -> list[Json]:
        items: list[Json] = (await admin.list("Pod", namespace, labelSelector=f"version={version}"))["items"]
        return items

    found = await eventually(of_version, count)
    for number, pod in enumerate(found):
        status = objects.running([f"10.{version}.0.{number + 1}"], ready=ready)
        await admin.patch_status("Pod", pod["metadata"]["name"], status, namespace)
    return found


def held(body: Json) -> Json:
    """The pod with a finalizer, which delays its deletion."""
    body["metadata"]["finalizers"] = ["example.com/hold"]
    return body
