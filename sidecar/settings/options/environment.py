"""The own pod, its rollout and its cluster; how the API server is reached, and how the sidecar is seen."""

from __future__ import annotations

from sidecar.settings.options.option import Option
from sidecar.settings.parsing import cluster_domain, listen, nameserver, one_of, optional_path

SURROUNDINGS = (
    Option(
        name="pod-uid",
        value="UID",
        parse=str,
        default="",
        text="The UID of the sidecar's own pod, from the downward API; it marks the member that is self.",
    ),
    Option(
        name="pod-name",
        value="NAME",
        parse=str,
        default="",
        text="Its name, used where the UID is not known.",
    ),
    Option(
        name="pod-ip",
        value="ADDRESS",
        parse=str,
        default="",
        separator=",",
        text="Its addresses, by which it is recognized in DNS.",
    ),
    Option(
        name="cluster-domain",
        value="DOMAIN",
        parse=cluster_domain,
        default="",
        text="The DNS zone of the cluster; default the one in the pod's resolv.conf, else cluster.local.",
    ),
    Option(
        name="dns-server",
        value="ADDRESS[:PORT]",
        parse=nameserver,
        default="",
        separator=",",
        text="Whom to ask; repeat it for more; default those of resolv.conf.",
    ),
    Option(
        name="split",
        value="off|auto|owner|LABEL",
        parse=str,
        default="off",
        text="With pods: only those rolled out together with the sidecar's own. auto tells rollouts apart by the labels"
        " pod-template-hash, deployment or controller-revision-hash, owner by the controller; or name a label.",
    ),
    Option(
        name="split-unknown",
        value="open|closed",
        parse=one_of("open", "closed"),
        default="closed",
        text="What is published after the start timeout if the own rollout is not known: all, or nothing.",
    ),
    Option(
        name="cluster-id",
        value="LABEL",
        parse=str,
        default="",
        text="With pods: the label that names a pod's cluster; pods of another one than the own are never members.",
    ),
    Option(
        name="kubeconfig",
        value="FILE",
        parse=optional_path,
        default="",
        text="How to reach the API server; default the pod's service account, else the default kubeconfig.",
    ),
    Option(
        name="context",
        value="NAME",
        parse=str,
        default="",
        text="The context in it; default its current one.",
    ),
    Option(
        name="listen",
        value="ADDRESS:PORT|off",
        parse=listen,
        default="[::]:9466",
        text="Where to serve /metrics, /livez, /readyz, /startupz and /status; [::] takes IPv4 too.",
    ),
    Option(
        name="log-level",
        value="debug|info|warning|error",
        parse=one_of("debug", "info", "warning", "error"),
        default="info",
        text="The lowest level that is logged.",
    ),
    Option(
        name="log-format",
        value="json|console",
        parse=one_of("json", "console"),
        default="json",
        text="How.",
    ),
)
"""In the order of the manual."""
