"""The alerts: promtool fires each with given series, and a real Prometheus evaluates all of them on a real sidecar.

Scope: the rules and the series that they use. The meaning of the metrics is tested where they are set.
"""

import http.client
import json
import re
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copy

import pytest
import yaml

from tests.cluster import objects
from tests.cluster.api import Json
from tests.cluster.control_plane import ControlPlane
from tests.cluster.programs import POLL, Program, answers, free_port
from tests.deploy.manifests import DATA, DEPLOY, read
from tests.real import scene
from tests.real.sidecar import Sidecar

RULES: Json = read(DEPLOY / "monitoring" / "rules.yaml")[0]["spec"]
ALERTS: list[Json] = RULES["groups"][0]["rules"]

PATIENCE = 30.0
"""Seconds for Prometheus, which scrapes and evaluates once a second."""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """The rules as a file for Prometheus, without the operator's object around them."""
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(RULES))
    return file


class Prometheus:
    """A running Prometheus, and queries to it."""

    def __init__(self, address: str) -> None:
        self._address = address

    def ask(self, path: str, **parameters: str) -> Json:
        """The data of a response of its API."""
        connection = http.client.HTTPConnection(self._address, timeout=5)
        try:
            connection.request("GET", f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
            answer: Json = json.load(connection.getresponse())
        finally:
            connection.close()
        assert answer["status"] == "success"
        data: Json = answer["data"]
        return data

    def value(self, query: str) -> float | None:
        """The value of the query's only sample now, None if there is none."""
        result = self.ask("query", query=query)["result"]
        return float(result[0]["value"][1]) if result else None

    def alerts(self) -> set[tuple[str, str]]:
        """Name and state of the alerts that are not inactive."""
        return {(alert["labels"]["alertname"], alert["state"]) for alert in self.ask("alerts")["alerts"]}

    def until(self, predicate: Callable[[], bool]) -> None:
        """Wait until the condition holds."""
        deadline = time.monotonic() + PATIENCE
        while not predicate():
            assert time.monotonic() < deadline, (self.ask("targets"), self.ask("rules"))
            time.sleep(POLL)


@pytest.fixture
def prometheus(tool: Callable[[str, str], str], tmp_path: Path, rules: Path) -> Iterator[Callable[[str], Prometheus]]:
    """Starts a Prometheus that scrapes a URL's /metrics as the PodMonitor says, and evaluates the rules."""
    programs: list[Program] = []

    def start(url: str) -> Prometheus:
        target = {"targets": [urllib.parse.urlsplit(url).netloc], "labels": {"namespace": "n", "pod": "app-0"}}
        configuration = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "membership-sidecar", "static_configs": [target]}],
        }
        file = tmp_path / "prometheus.yaml"
        file.write_text(yaml.safe_dump(configuration))
        address = f"127.0.0.1:{free_port()}"
        program = Program(
            [
                tool("prometheus", "prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={tmp_path / 'tsdb'}",
                f"--web.listen-address={address}",
            ],
            log=tmp_path / "prometheus.log",
        )
        programs.append(program)
        program.start()
        program.wait_until(lambda: answers(f"http://{address}/-/ready"))
        return Prometheus(address)

    yield start
    for program in programs:
        program.kill()


def test_promtool_accepts_the_rules(tool: Callable[[str, str], str], rules: Path) -> None:
    """All of them."""
    checked = run(tool("promtool", "prometheus"), "check", "rules", rules)
    assert f"SUCCESS: {len(ALERTS)} rules found" in checked


def test_every_alert_fires_when_it_should_and_not_before(
    tool: Callable[[str, str], str], rules: Path, tmp_path: Path
) -> None:
    """``data/rules-test.yaml`` has each of them, and promtool runs it."""
    copy(DATA / "rules-test.yaml", tmp_path)
    played = read(DATA / "rules-test.yaml")[0]["tests"]
    raised = {case["alertname"] for test in played for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert raised == {alert["alert"] for alert in ALERTS}
    assert rules.parent == tmp_path
    assert "SUCCESS" in run(tool("promtool", "prometheus"), "test", "rules", tmp_path / "rules-test.yaml")


async def test_prometheus_scrapes_a_sidecar_and_its_alerts_fire(
    fresh_control_plane: ControlPlane,
    tmp_path: Path,
    start_sidecar: Callable[..., Sidecar],
    prometheus: Callable[[str], Prometheus],
) -> None:
    """Every series of a rule exists, no alert fires while all is well, and one does when the API server is killed."""
    async with fresh_control_plane.admin() as admin:
        await admin.create(objects.service("web", "default", selector=None))
        await scene.write_members(admin, "default", ["10.1.0.1"])
        access = await scene.admit(fresh_control_plane, "default", tmp_path)
    one = start_sidecar(access.kubeconfig, "--service=web")
    await one.start()
    await one.until(lambda: one.addresses() == ["10.1.0.1"])
    seen = prometheus(one.url)
    seen.until(lambda: seen.value('up{job="membership-sidecar"}') == 1)
    names = {name for alert in ALERTS for name in re.findall(r"membership_\w+", alert["expr"])}
    assert [name for name in sorted(names) if seen.value(f"count({name})") is None] == []
    seen.until(lambda: seen.value('max(membership_source_up{namespace="n",pod="app-0"})') == 1)
    seen.until(lambda: seen.alerts() == set())
    fresh_control_plane.kill_api_server()
    seen.until(lambda: ("MembershipSourceDown", "pending") in seen.alerts())
    fresh_control_plane.start_api_server()
    seen.until(lambda: seen.alerts() == set())
    (target,) = seen.ask("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")


def run(*command: str | Path) -> str:
    """The output of the command, which must succeed."""
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr
