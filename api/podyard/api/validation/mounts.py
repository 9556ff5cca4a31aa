"""Where containers mount their pod's volumes (core/validation)."""

from __future__ import annotations

from podyard.api.validation import formats
from podyard.api.validation.fields import (
    Errors,
    Object,
    forbidden,
    indexed,
    invalid,
    not_found,
    not_supported,
    required,
)

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")


def mounts(path: str, container: Object, known: set[str]) -> Errors:
    """The `volumeMounts` of a container; `known` are the names of the pod's volumes."""
    paths: set[str] = set()
    for at, mount in indexed(path, container.get("volumeMounts")):
        name, mount_path = mount.get("name"), mount.get("mountPath")
        if not name:
            yield required(f"{at}.name")
        if name not in known:
            yield not_found(f"{at}.name", name or "")
        if not mount_path:
            yield required(f"{at}.mountPath")
        elif mount_path in paths:
            yield invalid(f"{at}.mountPath", mount_path, "must be unique")
        paths.add(mount_path or "")
        yield from _sub_path(path, at, mount)
        yield from _propagation(f"{path}.mountPropagation", mount, container)


def _sub_path(path: str, at: str, mount: Object) -> Errors:
    sub_path, expression = mount.get("subPath"), mount.get("subPathExpr")
    # The list's own path, without the index, is what Kubernetes gives here.
    if sub_path:
        yield from formats.relative_path(f"{path}.subPath", sub_path)
    if expression:
        if sub_path:
            yield invalid(f"{at}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive")
        yield from formats.relative_path(f"{path}.subPathExpr", expression)


def _propagation(path: str, mount: Object, container: Object) -> Errors:
    mode = mount.get("mountPropagation")
    if mode is None:
        return
    if mode not in _PROPAGATIONS:
        yield not_supported(path, mode, _PROPAGATIONS)
    if mode == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        detail = "Bidirectional mount propagation is available only to privileged containers"
        yield forbidden(path, detail)
