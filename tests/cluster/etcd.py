"""etcd, which stores a cluster's objects and their history."""

import base64
import functools
import http.client
import json
import shutil
from pathlib import Path

from tests.cluster import binaries
from tests.cluster.api import Json
from tests.cluster.programs import Program, answers, free_port


class Etcd:
    """A single member on a free loopback port, without fsync."""

    def __init__(self, directory: Path) -> None:
        self._data = directory / "etcd"
        self._saved = directory / "etcd-backup"
        self._address = f"127.0.0.1:{free_port()}"
        self.program = Program(
            [
                binaries.path("etcd"),
                f"--data-dir={self._data}",
                f"--listen-client-urls={self.url}",
                f"--advertise-client-urls={self.url}",
                "--listen-peer-urls=http://127.0.0.1:0",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
            log=directory / "etcd.log",
        )

    @property
    def url(self) -> str:
        """Where clients connect; plain HTTP, which also carries the JSON rendering of its API."""
        return f"http://{self._address}"

    def start(self) -> None:
        """Start it, and return when it is ready."""
        self.program.start()
        self.program.wait_until(functools.partial(answers, f"{self.url}/health"))

    def kill(self) -> None:
        """Kill it; its data stays in the directory."""
        self.program.kill()

    def back_up(self) -> None:
        """Keep a copy of all it has written, for which it is away for a moment."""
        self.kill()
        shutil.copytree(self._data, self._saved)
        self.start()

    def restore(self) -> None:
        """Go back to that copy: revisions start again lower."""
        self.kill()
        shutil.rmtree(self._data)
        shutil.copytree(self._saved, self._data)
        self.start()

    def compact(self) -> None:
        """Forget all revisions before the current one."""
        first = base64.b64encode(b"\0").decode()
        now = self._call("/v3/kv/range", {"key": first, "range_end": first, "count_only": True})["header"]["revision"]
        self._call("/v3/kv/compaction", {"revision": now, "physical": True})

    def _call(self, path: str, body: Json) -> Json:
        connection = http.client.HTTPConnection(self._address, timeout=10)
        try:
            connection.request("POST", path, json.dumps(body))
            response = connection.getresponse()
            answer: Json = json.loads(response.read())
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise RuntimeError(f"etcd refuses {path}: {answer}")
        return answer
