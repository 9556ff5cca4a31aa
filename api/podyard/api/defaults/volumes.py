"""Defaults of a pod's volumes (pkg/apis/core/v1/defaults.go)."""

from __future__ import annotations

from podyard.api.defaults.fill import Object, child, items, set_default
from podyard.api.images import image_tag

_FILE_MODE = 0o644
_TOKEN_SECONDS = 3600


def volume(obj: Object) -> None:
    """One volume: an emptyDir when it names no source, and its source's own defaults."""
    sources = {key: value for key, value in obj.items() if key != "name" and value is not None}
    if not sources:
        obj["emptyDir"] = {}
    for key in ("secret", "configMap", "downwardAPI", "projected"):
        if key in sources:
            set_default(sources[key], "defaultMode", _FILE_MODE)
    _downward_api_items(sources.get("downwardAPI"))
    for source in items(sources.get("projected"), "sources"):
        _downward_api_items(source.get("downwardAPI"))
        if (token := source.get("serviceAccountToken")) is not None:
            set_default(token, "expirationSeconds", _TOKEN_SECONDS)
    if "hostPath" in sources and sources["hostPath"].get("type") is None:
        sources["hostPath"]["type"] = ""
    if "image" in sources:
        latest = image_tag(sources["image"].get("reference") or "") == "latest"
        set_default(sources["image"], "pullPolicy", "Always" if latest else "IfNotPresent")
    if "iscsi" in sources:
        set_default(sources["iscsi"], "iscsiInterface", "default")
    if "ephemeral" in sources and (template := sources["ephemeral"].get("volumeClaimTemplate")) is not None:
        claim_spec(child(template, "spec"))


def claim_spec(spec: Object) -> None:
    """The spec of a PersistentVolumeClaim, wherever it stands."""
    set_default(spec, "volumeMode", "Filesystem")
    child(spec, "resources")


def _downward_api_items(source: Object | None) -> None:
    for item in items(source, "items"):
        if item.get("fieldRef") is not None:
            set_default(item["fieldRef"], "apiVersion", "v1")
        if item.get("resourceFieldRef") is not None:
            set_default(item["resourceFieldRef"], "divisor", "0")
