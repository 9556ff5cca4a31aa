"""The volume by which a pod's containers reach the API (kubernetes/plugin/pkg/admission/serviceaccount)."""

from __future__ import annotations

from podyard.api.names import random_suffix
from podyard.apiserver.registry import Object
from podyard.apiserver.tokens.claims import WARN_ONLY_SECONDS

MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
_NAME_PREFIX = "kube-api-access-"


def wants_token(spec: Object, account: Object | None) -> bool:
    """Whether a pod is to have a token: as it says itself, or else its ServiceAccount."""
    own = spec.get("automountServiceAccountToken")
    if own is None and account is not None:
        own = account.get("automountServiceAccountToken")
    return own is not False


def mount_token(spec: Object) -> None:
    """Mount the token, the CA certificate and the namespace in every container that has nothing there."""
    volumes = spec.get("volumes") or []
    present = next((v["name"] for v in volumes if v.get("name", "").startswith(_NAME_PREFIX)), "")
    name = present or _NAME_PREFIX + random_suffix(5)
    needed = False
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        mounts = container.get("volumeMounts") or []
        if any(mount.get("mountPath") == MOUNT_PATH for mount in mounts):
            continue
        container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}]
        needed = True
    if needed and not present:
        spec["volumes"] = [*volumes, {"name": name, "projected": _projected()}]


def _projected() -> Object:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    certificate = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": WARN_ONLY_SECONDS, "path": "token"}},
            {"configMap": certificate},
            {"downwardAPI": {"items": [namespace]}},
        ],
        "defaultMode": 0o644,
    }
