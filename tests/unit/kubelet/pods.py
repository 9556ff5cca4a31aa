"""Pods, sandboxes and containers in few words, for the kubelet's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from podyard.kubelet.observed import Observed
from podyard.kubelet.runtime import (
    ContainerState,
    ContainerStatus,
    PodSandbox,
    PodSandboxConfig,
    SandboxState,
)

Object = dict[str, Any]

UID = "11111111-2222-3333-4444-555555555555"
IP = "127.244.1.2"


def container(name: str, **fields: Any) -> Object:
    """A container of a pod's spec."""
    return {"name": name, "image": "nginx", **fields}


def pod(
    *containers: Object, init: tuple[Object, ...] = (), policy: str = "Always", **metadata: Any
) -> Object:
    """A pod that is bound to a node."""
    spec: Object = {
        "containers": list(containers) or [container("web")],
        "restartPolicy": policy,
        "nodeName": "node1",
        "terminationGracePeriodSeconds": 30,
    }
    if init:
        spec["initContainers"] = list(init)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", "uid": UID, "generation": 1, **metadata},
        "spec": spec,
        "status": {"phase": "Pending"},
    }


def sandbox(ready: bool = True, attempt: int = 0) -> PodSandbox:
    """The sandbox s0, s1, … of the pod."""
    config = PodSandboxConfig(
        name="p",
        namespace="default",
        uid=UID,
        ip=IP,
        hostname="p",
        log_directory=Path("/nowhere"),
        attempt=attempt,
    )
    state = SandboxState.READY if ready else SandboxState.NOTREADY
    return PodSandbox(id=f"s{attempt}", state=state, config=config, created_at=1000.0)


def status(
    name: str, state: str = "running", code: int = 0, attempt: int = 0, sandbox_id: str = "s0", **fields: Any
) -> ContainerStatus:
    """The instance NAME-ATTEMPT of a container: created, running or exited."""
    began = 1000.0 + 100 * attempt
    defaults: dict[str, Any] = {
        "started_at": began if state != "created" else 0.0,
        "finished_at": began + 50 if state == "exited" else 0.0,
        "exit_code": code,
        "reason": ("Error" if code else "Completed") if state == "exited" else "",
    }
    return ContainerStatus(
        id=f"{name}-{attempt}",
        sandbox_id=sandbox_id,
        pod_uid=UID,
        name=name,
        attempt=attempt,
        image="docker.io/library/nginx:latest",
        image_id="sha256:abc",
        state=ContainerState(state),
        created_at=began,
        log_path=Path("/nowhere/0.log"),
        **(defaults | fields),
    )


def observed(*containers: ContainerStatus, ready: bool = True, attempt: int = 0) -> Observed:
    """The pod's sandbox and these containers."""
    return Observed(sandbox(ready, attempt), containers)
