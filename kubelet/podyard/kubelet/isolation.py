"""What users are told of the isolation that a node's pods have or lack. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podyard.kubelet.runtime import Features, Mount

Object = dict[str, Any]

CONDITION = "SandboxIsolated"
EVENT = "SandboxNotIsolated"
VOLUMES_EVENT = "VolumesNotMounted"
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"

SHARED = "the node's file system, process ids, IPC objects and host name"


def node_condition(features: Features) -> tuple[str, str, str, str]:
    """The node's condition: type, status, reason, message."""
    if features.mount_problem:
        message = f"pods share {SHARED}, and volumes are not mounted: {features.mount_problem}"
        return CONDITION, "False", "NamespacesRefused", message
    if features.pid_problem:
        message = f"pods share the node's process ids: {features.pid_problem}"
        return CONDITION, "False", "PIDNamespaceRefused", message
    how = "user namespaces of an ordinary user" if features.user else "root"
    message = f"pods have mount, PID, IPC and UTS namespaces of their own, by {how}"
    return CONDITION, "True", "NamespacesAvailable", message


def pod_warning(pod: Object, features: Features) -> str:
    """What a pod lacks on this node, for an Event; empty when it has all it is to have."""
    if features.mount_problem:
        return (
            f"The pod runs without a sandbox: it shares {SHARED}, and its volumes are not mounted: "
            f"{features.mount_problem}"
        )
    if features.pid_problem and not pod["spec"].get("hostPID"):
        return f"The pod shares the node's process ids: {features.pid_problem}"
    return ""


def unmounted(mounts: Sequence[Mount], features: Features) -> str:
    """Which of a container's volumes are not where it expects them, for an Event; empty when all are.

    The ServiceAccount's token, which every pod has and few use, is not worth a warning of its own.
    """
    missing = [m for m in mounts if m.container_path != TOKEN_PATH]
    if not features.mount_problem or not missing:
        return ""
    listed = ", ".join(f"{m.container_path} (its files are in {m.host_path})" for m in missing)
    return f"Volumes are not mounted at {listed}: {features.mount_problem}"
