"""Whose members, from where, and into which files."""

from __future__ import annotations

from sidecar.settings.options.option import Option
from sidecar.settings.parsing import member_port, one_of, optional_duration, output, service

WHOSE = (
    Option(
        name="service",
        value="NAME[.NAMESPACE]",
        parse=service,
        default="",
        separator=",",
        text="Whose endpoints are the members; repeat it or separate several with commas for their union."
        " The namespace * stands for all of them.",
    ),
    Option(
        name="selector",
        value="SELECTOR",
        parse=str,
        default="",
        text="Pods instead of a Service: a label selector in kubectl's syntax, such as app=web,tier!=test.",
    ),
    Option(
        name="field-selector",
        value="SELECTOR",
        parse=str,
        default="",
        text="Of these, the pods with such fields, for example spec.nodeName=node-1.",
    ),
    Option(
        name="output",
        value="FORMAT=PATH",
        parse=output,
        default=None,
        separator=" ",
        text="A file to keep true; repeat it for more, in the variable separated by white space.",
    ),
    Option(
        name="namespace",
        value="NAME",
        parse=str,
        default="",
        text="The namespace of services that name none, and of pods; default the pod's own, else the kubeconfig's;"
        " * is all of them.",
    ),
    Option(
        name="source",
        value="auto|endpointslice|endpoints|pods|dns",
        parse=one_of("auto", "endpointslice", "endpoints", "pods", "dns"),
        default="auto",
        text="Where the members come from; auto: pods with --selector, else endpointslice; endpoints where these may"
        " not be read or do not exist, and dns where neither may.",
    ),
    Option(
        name="fallback-after",
        value="DURATION|off",
        parse=optional_duration,
        default="5m",
        text="With --source auto: how long the API server is away before DNS takes over, until it is back.",
    ),
    Option(
        name="port",
        value="NUMBER|NAME",
        parse=member_port,
        default="",
        text="The member port; default the Service's sole port. Several and no choice is an error that lists them.",
    ),
    Option(
        name="address-family",
        value="auto|ipv4|ipv6",
        parse=one_of("auto", "ipv4", "ipv6"),
        default="auto",
        text="The family of the addresses; auto is ipv4 if any member has it. The json file has both.",
    ),
)
"""In the order of the manual."""
