"""Which members to find, and through which source."""

from __future__ import annotations

from sidecar.settings.options.option import Option, Section
from sidecar.settings.parsing import member_port, one_of, optional_duration, service

DISCOVERY = Section(
    "Finding members",
    (
        Option(
            name="service",
            value="NAME[.NAMESPACE]",
            parse=service,
            default="",
            separator=",",
            text="The Service whose endpoints are the members. Repeat the option, or separate several Services with"
            " commas, to publish the members of all of them. The namespace * means all namespaces.",
        ),
        Option(
            name="selector",
            value="SELECTOR",
            parse=str,
            default="",
            text="Find the members as pods by a label selector instead of through a Service, in kubectl's syntax, such"
            " as app=web,tier!=test.",
        ),
        Option(
            name="field-selector",
            value="SELECTOR",
            parse=str,
            default="",
            text="With --selector: only the pods whose fields match, such as spec.nodeName=node-1.",
        ),
        Option(
            name="namespace",
            value="NAME",
            parse=str,
            default="",
            text="The namespace of the pods of --selector, and of every Service that is given without one; * means all"
            " namespaces. Default: the sidecar's own namespace, or outside a pod that of the kubeconfig.",
        ),
        Option(
            name="source",
            value="auto|endpointslice|endpoints|pods|dns",
            parse=one_of("auto", "endpointslice", "endpoints", "pods", "dns"),
            default="auto",
            text="Where members come from. auto is pods with --selector; otherwise it is endpointslice, or endpoints if"
            " EndpointSlices do not exist or may not be read, or dns if neither may be read.",
        ),
        Option(
            name="fallback-after",
            value="DURATION|off",
            parse=optional_duration,
            default="5m",
            text="With --source auto: how long the API server may be unavailable before DNS takes over, until the API"
            " server is back; off disables this fallback.",
        ),
        Option(
            name="port",
            value="NUMBER|NAME",
            parse=member_port,
            default="",
            text="The port of the members, by number or by name. Default: the only port of the Service; if there are"
            " several, nothing is published until one is chosen.",
        ),
        Option(
            name="address-family",
            value="auto|ipv4|ipv6",
            parse=one_of("auto", "ipv4", "ipv6"),
            default="auto",
            text="Which address of each member is published. auto is ipv4 if any member has an IPv4 address, otherwise"
            " ipv6. The json format also lists the addresses of both families.",
        ),
    ),
)
"""In the order of the manual."""
