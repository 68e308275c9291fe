"""Makes of a virtual environment with the dependencies what the image holds: run by the Dockerfile, in its first stage.

The package, its command, the byte code of all that it may import, and the licences of all that it contains.
"""

# ruff: noqa: INP001 - a script, not a package

import compileall
import re
import shutil
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path
from py_compile import PycInvalidationMode

BUILD = Path("/build")
LICENCES = Path("/licenses")
ENVIRONMENT = Path(sys.prefix)
PACKAGES = Path(sysconfig.get_path("purelib"))
LIBRARY = Path(sysconfig.get_path("stdlib"))

COMMAND = f"""\
#!{sys.prefix}/bin/python
import sys

from sidecar.cli import main

sys.exit(main())
"""

LEFT_OUT = re.compile(r"/(test|idlelib|tkinter|turtledemo|ensurepip|pydoc_data|site-packages|dist-packages)/")
"""Of the standard library, what a daemon has no use for."""

LICENCE = re.compile(r"(?i)^[^/]+\.dist-info/(?:licenses/)?((?:.*/)?(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)$")
"""A file of a distribution that states rights; the group is its path among them."""


def main() -> None:
    """Do all of it, or end with a sentence and exit code 1."""
    shutil.copytree(BUILD / "sidecar", PACKAGES / "sidecar", ignore=shutil.ignore_patterns("__pycache__"))
    command = ENVIRONMENT / "bin" / "membership-sidecar"
    command.write_text(COMMAND)
    command.chmod(0o755)
    compile_all()
    collect_licences()


def compile_all() -> None:
    """Compile to where PYTHONPYCACHEPREFIX says. The image changes no source, so no time needs to be compared."""
    for directory, without in ((LIBRARY, LEFT_OUT), (PACKAGES, None)):
        if not compileall.compile_dir(
            directory,
            maxlevels=20,
            quiet=1,
            rx=without,
            optimize=sys.flags.optimize,
            invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
            workers=0,
        ):
            sys.exit(f"{directory} does not compile: see above.")


def collect_licences() -> None:
    """Copy the licences to where image scanners and people look; Debian's own are in /usr/share/doc."""
    keep(BUILD / "LICENSE", LICENCES / "membership-sidecar" / "LICENSE")
    for own in LIBRARY.glob("LICENSE*"):
        keep(own, LICENCES / "python" / own.name)
    for distribution in distributions(path=[str(PACKAGES)]):
        files = [file for file in distribution.files or [] if LICENCE.search(str(file))]
        if not files:
            sys.exit(f"{distribution.name} {distribution.version} comes without its licence: add it to deploy/image.")
        for file in files:
            name = LICENCE.sub(r"\1", str(file))
            keep(Path(str(distribution.locate_file(file))), LICENCES / distribution.name / name)


def keep(file: Path, target: Path) -> None:
    """Copy it, and make the directories for it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)


if __name__ == "__main__":
    main()
