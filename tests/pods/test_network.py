"""What all other tests here rely on: a pod finds Services by name and reaches them by their addresses."""

import json

from tests.cluster import objects
from tests.pods.scene import PORT, SIDECAR, Scene, until
from tests.pods.workload import IMAGE, LABELS, stateful_set

ASK = """
import json, socket, ssl, urllib.request
trust = ssl.create_default_context(cafile="/var/run/secrets/kubernetes.io/serviceaccount/ca.crt")
version = urllib.request.urlopen("https://kubernetes.default.svc/version", context=trust).read()
alive = urllib.request.urlopen("http://front:9466/livez").read()
found = {name: sorted({entry[4][0] for entry in socket.getaddrinfo(name, 80)}) for name in ("app", "front")}
print(json.dumps({"version": json.loads(version)["gitVersion"], "alive": alive.decode(), "found": found}))
"""


async def test_names_and_addresses_work_from_pods(scene: Scene) -> None:
    """The name of a headless Service resolves to its pods, a cluster IP leads to a pod, the API server is reachable."""
    scene.run(stateful_set(), objects.service("app", scene.namespace, selector=LABELS, publish_not_ready=True))
    ports = {"status": PORT}
    front = objects.service("front", scene.namespace, selector=LABELS, ports=ports)
    del front["spec"]["clusterIP"]
    address = (await scene.api.create(front))["spec"]["clusterIP"]
    await scene.until_ready("app-0")
    container = {"name": "main", "image": IMAGE, "command": ["python3", "-c", ASK]}
    spec = {"restartPolicy": "OnFailure", "containers": [container]}
    metadata = {"name": "asker", "namespace": scene.namespace}
    await scene.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    async def done() -> bool:
        return bool((await scene.pod("asker"))["status"]["phase"] == "Succeeded")

    await until("the pod has its answers", done)
    pod = (await scene.pod("app-0"))["status"]["podIP"]
    answers = json.loads(scene.log("asker", "main").splitlines()[-1])
    assert answers["found"] == {"app": [pod], "front": [address]}
    assert answers["alive"] == "ok\n"
    assert answers["version"] == (await scene.api.request("GET", "/version"))["gitVersion"]


async def test_only_the_sidecar_has_the_token(scene: Scene) -> None:
    """The token of the service account is mounted into the sidecar and not into the main container."""
    look = "test ! -e /var/run/secrets/kubernetes.io/serviceaccount && echo none; exec sleep infinity"
    scene.run(stateful_set(look), objects.service("app", scene.namespace, selector=LABELS, publish_not_ready=True))
    await scene.until_ready("app-0")
    assert scene.log("app-0", "main") == "none\n"
    assert (await scene.containers("app-0"))[SIDECAR]["ready"]
