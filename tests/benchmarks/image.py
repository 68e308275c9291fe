"""The environment of the sidecar according to the Dockerfile. Pure except for reading that file."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from string import Template

DOCKERFILE = Path(__file__).parents[2] / "Dockerfile"
ASSEMBLE = DOCKERFILE.parent / "deploy" / "image" / "assemble.py"
"""What compiles everything there."""

ENVIRONMENT = "/opt/membership-sidecar"
"""The path of the virtual environment, in the image and in its imitation."""

BASE = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
"""What the base image sets and the Dockerfile refers to."""


def environment() -> Mapping[str, str]:
    """The variables that ENV sets in the last stage, which is the one that runs."""
    last_stage = re.split(r"^FROM ", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)[-1]
    instructions = last_stage.replace("\\\n", " ").splitlines()
    settings = [shlex.split(line.removeprefix("ENV ")) for line in instructions if line.startswith("ENV ")]
    pairs = (setting.split("=", 1) for each in settings for setting in each)
    return {name: Template(value).substitute(BASE) for name, value in pairs}
