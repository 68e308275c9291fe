"""The configuration of the node's programs: pure text, with the reason for every value that is not the default."""

import json
from pathlib import Path

from tests.cluster.api import Json
from tests.cluster.node.machine import Addresses

DNS_SERVICE = "10.0.0.10"
"""The address of the Service ``kube-dns``, which is in every pod's resolv.conf."""

PAUSE = "registry.k8s.io/pause:3.10.1"
"""The image of the container that holds a pod's namespaces. It is built here, under the usual name."""

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
NETWORKS = "/var/lib/networks"


def containerd(plugins: Path) -> str:
    """The runtime's configuration.

    Args:
        plugins: The directory of the CNI plugins.
    """
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE a score cannot be lowered, and the sandbox would fail to start.
    return f"""
version = 3

[grpc]
address = "{CONTAINERD_SOCKET}"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE}"

[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{plugins}"]
conf_dir = "{NETWORKS}"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def network(addresses: Addresses) -> str:
    """The pods' network: a bridge without address translation, because there is a route back to it."""
    ranges = [[{"subnet": addresses.pods}]]
    bridge = {
        "type": "bridge",
        "bridge": "pods",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]},
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    return json.dumps({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge, portmap]})


def kubelet(addresses: Addresses, cgroup: str, resolv_conf: Path) -> str:
    """The kubelet's configuration (KubeletConfiguration, kubelet.config.k8s.io/v1beta1)."""
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": addresses.inside,
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup}",
            "clusterDNS": [DNS_SERVICE],
            "clusterDomain": "cluster.local",
            "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
            # The machine is shared, so that the state of its disks and memory is no reason to evict pods.
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "failCgroupV1": False,
            "failSwapOn": False,
            "healthzPort": 0,
            "resolvConf": str(resolv_conf),
        }
    )


def kube_proxy(addresses: Addresses, node: str, kubeconfig: Path) -> str:
    """The proxy's configuration (KubeProxyConfiguration, kubeproxy.config.k8s.io/v1alpha1)."""
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "clusterCIDR": addresses.pods,
            "conntrack": {"maxPerCore": 0},  # the limit is the whole machine's
            "healthzBindAddress": f"{addresses.inside}:10256",
            "hostnameOverride": node,
            "metricsBindAddress": f"{addresses.inside}:10249",
            "mode": "nftables",
            # Between pods on the same bridge: the answer must come back through the proxy's rules.
            "nftables": {"masqueradeAll": True},
        }
    )


def dns_service(host: str, port: int) -> list[Json]:
    """The Service ``kube-dns``, and where it leads."""
    protocols = ("UDP", "TCP")
    metadata = {"name": "kube-dns", "namespace": "kube-system"}
    service_ports = [{"name": f"dns-{name.lower()}", "protocol": name, "port": 53} for name in protocols]
    endpoint_ports = [{"name": f"dns-{name.lower()}", "protocol": name, "port": port} for name in protocols]
    labels = {"kubernetes.io/service-name": "kube-dns", "endpointslice.kubernetes.io/managed-by": "tests"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"clusterIP": DNS_SERVICE, "ports": service_ports},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": metadata | {"labels": labels},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [host]}],
            "ports": endpoint_ports,
        },
    ]
