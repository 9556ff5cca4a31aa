"""Security contexts of pods and containers (core/validation)."""

from __future__ import annotations

from podyard.api.validation import formats
from podyard.api.validation.fields import Errors, Object, indexed, invalid, not_supported, required

_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")


def pod_security_context(path: str, spec: Object) -> Errors:
    """The `securityContext` of a pod spec."""
    context = spec.get("securityContext") or {}
    for key in ("fsGroup", "runAsUser", "runAsGroup"):
        yield from formats.user_id(f"{path}.{key}", context.get(key))
    for at, group in indexed(f"{path}.supplementalGroups", context.get("supplementalGroups")):
        yield from formats.user_id(at, group)
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        detail = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield invalid(f"{path}.shareProcessNamespace", True, detail)
    for key, values in (
        ("fsGroupChangePolicy", ("Always", "OnRootMismatch")),
        ("supplementalGroupsPolicy", ("Merge", "Strict")),
    ):
        if context.get(key) is not None and context[key] not in values:
            yield not_supported(f"{path}.{key}", context[key], values)
    yield from _profiles(path, context)


def container_security_context(path: str, context: Object | None) -> Errors:
    """The `securityContext` of a container."""
    if not context:
        return
    for key in ("runAsUser", "runAsGroup"):
        yield from formats.user_id(f"{path}.{key}", context.get(key))
    mount = context.get("procMount")
    if mount is not None and mount not in ("Default", "Unmasked"):
        yield not_supported(f"{path}.procMount", mount, ("Default", "Unmasked"))
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged"):
            detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield invalid(path, context, detail)
        if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or []):
            detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield invalid(path, context, detail)
    yield from _profiles(path, context)


def _profiles(path: str, context: Object) -> Errors:
    for key, what in (("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")):
        profile = context.get(key)
        if profile is None:
            continue
        at, kind, file = f"{path}.{key}", profile.get("type"), profile.get("localhostProfile")
        if not kind:
            yield required(f"{at}.type", f"type is required when {key} is set")
        elif kind not in _PROFILES:
            yield not_supported(f"{at}.type", kind, _PROFILES)
        elif kind == "Localhost" and not file:
            yield required(f"{at}.localhostProfile", f"must be set when {what} type is Localhost")
        elif kind != "Localhost" and file is not None:
            detail = f"can only be set when {what} type is Localhost"
            yield invalid(f"{at}.localhostProfile", file, detail)
