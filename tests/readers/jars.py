"""Where the readers' jars are, and how they get there.

``pom.xml`` pins them and Maven fetches them from its configured repository, into a cache that is named after the pins:
a changed version is another directory. ``python -m tests.readers.jars`` does it. The programs that use a jar are single
Java files beside this module, which ``java`` compiles as it runs them.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.readers import ENABLE

HERE = Path(__file__).parent
POM = HERE / "pom.xml"

DEADLINE = 60.0
"""Seconds that a Java program may take; each takes one to three."""


def directory() -> Path:
    """Where the jars are, or will be."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "membership-sidecar" / f"readers-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"


def missing() -> str | None:
    """One line that says what is absent and what to do about it; None if all is there."""
    if shutil.which("java") is None:
        return "not installed: java"
    return None if directory().exists() else f"not fetched yet: the readers' jars (to fetch them: {ENABLE})"


def run(jar: str, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run one of our Java programs with a jar.

    Args:
        jar: Name and version, as in ``hazelcast-5.6.0``.
        program: The file beside this module, without its ending.
        arguments: Of the program.
    """
    command = ["java", "-cp", directory() / f"{jar}.jar", HERE / f"{program}.java", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, check=True)


def table(output: str) -> Mapping[str, Sequence[str]]:
    """What a program says of each file: the fields after the name, by the name."""
    rows = (line.split("\t") for line in output.splitlines())
    return {Path(name).name: fields for name, *fields in rows}


def fetch() -> None:
    """Fetch the jars; the directory appears complete or not at all."""
    directory().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=directory().parent) as unfinished:
        jars = Path(unfinished) / "jars"
        goal = ["dependency:copy", f"-DoutputDirectory={jars}"]
        subprocess.run(["mvn", "--batch-mode", "--quiet", "--file", POM, *goal], check=True)
        jars.rename(directory())


def main() -> int:
    """Fetch what is missing, and say where it is."""
    if not directory().exists():
        if shutil.which("mvn") is None:
            sys.stdout.write("there is no mvn command on PATH, and the jars are fetched with it\n")
            return 1
        fetch()
    sys.stdout.write("".join(f"{jar}\n" for jar in sorted(directory().iterdir())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
