"""Which processes make up a cluster, and with which flags."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from podyard.cli.cluster import control
from podyard.cli.cluster.config import NETNS, NODE_DNS_PORT, ClusterConfig


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process: its name in `podyard status`, where it can be reached, its `podyard …` words.

    `node` is the node that it is on, empty for those that are on none.
    """

    name: str
    address: str
    arguments: tuple[str, ...]
    node: str = field(default="", kw_only=True)

    @property
    def command(self) -> list[str]:
        """The whole command line."""
        return [sys.executable, "-m", "podyard.cli", *self.arguments]


@dataclass(frozen=True, slots=True)
class Port:
    """A port that must be free when the cluster starts. `kind` is tcp or udp."""

    what: str
    kind: str
    address: str
    number: int


def processes(cluster: ClusterConfig, *, inside: bool = False) -> list[ProcessSpec]:
    """Every process of the cluster, in the order of their start.

    `inside`: in namespaces of its own, to which the host has the gate alone.
    """
    specs = [_apiserver(cluster), _controller_manager(cluster), _dns(cluster)]
    for number, name in enumerate(cluster.node_names(), 1):
        node = NodeSite(
            name=name,
            address=cluster.node_ip(number),
            external=cluster.node_host_ip(number) if inside else cluster.node_ip(number),
            data_dir=cluster.data_dir,
            cluster_dns=cluster.dns_ip,
            cluster_domain=cluster.cluster_domain,
            network=cluster.network,
            pod_cidr=cluster.pod_cidr,
            service_cidrs=(cluster.service_cidr, cluster.load_balancer_cidr),
        )
        serving = (
            "--tls-cert-file", _pki(cluster, f"kubelet-{name}-serving.crt"),
            "--tls-private-key-file", _pki(cluster, f"kubelet-{name}-serving.key"),
        )  # fmt: skip
        kubelet = (*_client(cluster, f"kubelet-{name}"), *serving)
        specs += node_processes(node, kubelet, _client(cluster, f"proxy-{name}"))
    return specs


def required_ports(cluster: ClusterConfig) -> list[Port]:
    """What the processes are going to listen on at once, whatever Services there are."""
    ports = [
        *host_ports(cluster),
        Port("the component API", "tcp", cluster.api_address, cluster.api_port + 1),
        Port("DNS", "udp", cluster.control_plane_ip, 53),
        Port("DNS", "tcp", cluster.control_plane_ip, 53),
    ]
    if not cluster.advertise:  # its nodes' proxies are on this host
        ports.append(Port("the kube-dns Service", "udp", cluster.dns_ip, 53))
        ports.append(Port("the kube-dns Service", "tcp", cluster.dns_ip, 53))
    for number, node in enumerate(cluster.node_names(), 1):
        ports.append(kubelet_port(node, cluster.node_ip(number)))
    return ports


def kubelet_port(node: str, address: str) -> Port:
    """Where a node's kubelet listens."""
    return Port(f"the kubelet of {node}", "tcp", address, 10250)


def host_ports(cluster: ClusterConfig) -> list[Port]:
    """The ports that are needed on the host even by a cluster in namespaces of its own."""
    return [Port("the Kubernetes API", "tcp", cluster.advertise or "127.0.0.1", cluster.api_port)]


def gate(cluster: ClusterConfig) -> ProcessSpec:
    """The process that lets the host into a cluster in namespaces of its own."""
    arguments = (
        "gate",
        *_client(cluster, "gate"),
        "--api-address",
        cluster.api_address,
        "--api-port",
        str(cluster.api_port),
        "--listeners",
        str(control.socket_path(cluster.path, "listeners")),
    )
    return ProcessSpec("gate", cluster.api_address, arguments)


def _pki(cluster: ClusterConfig, name: str) -> str:
    return str(cluster.path / "pki" / name)


def _client(cluster: ClusterConfig, identity: str) -> tuple[str, ...]:
    return (
        "--server", cluster.server,
        "--ca-file", _pki(cluster, "ca.crt"),
        "--cert-file", _pki(cluster, f"{identity}.crt"),
        "--key-file", _pki(cluster, f"{identity}.key"),
    )  # fmt: skip


def _apiserver(cluster: ClusterConfig) -> ProcessSpec:
    arguments = (
        "apiserver",
        "--data-dir", cluster.data_dir,
        "--address", cluster.api_address,
        "--port", str(cluster.api_port),
        "--grpc-address", cluster.server,
        "--advertise-address", cluster.api_address,
        "--service-cluster-ip-range", cluster.service_cidr,
        "--cluster-dns", cluster.dns_ip,
        "--client-ca-file", _pki(cluster, "ca.crt"),
        "--tls-cert-file", _pki(cluster, "apiserver.crt"),
        "--tls-private-key-file", _pki(cluster, "apiserver.key"),
        "--kubelet-certificate-authority", _pki(cluster, "kubelet-ca.crt"),
        "--kubelet-client-cert-file", _pki(cluster, "apiserver-kubelet-client.crt"),
        "--kubelet-client-key-file", _pki(cluster, "apiserver-kubelet-client.key"),
        "--service-account-signing-key-file", _pki(cluster, "sa.key"),
        "--service-account-key-file", _pki(cluster, "sa.pub"),
        "--service-account-issuer", f"https://kubernetes.default.svc.{cluster.cluster_domain}",
        *cluster.component_args.get("apiserver", ()),
    )  # fmt: skip
    return ProcessSpec("apiserver", cluster.api_url, arguments)


def _controller_manager(cluster: ClusterConfig) -> ProcessSpec:
    arguments = (
        "controller-manager",
        *_client(cluster, "controller-manager"),
        "--cluster-cidr", cluster.pod_cidr,
        "--load-balancer-cidr", cluster.load_balancer_cidr,
        "--cluster-signing-cert-file", _pki(cluster, "ca.crt"),
        "--cluster-signing-key-file", _pki(cluster, "ca.key"),
        "--cluster-signing-kubelet-serving-cert-file", _pki(cluster, "kubelet-ca.crt"),
        "--cluster-signing-kubelet-serving-key-file", _pki(cluster, "kubelet-ca.key"),
        *(("--node-dns-port", str(NODE_DNS_PORT)) if cluster.advertise else ()),
        *cluster.component_args.get("controller-manager", ()),
    )  # fmt: skip
    return ProcessSpec("controller-manager", "", arguments)


def _dns(cluster: ClusterConfig) -> ProcessSpec:
    arguments = (
        "dns", *_client(cluster, "dns"),
        "--address", cluster.control_plane_ip,
        "--service-ip", cluster.dns_ip,
        "--cluster-domain", cluster.cluster_domain,
    )  # fmt: skip
    where = cluster.control_plane_ip if cluster.advertise else cluster.dns_ip
    return ProcessSpec("dns", f"{where}:53", arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSite:
    """A node on this host: who it is, where its state lives, and what its pods are to know.

    `external` is its address for those outside of the cluster. `pod_cidr` has the pods of all nodes,
    `service_cidrs` the addresses of all Services.
    """

    name: str
    address: str
    external: str
    data_dir: str
    cluster_dns: str
    cluster_domain: str
    network: str
    pod_cidr: str
    service_cidrs: tuple[str, ...]


def node_processes(
    node: NodeSite, kubelet_client: tuple[str, ...], proxy_client: tuple[str, ...]
) -> list[ProcessSpec]:
    """The processes of one node; the two tuples say as whom each of them calls the apiserver."""
    kubelet = (
        "kubelet", *kubelet_client,
        "--node-name", node.name,
        "--node-ip", node.address,
        "--node-external-ip", node.external,
        "--data-dir", node.data_dir,
        "--images-dir", f"{node.data_dir}/images",
        "--cluster-dns", node.cluster_dns,
        "--cluster-domain", node.cluster_domain,
        "--network", node.network,
        "--cluster-cidr", node.pod_cidr,
    )  # fmt: skip
    proxy: tuple[str, ...] = ("proxy", *proxy_client, "--node-name", node.name, "--node-ip", node.address)
    if node.network == NETNS:
        proxy += tuple(word for cidr in node.service_cidrs for word in ("--service-cidr", cidr))
    return [
        ProcessSpec(f"kubelet-{node.name}", f"{node.address}:10250", kubelet, node=node.name),
        ProcessSpec(f"proxy-{node.name}", node.address, proxy, node=node.name),
    ]
