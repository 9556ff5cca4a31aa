"""Which kinds of volumes this node can mount, and where they live. Pure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from podyard.kubelet.spec import all_containers
from podyard.kubelet.volumes import Content, VolumeError, config_map, downward_api, projected, secret

Object = dict[str, Any]

CONTENT: dict[str, Content] = {
    "configMap": config_map,
    "downwardAPI": downward_api,
    "projected": projected,
    "secret": secret,
}

_PLUGINS = {
    "configMap": "kubernetes.io~configmap",
    "downwardAPI": "kubernetes.io~downward-api",
    "emptyDir": "kubernetes.io~empty-dir",
    "projected": "kubernetes.io~projected",
    "secret": "kubernetes.io~secret",
}

MOUNTABLE = (*sorted((*CONTENT, "emptyDir", "hostPath")),)


def kind_of(volume: Object) -> str:
    """The kind of a volume's source: "emptyDir", "secret"."""
    return next((key for key, value in volume.items() if key != "name" and value is not None), "emptyDir")


def unsupported(kind: str) -> VolumeError:
    """Why a volume of another kind cannot be mounted."""
    known = f"{', '.join(MOUNTABLE[:-1])} and {MOUNTABLE[-1]}"
    return VolumeError(f"this node cannot mount volumes of type {kind}; it mounts {known}")


def used_volumes(pod: Object) -> list[Object]:
    """The pod's volumes that some container mounts; the others are not made, as in Kubernetes."""
    used = {
        mount["name"]
        for container in all_containers(pod)
        for mount in (*(container.get("volumeMounts") or ()), *(container.get("volumeDevices") or ()))
    }
    return [volume for volume in pod["spec"].get("volumes") or () if volume["name"] in used]


def volume_path(pod_directory: Path, volume: Object) -> Path:
    """Where a volume is on this node. Raises VolumeError for a kind that it cannot have."""
    kind = kind_of(volume)
    if kind == "hostPath":
        return Path(volume["hostPath"]["path"])
    if kind not in _PLUGINS:
        raise unsupported(kind)
    return pod_directory / "volumes" / _PLUGINS[kind] / str(volume["name"])
