"""What the workers of a node's pods share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from podyard.client.client import Client
from podyard.kubelet.backoff import Backoff
from podyard.kubelet.dns import hostname, hosts_file, pod_dns
from podyard.kubelet.network import NetworkProvider
from podyard.kubelet.pod_events import Recorder
from podyard.kubelet.ports import port_mappings
from podyard.kubelet.pulling import ImagePuller
from podyard.kubelet.runtime import ContainerRuntime, DnsConfig, NamespaceMode, PodSandboxConfig
from podyard.kubelet.starter import ContainerStarter
from podyard.kubelet.status_manager import StatusManager
from podyard.kubelet.volumes.node_volumes import NodeVolumes
from podyard.process.clock import Clock

Object = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class PodContext:
    """The node's services, as a pod's worker needs them.

    `network_problem` says why pods get no addresses yet, empty when they do. `host_dns` and `host_hosts`
    are what the node's /etc/resolv.conf and /etc/hosts say.
    """

    client: Client
    runtime: ContainerRuntime
    network: NetworkProvider
    puller: ImagePuller
    starter: ContainerStarter
    volumes: NodeVolumes
    statuses: StatusManager
    recorder: Recorder
    clock: Clock
    node_name: str
    node_ip: str
    log_root: Path
    network_problem: Callable[[], str]
    cluster_dns: str = ""
    cluster_domain: str = "cluster.local"
    host_dns: DnsConfig = field(default_factory=DnsConfig)
    host_hosts: str = ""
    backoff: Backoff = field(default_factory=Backoff)

    def log_directory(self, pod: Object) -> Path:
        """Where the logs of a pod's containers are."""
        metadata = pod["metadata"]
        return self.log_root / f"{metadata['namespace']}_{metadata['name']}_{metadata['uid']}"

    def sandbox_config(self, pod: Object, ip: str, attempt: int) -> PodSandboxConfig:
        """What the runtime is told of a pod."""
        metadata = pod["metadata"]
        return PodSandboxConfig(
            name=metadata["name"],
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            ip=ip,
            hostname=hostname(pod, self.node_name, self.cluster_domain),
            log_directory=self.log_directory(pod),
            attempt=attempt,
            labels=metadata.get("labels") or {},
            annotations=metadata.get("annotations") or {},
            dns=pod_dns(pod, self.cluster_dns, self.cluster_domain, self.host_dns),
            hosts=hosts_file(pod, ip, self.cluster_domain, self.host_hosts),
            network=NamespaceMode.NODE if pod["spec"].get("hostNetwork") else self.network.mode,
            port_mappings=port_mappings(pod, self.node_ip),
            pid=_pid_mode(pod["spec"]),
            ipc=NamespaceMode.NODE if pod["spec"].get("hostIPC") else NamespaceMode.POD,
        )


def _pid_mode(spec: Object) -> NamespaceMode:
    if spec.get("hostPID"):
        return NamespaceMode.NODE
    return NamespaceMode.POD if spec.get("shareProcessNamespace") else NamespaceMode.CONTAINER
