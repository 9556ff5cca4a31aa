"""Small questions to a pod's spec. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from podyard.kubelet.runtime import ContainerState, ContainerStatus

Object = dict[str, Any]

HASH_ANNOTATION = "io.kubernetes.container.hash"
TERMINAL_PHASES = ("Succeeded", "Failed")


def init_containers(pod: Object) -> list[Object]:
    """The init containers, sidecars among them, in order."""
    return list(pod["spec"].get("initContainers") or ())


def containers(pod: Object) -> list[Object]:
    """The regular containers."""
    return list(pod["spec"]["containers"])


def all_containers(pod: Object) -> Iterator[Object]:
    """Init containers, then regular ones."""
    yield from init_containers(pod)
    yield from containers(pod)


def find_container(pod: Object, name: str) -> Object | None:
    """A container of either sort by its name."""
    return next((c for c in all_containers(pod) if c["name"] == name), None)


def field_path(pod: Object, name: str) -> str:
    """How Events name a container: "spec.containers{nginx}"."""
    is_init = any(c["name"] == name for c in init_containers(pod))
    return f"spec.{'initContainers' if is_init else 'containers'}{{{name}}}"


def is_sidecar(container: Object) -> bool:
    """Whether an init container goes on running beside the others (restartPolicy Always)."""
    return container.get("restartPolicy") == "Always"


def pod_name(pod: Object) -> str:
    """A pod as kubelet messages name it: name_namespace(uid)."""
    metadata = pod["metadata"]
    return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"


def grace_period(pod: Object) -> float:
    """Seconds that the pod's containers get to end by themselves: as deleted, else as specified."""
    deleted = pod["metadata"].get("deletionGracePeriodSeconds")
    if pod["metadata"].get("deletionTimestamp") and deleted is not None:
        return float(deleted)
    wanted = pod["spec"].get("terminationGracePeriodSeconds")
    return 30.0 if wanted is None else float(wanted)


def container_hash(container: Object) -> str:
    """Changes when a running container no longer is what its pod asks for (HashContainer)."""
    return hashlib.sha256(f"{container['name']}\0{container.get('image', '')}".encode()).hexdigest()[:16]


def restart_policy(pod: Object) -> str:
    """Always, OnFailure or Never."""
    return str(pod["spec"].get("restartPolicy") or "Always")


def should_restart(
    pod: Object, container: Object, status: ContainerStatus | None, *, init: bool = False
) -> bool:
    """Whether a container that does not run is to be started (ShouldContainerBeRestarted).

    `status` is its latest instance. An init container that has succeeded is done.
    """
    if pod["metadata"].get("deletionTimestamp"):
        return False
    if status is None or status.state == ContainerState.CREATED:
        return True
    if status.state == ContainerState.RUNNING:
        return False
    return restarts_after(pod, container, status.exit_code, init=init)


def restarts_after(pod: Object, container: Object, exit_code: int, *, init: bool = False) -> bool:
    """Whether a container that ended with `exit_code` is started again.

    The container's own restartPolicyRules come first, then its restartPolicy, then the pod's.
    """
    for rule in container.get("restartPolicyRules") or ():
        codes = rule.get("exitCodes") or {}
        listed = exit_code in (codes.get("values") or ())
        if listed == (codes.get("operator") == "In"):
            return True
    if init and not is_sidecar(container) and exit_code == 0:
        return False
    policy = container.get("restartPolicy") or restart_policy(pod)
    if policy == "Never":
        return False
    return not (policy == "OnFailure" and exit_code == 0)
