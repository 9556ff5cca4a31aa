"""Volumes, claims and storage classes (core/validation, pkg/apis/storage/validation)."""

from __future__ import annotations

from podyard.api.validation import formats, quantities
from podyard.api.validation.fields import (
    Errors,
    Object,
    forbidden,
    immutable,
    invalid,
    not_supported,
    required,
)

_ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")


def storage_class_create(obj: Object) -> Errors:
    """A StorageClass."""
    if not obj.get("provisioner"):
        yield required("provisioner")
    for key, allowed in (
        ("reclaimPolicy", ("Delete", "Retain")),
        ("volumeBindingMode", ("Immediate", "WaitForFirstConsumer")),
    ):
        if obj.get(key) not in (None, *allowed):
            yield not_supported(key, obj[key], allowed)


def storage_class_update(new: Object, old: Object) -> Errors:
    """A StorageClass that replaces `old`: what it makes stays."""
    for key in ("parameters", "provisioner", "reclaimPolicy"):
        if (new.get(key) or None) != (old.get(key) or None):
            yield forbidden(key, f"updates to {key} are forbidden.")
    yield from immutable("volumeBindingMode", new.get("volumeBindingMode"), old.get("volumeBindingMode"))


def claim_create(obj: Object) -> Errors:
    """A PersistentVolumeClaim."""
    spec = obj.get("spec") or {}
    yield from _access_modes(spec)
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    amount = quantities.value(size or "1")
    if size is None:
        yield required("spec.resources[storage]")
    elif amount is not None and amount <= 0:
        yield invalid("spec.resources[storage]", size, "must be greater than zero")
    else:
        yield from quantities.quantity("spec.resources[storage]", "storage", size)
    if spec.get("storageClassName"):
        yield from formats.dns_subdomain("spec.storageClassName", spec["storageClassName"])
    yield from _volume_mode(spec)


def claim_update(new: Object, old: Object) -> Errors:
    """A PersistentVolumeClaim that replaces `old`: only its size may change, once it is bound."""
    yield from claim_create(new)
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    mutable = {"resources"} if (old.get("status") or {}).get("phase") == "Bound" else set()
    mutable |= {key for key in ("volumeName", "storageClassName") if not before.get(key)}
    kept, was = ({k: v for k, v in each.items() if k not in mutable and v} for each in (spec, before))
    if kept != was:
        detail = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName "
            "for bound claims"
        )
        yield forbidden("spec", detail)


def volume_create(obj: Object) -> Errors:
    """A PersistentVolume."""
    spec = obj.get("spec") or {}
    yield from _access_modes(spec)
    if not spec.get("capacity"):
        yield required("spec.capacity")
    for name, text in (spec.get("capacity") or {}).items():
        yield from quantities.quantity(f"spec.capacity[{name}]", name, text)
    policies = ("Delete", "Recycle", "Retain")
    policy = spec.get("persistentVolumeReclaimPolicy")
    if policy not in (None, "", *policies):
        yield not_supported("spec.persistentVolumeReclaimPolicy", policy, policies)
    yield from _volume_mode(spec)


def _access_modes(spec: Object) -> Errors:
    modes = spec.get("accessModes") or []
    if not modes:
        yield required("spec.accessModes", "at least 1 access mode is required")
    for mode in modes:
        if mode not in _ACCESS_MODES:
            yield not_supported("spec.accessModes", mode, _ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        detail = "may not use ReadWriteOncePod with other access modes"
        yield forbidden("spec.accessModes", detail)


def _volume_mode(spec: Object) -> Errors:
    mode = spec.get("volumeMode")
    if mode is not None and mode not in ("Block", "Filesystem"):
        yield not_supported("spec.volumeMode", mode, ("Block", "Filesystem"))
