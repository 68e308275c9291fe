"""Hazelcast servers find each other by the file: the example of the project with a released Hazelcast.

Scope: what the servers report about their cluster. The file is tested elsewhere.
"""

from tests.pods.scene import DEPLOY, Scene, until

PORT = 5701


def names(size: int) -> list[str]:
    """The pods of the StatefulSet."""
    return [f"hazelcast-{number}" for number in range(size)]


async def until_cluster_of(scene: Scene, size: int) -> float:
    """Wait until every pod is ready and reports a cluster of that many members."""
    seconds = await scene.until_ready(*names(size), seconds=120)

    async def agreed() -> bool:
        sizes = {await scene.get(pod, "/hazelcast/health/cluster-size", PORT) for pod in names(size)}
        return sizes == {str(size).encode()}

    return seconds + await until(f"a cluster of {size}", agreed)


async def test_a_cluster_forms_shrinks_and_grows(scene: Scene) -> None:
    """From 1 to 2 to 4 pods there is one cluster and no restart; then 2 remain; a new pod joins them."""
    scene.apply(DEPLOY / "examples" / "hazelcast")
    for size in (1, 2, 4, 2, 3):
        await scene.scale("hazelcast", size)
        print(f"a cluster of {size} after {await until_cluster_of(scene, size):.1f} s")  # noqa: T201 - a figure
        assert await scene.restarts() == {}
