"""The volumes of a pod or of a pod template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podyard.kubectl.describe.lines import NONE, Lines, go_bool

_TYPES: Mapping[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "emptyDir": ("EmptyDir (a temporary directory that shares a pod's lifetime)", ()),
    "secret": ("Secret (a volume populated by a Secret)", (("SecretName", "secretName"),)),
    "configMap": ("ConfigMap (a volume populated by a ConfigMap)", (("Name", "name"),)),
    "nfs": (
        "NFS (an NFS mount that lasts the lifetime of a pod)",
        (("Server", "server"), ("Path", "path")),
    ),
    "persistentVolumeClaim": (
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        (("ClaimName", "claimName"),),
    ),
}


def describe_volumes(lines: Lines, volumes: Sequence[Mapping[str, Any]] | None, space: str = "") -> None:
    """Each volume and what it is."""
    if not volumes:
        lines.raw(f"{space}Volumes:\t{NONE}\n")
        return
    lines.raw(f"{space}Volumes:\n")
    for volume in volumes:
        lines.add(f"{' ' if space else ''}{volume['name']}:", 1)
        kind = next((key for key in volume if key != "name"), "emptyDir")
        _source(lines, kind, volume.get(kind) or {})


def _source(lines: Lines, kind: str, source: Mapping[str, Any]) -> None:
    if kind == "hostPath":
        lines.named("Type", "HostPath (bare host directory volume)", 2)
        lines.named("Path", source.get("path", ""), 2)
        lines.named("HostPathType", source.get("type", "") if "type" in source else NONE, 2)
    elif kind == "projected":
        _projected(lines, source)
    elif kind == "downwardAPI":
        lines.named("Type", "DownwardAPI (a volume populated by information about the pod)", 2)
        lines.add("Items:", 2)
        for item in source.get("items") or ():
            if "fieldRef" in item:
                lines.add(f"{item['fieldRef']['fieldPath']} -> {item['path']}", 3)
            else:
                lines.add(f"{item['resourceFieldRef']['resource']} -> {item['path']}", 3)
    elif kind in _TYPES:
        text, fields = _TYPES[kind]
        lines.named("Type", text, 2)
        for title, field in fields:
            lines.named(title, source.get(field, ""), 2)
        if kind == "emptyDir":
            lines.named("Medium", source.get("medium", ""), 2)
            lines.named("SizeLimit", source.get("sizeLimit") or "<unset>", 2)
        elif kind in ("secret", "configMap"):
            lines.named("Optional", go_bool(source.get("optional")), 2)
        else:
            lines.named("ReadOnly", go_bool(source.get("readOnly")), 2)
    else:
        lines.add("<unknown>", 1)


def _projected(lines: Lines, source: Mapping[str, Any]) -> None:
    lines.named("Type", "Projected (a volume that contains injected data from multiple sources)", 2)
    for part in source.get("sources") or ():
        if "secret" in part:
            lines.named("SecretName", part["secret"].get("name", ""), 2)
            lines.named("Optional", go_bool(part["secret"].get("optional")), 2)
        elif "downwardAPI" in part:
            lines.named("DownwardAPI", "true", 2)
        elif "configMap" in part:
            lines.named("ConfigMapName", part["configMap"].get("name", ""), 2)
            lines.named("Optional", go_bool(part["configMap"].get("optional")), 2)
        elif "serviceAccountToken" in part:
            seconds = part["serviceAccountToken"].get("expirationSeconds", 0)
            lines.named("TokenExpirationSeconds", seconds, 2)
