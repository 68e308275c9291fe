"""A real Prometheus scrapes the sidecar of a pod at the port and path of our PodMonitor.

Scope: that it is reachable. Debian's Prometheus cannot discover pods, so the test looks up the address and port as
discovery would. The metrics and alerts are tested without pods.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from tests.cluster import objects
from tests.cluster.api import Json
from tests.cluster.fixtures import unless
from tests.cluster.programs import Program, answer, answers, free_port
from tests.pods.scene import DEPLOY, Scene, until
from tests.pods.workload import stateful_set

MONITOR: Json = yaml.safe_load((DEPLOY / "monitoring" / "podmonitor.yaml").read_text())
ENDPOINT: Json = MONITOR["spec"]["podMetricsEndpoints"][0]


def target(pod: Json) -> str:
    """The address and port of the pod's only container with a port named as in the PodMonitor."""
    containers = [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]
    ports = [port for container in containers for port in container.get("ports", [])]
    (number,) = [port["containerPort"] for port in ports if port["name"] == ENDPOINT["port"]]
    return f"{pod['status']['podIP']}:{number}"


@contextmanager
def prometheus(scene: Scene, program: str, address: str) -> Iterator[str]:
    """The URL of a Prometheus that scrapes that address every second, until the end of the block."""
    job = {"job_name": "pods", "metrics_path": ENDPOINT["path"], "static_configs": [{"targets": [address]}]}
    file = scene.directory / "prometheus.yaml"
    file.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": [job]}))
    listen = f"127.0.0.1:{free_port()}"
    options = (f"--storage.tsdb.path={scene.directory / 'prometheus'}", f"--web.listen-address={listen}")
    running = Program([program, f"--config.file={file}", *options], log=scene.directory / "prometheus.log")
    running.start()
    try:
        running.wait_until(lambda: answers(f"http://{listen}/-/ready"))
        yield f"http://{listen}"
    finally:
        running.kill()


async def test_prometheus_scrapes_a_pending_pod(scene: Scene, pytestconfig: pytest.Config) -> None:
    """A native sidecar can be scraped while the pod is pending because there are no members."""
    program = shutil.which("prometheus")
    unless(pytestconfig, None if program else "not installed: prometheus (Debian's package of that name has it)")
    scene.run(stateful_set(), objects.service("app", scene.namespace, selector=None))
    await scene.until_serving("app-0")
    with prometheus(scene, str(program), target(await scene.pod("app-0"))) as url:

        async def scraped() -> bool:
            found = json.loads(answer(f"{url}/api/v1/targets") or b"")["data"]["activeTargets"]
            return [one["health"] for one in found] == ["up"]

        await until("the target is up", scraped)
        names = json.loads(answer(f"{url}/api/v1/label/__name__/values") or b"")["data"]
    assert (await scene.pod("app-0"))["status"]["phase"] == "Pending"
    assert "membership_source_up" in names
