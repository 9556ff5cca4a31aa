"""Which processes make up a cluster, and with which flags."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from podyard.cli.cluster import control
from podyard.cli.cluster.config import ClusterConfig


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process: its name in `podyard status`, where it can be reached, its `podyard …` words."""

    name: str
    address: str
    arguments: tuple[str, ...]

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


def processes(cluster: ClusterConfig) -> list[ProcessSpec]:
    """Every process of the cluster, in the order of their start."""
    specs = [_apiserver(cluster), _controller_manager(cluster), _dns(cluster)]
    for number, node in enumerate(cluster.node_names(), 1):
        specs += [_kubelet(cluster, number, node), _proxy(cluster, number, node)]
    return specs


def required_ports(cluster: ClusterConfig) -> list[Port]:
    """What the processes are going to listen on at once, whatever Services there are."""
    ports = [
        *host_ports(cluster),
        Port("the component API", "tcp", cluster.api_address, cluster.api_port + 1),
        Port("DNS", "udp", cluster.control_plane_ip, 53),
        Port("DNS", "tcp", cluster.control_plane_ip, 53),
        Port("the kube-dns Service", "udp", cluster.dns_ip, 53),
        Port("the kube-dns Service", "tcp", cluster.dns_ip, 53),
    ]
    for number, node in enumerate(cluster.node_names(), 1):
        ports.append(Port(f"the kubelet of {node}", "tcp", cluster.node_ip(number), 10250))
    return ports


def host_ports(cluster: ClusterConfig) -> list[Port]:
    """The ports that are needed on the host even by a cluster in namespaces of its own."""
    return [Port("the Kubernetes API", "tcp", cluster.api_address, cluster.api_port)]


def gate(cluster: ClusterConfig) -> ProcessSpec:
    """The process that lets the host into a cluster in namespaces of its own."""
    arguments = (
        "gate",
        *_client(cluster, "gate"),
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
        "--kubelet-client-cert-file", _pki(cluster, "apiserver-kubelet-client.crt"),
        "--kubelet-client-key-file", _pki(cluster, "apiserver-kubelet-client.key"),
        "--service-account-signing-key-file", _pki(cluster, "sa.key"),
        "--service-account-key-file", _pki(cluster, "sa.pub"),
        "--service-account-issuer", f"https://kubernetes.default.svc.{cluster.cluster_domain}",
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
    )  # fmt: skip
    return ProcessSpec("controller-manager", "", arguments)


def _dns(cluster: ClusterConfig) -> ProcessSpec:
    arguments = (
        "dns", *_client(cluster, "dns"),
        "--address", cluster.control_plane_ip,
        "--service-ip", cluster.dns_ip,
        "--cluster-domain", cluster.cluster_domain,
    )  # fmt: skip
    return ProcessSpec("dns", f"{cluster.dns_ip}:53", arguments)


def _kubelet(cluster: ClusterConfig, number: int, node: str) -> ProcessSpec:
    address = cluster.node_ip(number)
    arguments = (
        "kubelet", *_client(cluster, f"kubelet-{node}"),
        "--node-name", node,
        "--node-ip", address,
        "--data-dir", cluster.data_dir,
        "--images-dir", str(cluster.path / "images"),
        "--cluster-dns", cluster.dns_ip,
        "--cluster-domain", cluster.cluster_domain,
    )  # fmt: skip
    return ProcessSpec(f"kubelet-{node}", f"{address}:10250", arguments)


def _proxy(cluster: ClusterConfig, number: int, node: str) -> ProcessSpec:
    address = cluster.node_ip(number)
    arguments = ("proxy", *_client(cluster, f"proxy-{node}"), "--node-name", node, "--node-ip", address)
    return ProcessSpec(f"proxy-{node}", address, arguments)
