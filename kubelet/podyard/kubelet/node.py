"""What the kubelet says of its node: the Node object, its status, its Lease. Pure but for `read_machine`."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podyard.api.times import to_rfc3339_micro
from podyard.api.version import GIT_VERSION, PODYARD_VERSION
from podyard.kubelet.images import Image
from podyard.kubelet.isolation import node_condition
from podyard.kubelet.network import NodeCondition
from podyard.kubelet.runtime import Features

Object = dict[str, Any]

LEASE_NAMESPACE = "kube-node-lease"
LEASE_DURATION_SECONDS = 40
LEASE_RENEW_SECONDS = 10.0
STATUS_REPORT_SECONDS = 300.0
MAX_PODS = 110
MAX_IMAGES = 50  # nodeStatusMaxImages

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
"""Machine names of uname(2) and what Go, and so Kubernetes, calls them."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What the host is and has. `memory` and `disk` are in bytes."""

    cpus: int
    memory: int
    disk: int
    architecture: str
    kernel: str
    os_image: str
    machine_id: str
    boot_id: str


def read_machine(data_dir: Path) -> Machine:
    """Look at the host; `data_dir` is where pods keep their files."""
    stat = os.statvfs(data_dir)
    return Machine(
        cpus=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        disk=stat.f_blocks * stat.f_frsize,
        architecture=ARCHITECTURES.get(platform.machine(), platform.machine()),
        kernel=platform.release(),
        os_image=_os_image(_text("/etc/os-release")),
        machine_id=_text("/etc/machine-id").strip(),
        boot_id=_text("/proc/sys/kernel/random/boot_id").strip(),
    )


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _os_image(os_release: str) -> str:
    """PRETTY_NAME of an os-release(5) file."""
    for line in os_release.splitlines():
        name, _, value = line.partition("=")
        if name == "PRETTY_NAME":
            return value.strip("\"'")
    return "Linux"


def make_node(name: str, machine: Machine) -> Object:
    """The Node object to register, without its status."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": machine.architecture,
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the node is: for the cluster, and for the world outside."""

    internal: str
    external: str


def make_status(
    name: str, addresses: Addresses, port: int, machine: Machine, images: list[Object] | None = None
) -> Object:
    """A Node's status without its conditions. `port` is where the kubelet serves streams."""
    resources = {
        "cpu": str(machine.cpus),
        "memory": f"{machine.memory // 1024}Ki",
        "ephemeral-storage": f"{machine.disk // 1024}Ki",
        "pods": str(MAX_PODS),
    }
    return {
        "addresses": [
            {"type": "InternalIP", "address": addresses.internal},
            {"type": "ExternalIP", "address": addresses.external},
            {"type": "Hostname", "address": name},
        ],
        "capacity": resources,
        "allocatable": dict(resources),
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "nodeInfo": {
            "architecture": machine.architecture,
            "bootID": machine.boot_id,
            "containerRuntimeVersion": f"podyard://{PODYARD_VERSION}",
            "kernelVersion": machine.kernel,
            "kubeProxyVersion": "",
            "kubeletVersion": GIT_VERSION,
            "machineID": machine.machine_id,
            "operatingSystem": "linux",
            "osImage": machine.os_image,
            "systemUUID": machine.machine_id,
        },
        "images": images or [],
    }


def node_images(images: Iterable[Image]) -> list[Object]:
    """What node.status.images says: the images that are present, largest first, at most 50."""
    listed = [{"names": [image.reference], "sizeBytes": image.size} for image in images]
    return sorted(listed, key=lambda image: -int(str(image["sizeBytes"])))[:MAX_IMAGES]


def make_conditions(
    not_ready: str,
    features: Features,
    old: list[Object],
    now: str,
    network: Iterable[NodeCondition] = (),
) -> list[Object]:
    """The node's conditions. `not_ready` says why pods cannot run; empty: they can.

    `network` are those of the network provider. A condition that stays as it was in `old` keeps its
    lastTransitionTime. `now` is RFC 3339.
    """
    healthy = (
        ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    )
    ready = (
        ("Ready", "False", "KubeletNotReady", not_ready)
        if not_ready
        else ("Ready", "True", "KubeletReady", "kubelet is posting ready status")
    )
    since = {condition["type"]: condition for condition in old}
    conditions = []
    for type_, status, reason, message in (
        *((t, "False", r, m) for t, r, m in healthy),
        node_condition(features),
        *network,
        ready,
    ):
        previous = since.pop(type_, {})
        unchanged = previous.get("status") == status and "lastTransitionTime" in previous
        conditions.append(
            {
                "type": type_,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": now,
                "lastTransitionTime": previous["lastTransitionTime"] if unchanged else now,
            }
        )
    # Conditions that others keep stand as they are.
    return [*since.values(), *conditions]


def status_differs(current: Object, wanted: Object) -> bool:
    """Whether a node's status must be written; the times of its conditions alone are no reason."""
    if any(current.get(key) != value for key, value in wanted.items() if key != "conditions" and value):
        return True
    return _bare(current.get("conditions") or []) != _bare(wanted["conditions"])


def _bare(conditions: list[Object]) -> dict[str, tuple[Any, ...]]:
    return {c["type"]: (c.get("status"), c.get("reason"), c.get("message")) for c in conditions}


def make_lease(node: Object, now: float) -> Object:
    """The Lease that says the node is alive at `now` (seconds since the epoch)."""
    name = node["metadata"]["name"]
    owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASE_NAMESPACE, "ownerReferences": [owner]},
        "spec": {
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_DURATION_SECONDS,
            "renewTime": to_rfc3339_micro(now),
        },
    }


def network_not_ready(node: Object) -> str:
    """Why pods get no addresses yet, in the words that kubelets use; empty when they do."""
    if node.get("spec", {}).get("podCIDR"):
        return ""
    return (
        "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady "
        "message:Network plugin returns error: the node has no podCIDR yet"
    )
