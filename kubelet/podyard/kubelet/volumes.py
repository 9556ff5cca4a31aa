"""Which of a pod's volumes this node can give it. Pure.

A node cannot mount anything into a container yet, so a pod whose containers mount volumes waits
and says why; volumes that no container mounts are no hindrance.
"""

from __future__ import annotations

from typing import Any

from podyard.kubelet.spec import all_containers

Object = dict[str, Any]

TOKEN_VOLUME_PREFIX = "kube-api-access-"
"""The volume that the apiserver adds to every pod for its ServiceAccount; pods run without it."""


def mount_problem(pod: Object) -> str:
    """Why the pod cannot start for its volumes, for a FailedMount Event; empty when it can."""
    used = {
        mount["name"]
        for container in all_containers(pod)
        for mount in (*(container.get("volumeMounts") or ()), *(container.get("volumeDevices") or ()))
        if not mount["name"].startswith(TOKEN_VOLUME_PREFIX)
    }
    if not used:
        return ""
    volumes = [volume for volume in pod["spec"].get("volumes") or () if volume["name"] in used]
    listed = ", ".join(f"{volume['name']} ({volume_type(volume)})" for volume in volumes)
    names = " ".join(volume["name"] for volume in volumes)
    return (
        f"Unable to attach or mount volumes: unmounted volumes=[{names}]: "
        f"this node cannot mount volumes into containers yet: {listed}"
    )


def volume_type(volume: Object) -> str:
    """The kind of a volume's source: "emptyDir", "secret"."""
    return next((key for key in volume if key != "name"), "emptyDir")
