"""Where the sidecar runs: its own pod, and how it reaches the API server and DNS."""

from __future__ import annotations

from sidecar.settings.options.option import Option, Section
from sidecar.settings.parsing import cluster_domain, nameserver, optional_path

ENVIRONMENT = Section(
    "Own pod, API server and DNS",
    (
        Option(
            name="pod-uid",
            value="UID",
            parse=str,
            default="",
            text="The UID of the sidecar's own pod, from the downward API (metadata.uid). It identifies the"
            " own pod among the members.",
        ),
        Option(
            name="pod-name",
            value="NAME",
            parse=str,
            default="",
            text="The name of the sidecar's own pod, from the downward API (metadata.name). It identifies"
            " the own pod where the UID is not known, and --min-members asks for the replicas of its controller.",
        ),
        Option(
            name="pod-ip",
            value="ADDRESS",
            parse=str,
            default="",
            separator=",",
            text="The IP addresses of the sidecar's own pod, from the downward API (status.podIPs), separated by"
            " commas. With --source dns they identify the own pod among the members.",
        ),
        Option(
            name="kubeconfig",
            value="FILE",
            parse=optional_path,
            default="",
            text="The kubeconfig file with which to reach the API server. Default: the pod's service account, or"
            " outside a pod the default kubeconfig.",
        ),
        Option(
            name="context",
            value="NAME",
            parse=str,
            default="",
            text="The context of the kubeconfig to use. Default: its current context.",
        ),
        Option(
            name="cluster-domain",
            value="DOMAIN",
            parse=cluster_domain,
            default="",
            text="The DNS domain of the cluster. Default: the one in the search list of the pod's resolv.conf, or"
            " cluster.local.",
        ),
        Option(
            name="dns-server",
            value="ADDRESS[:PORT]",
            parse=nameserver,
            default="",
            separator=",",
            text="The DNS server to query, by its IP address. Repeat the option, or separate several with commas."
            " Default: the servers in resolv.conf; the default port is 53.",
        ),
    ),
)
"""In the order of the manual."""
