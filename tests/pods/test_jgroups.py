"""JGroups members find each other by the file: the example of the project with a released JGroups."""

import re

from tests.pods.scene import DEPLOY, Scene, until

VIEW = re.compile(r"view.*\|\d+\] \((\d+)\)")
"""How the program prints a view: its creator and number, and the number of its members."""


def names(size: int) -> list[str]:
    """The pods of the StatefulSet."""
    return [f"jgroups-{number}" for number in range(size)]


async def until_view_of(scene: Scene, size: int) -> float:
    """Wait until every pod is ready and has printed a newest view of that many members."""
    seconds = await scene.until_ready(*names(size), seconds=120)

    async def agreed() -> bool:
        return all(VIEW.findall(scene.log(pod, "jgroups"))[-1:] == [str(size)] for pod in names(size))

    return seconds + await until(f"a view of {size}", agreed)


async def test_the_view_grows(scene: Scene) -> None:
    """Three pods have one view, and so do four."""
    scene.apply(DEPLOY / "examples" / "jgroups")
    for size in (3, 4):
        await scene.scale("jgroups", size)
        print(f"a view of {size} after {await until_view_of(scene, size):.1f} s")  # noqa: T201 - a figure
        assert await scene.restarts() == {}
