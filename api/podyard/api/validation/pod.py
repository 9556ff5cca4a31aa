"""Pods: what a new one needs and what may change later (core/validation ValidatePodCreate, …Update)."""

from __future__ import annotations

import copy
from typing import Any

from podyard.api.validation.containers import image_without_space
from podyard.api.validation.fields import (
    Errors,
    Object,
    forbidden,
    indexed,
    invalid,
    not_supported,
    required,
    show,
)
from podyard.api.validation.podspec import pod_spec, pod_template
from podyard.api.validation.scheduling import tolerations

_UPDATABLE = ",".join(
    (
        "`spec.containers[*].image`",
        "`spec.initContainers[*].image`",
        "`spec.activeDeadlineSeconds`",
        "`spec.tolerations` (only additions to existing tolerations)",
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
    )
)
_MAX_INT32 = 2**31 - 1


def create(pod: Object) -> Errors:
    """A new Pod."""
    spec = pod.get("spec") or {}
    yield from _spec(spec)
    if spec.get("ephemeralContainers"):
        yield forbidden("spec.ephemeralContainers", "cannot be set on create")
    if spec.get("nodeName") and spec.get("schedulingGates"):
        yield forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared")


def _spec(spec: Object) -> Errors:
    yield from pod_spec("spec", spec, is_pod=True)
    for key in ("containers", "initContainers"):
        for at, container in indexed(f"spec.{key}", spec.get(key)):
            yield from image_without_space(at, container)


def update(pod: Object, old: Object) -> Errors:
    """A Pod that replaces `old`: of the spec only a few fields may have changed."""
    new_spec, old_spec = pod.get("spec") or {}, old.get("spec") or {}
    if new_spec == old_spec:
        return
    yield from _spec(new_spec)
    for key in ("containers", "initContainers"):
        if len(new_spec.get(key) or []) != len(old_spec.get(key) or []):
            yield forbidden(f"spec.{key}", "pod updates may not add or remove containers")
            return
    yield from _deadline(new_spec.get("activeDeadlineSeconds"), old_spec.get("activeDeadlineSeconds"))
    yield from _tolerations(new_spec.get("tolerations") or [], old_spec.get("tolerations") or [])
    yield from _gates(new_spec.get("schedulingGates") or [], old_spec.get("schedulingGates") or [])
    yield from _rest(new_spec, old_spec)


def _deadline(new: int | None, old: int | None) -> Errors:
    path = "spec.activeDeadlineSeconds"
    if new is None:
        if old is not None:
            yield invalid(path, None, "must not update from a positive integer to nil value")
    elif not 0 <= new <= _MAX_INT32:
        yield invalid(path, new, f"must be between 0 and {_MAX_INT32}, inclusive")
    elif old is not None and old < new:
        yield invalid(path, new, "must be less than or equal to previous value")


def _tolerations(new: list[Object], old: list[Object]) -> Errors:
    def kind(toleration: Object) -> Object:
        return {key: value for key, value in toleration.items() if key != "tolerationSeconds"}

    kept = [kind(toleration) for toleration in new]
    if any(kind(toleration) not in kept for toleration in old):
        detail = "existing toleration can not be modified except its tolerationSeconds"
        yield forbidden("spec.tolerations", detail)
    else:
        yield from tolerations("spec.tolerations", new)


def _gates(new: list[Object], old: list[Object]) -> Errors:
    known = {gate.get("name") for gate in old}
    for at, gate in indexed("spec.schedulingGates", new):
        if gate.get("name") not in known:
            detail = f"only deletion is allowed, but found new scheduling gate '{gate.get('name')}'"
            yield forbidden(f"{at}.name", detail)


def _rest(new_spec: Object, old_spec: Object) -> Errors:
    """Nothing else may differ: put the old values of what may change into a copy and compare."""
    munged = copy.deepcopy(new_spec)
    for key in ("containers", "initContainers"):
        for container, before in zip(munged.get(key) or [], old_spec.get(key) or [], strict=True):
            container["image"] = before.get("image")
    for key in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        _restore(munged, old_spec, key)
    if (old_spec.get("terminationGracePeriodSeconds") or 0) < 0 and munged.get(
        "terminationGracePeriodSeconds"
    ) == 1:
        _restore(munged, old_spec, "terminationGracePeriodSeconds")
    if old_spec.get("schedulingGates"):
        yield from _gated(munged, old_spec)
    if differences := _differences(old_spec, munged):
        text = "\n".join(differences)
        yield forbidden("spec", f"pod updates may not change fields other than {_UPDATABLE}\n{text}")


def _gated(munged: Object, old_spec: Object) -> Errors:
    """A pod that still waits for its gates may be given more node selectors."""
    new, old = munged.get("nodeSelector") or {}, old_spec.get("nodeSelector") or {}
    if any(new.get(key) != value for key, value in old.items()):
        detail = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        yield invalid("spec.nodeSelector", new, detail)
    _restore(munged, old_spec, "nodeSelector")


def _restore(munged: Object, old_spec: Object, key: str) -> None:
    if key in old_spec:
        munged[key] = old_spec[key]
    else:
        munged.pop(key, None)


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    """What differs, one line for what was and one for what is; nothing and empty are the same."""
    if (old or None) == (new or None):
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [*old, *(key for key in new if key not in old)]
        found = (_differences(old.get(key), new.get(key), f"{path}.{key}") for key in keys)
        return [line for lines in found for line in lines]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = enumerate(zip(old, new, strict=True))
        found = (_differences(before, after, f"{path}[{index}]") for index, (before, after) in pairs)
        return [line for lines in found for line in lines]
    name = path.removeprefix(".")
    lines = [f"- \t{name}: {show(old)}"] if old is not None else []
    return [*lines, f"+ \t{name}: {show(new)}"] if new is not None else lines


def template_create(obj: Object) -> Errors:
    """A PodTemplate object."""
    yield from pod_template("template", obj.get("template"))


def binding(obj: Object) -> Errors:
    """A Binding: the node that a pod is given to."""
    target = obj.get("target") or {}
    if target.get("kind") not in (None, "", "Node"):
        yield not_supported("target.kind", target["kind"], ("Node", "<empty>"))
    if not target.get("name"):
        yield required("target.name")
