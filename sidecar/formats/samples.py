"""A sample of every format, for ``membership-sidecar formats`` and the README.

Pure.
"""

from __future__ import annotations

from sidecar.formats import FORMATS, render
from sidecar.membership.member import Member


def member(number: int, address: str) -> Member:
    """A member of a made-up service."""
    return Member(
        name=f"app-{number}",
        namespace="default",
        service="app",
        uid=f"5d0c2b9e-7c5e-4f0e-9a51-00000000000{number}",
        address=address,
        addresses=(address,),
        port=5701,
        hostname=f"app-{number}",
        node=f"node-{number}",
        zone="eu-central-1a",
        ready=True,
        serving=True,
        terminating=False,
        is_self=number == 0,
    )


MEMBERS = (member(0, "10.0.0.1"), member(1, "10.0.0.2"))


def sample(name: str) -> str:
    """The sample file of a format."""
    return render(FORMATS[name], "endpointslice", MEMBERS).decode()


def text() -> str:
    """What ``membership-sidecar formats`` prints."""
    return "\n".join(
        f"{form.name}: {form.summary}\n"
        f"  written with --output {form.name}=/membership/{form.file}\n"
        f"  read {form.read}\n\n{sample(form.name)}"
        for form in FORMATS.values()
    )
