"""Turns a virtual environment with the dependencies into the content of the image. Run by the Dockerfile's first stage.

Adds the package, its command, the byte code of everything that it may import, and the licences of everything in it.
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
"""Parts of the standard library that a daemon does not use."""

LICENCE = re.compile(r"(?i)^[^/]+\.dist-info/(?:licenses/)?((?:.*/)?(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)$")
"""A licence file of a distribution; the group is its path among the licences."""


def main() -> None:
    """Do all of it, or exit with a message and code 1."""
    shutil.copytree(BUILD / "sidecar", PACKAGES / "sidecar", ignore=shutil.ignore_patterns("__pycache__"))
    command = ENVIRONMENT / "bin" / "membership-sidecar"
    command.write_text(COMMAND)
    command.chmod(0o755)
    compile_all()
    collect_licences()


def compile_all() -> None:
    """Compile into PYTHONPYCACHEPREFIX. Sources never change in the image, so no time stamps need to be compared."""
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
    """Copy the licences to where scanners and people look for them; those of Debian are in /usr/share/doc."""
    keep(BUILD / "LICENSE", LICENCES / "membership-sidecar" / "LICENSE")
    for own in LIBRARY.glob("LICENSE*"):
        keep(own, LICENCES / "python" / own.name)
    for distribution in distributions(path=[str(PACKAGES)]):
        files = [file for file in distribution.files or [] if LICENCE.search(str(file))]
        if not files:
            sys.exit(f"{distribution.name} {distribution.version} has no licence file: add one to deploy/image.")
        for file in files:
            name = LICENCE.sub(r"\1", str(file))
            keep(Path(str(distribution.locate_file(file))), LICENCES / distribution.name / name)


def keep(file: Path, target: Path) -> None:
    """Copy *file* to *target*, and create its directories."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)


if __name__ == "__main__":
    main()
