"""Volumes, claims, storage classes and drivers."""

from __future__ import annotations

from typing import Any

from podyard.apiserver.table import NONE, UNSET, Cells, Object, Printer, columns
from podyard.apiserver.table.fields import age, dig, items, name, truth

_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}


def _access_modes(modes: list[Any]) -> str:
    return ",".join(short for mode, short in _MODES.items() if mode in modes)


def _phase(obj: Object) -> str:
    if dig(obj, "metadata", "deletionTimestamp"):
        return "Terminating"
    return str(dig(obj, "status", "phase") or "")


def _claim(obj: Object, now: float) -> Cells:
    bound = bool(dig(obj, "spec", "volumeName"))
    return [
        name(obj),
        _phase(obj),
        dig(obj, "spec", "volumeName") or "",
        dig(obj, "status", "capacity", "storage") or "" if bound else "",
        _access_modes(items(obj, "status", "accessModes")) if bound else "",
        dig(obj, "spec", "storageClassName") or "",
        dig(obj, "spec", "volumeAttributesClassName") or UNSET,
        age(obj, now),
        dig(obj, "spec", "volumeMode") or UNSET,
    ]


def _volume(obj: Object, now: float) -> Cells:
    claim = dig(obj, "spec", "claimRef") or {}
    return [
        name(obj),
        dig(obj, "spec", "capacity", "storage") or "",
        _access_modes(items(obj, "spec", "accessModes")),
        dig(obj, "spec", "persistentVolumeReclaimPolicy") or "",
        _phase(obj),
        f"{claim.get('namespace')}/{claim.get('name')}" if claim else "",
        dig(obj, "spec", "storageClassName") or "",
        dig(obj, "spec", "volumeAttributesClassName") or UNSET,
        dig(obj, "status", "reason") or "",
        age(obj, now),
        dig(obj, "spec", "volumeMode") or UNSET,
    ]


def _storage_class(obj: Object, now: float) -> Cells:
    annotations = dig(obj, "metadata", "annotations") or {}
    default = annotations.get("storageclass.kubernetes.io/is-default-class") == "true"
    return [
        f"{name(obj)} (default)" if default else name(obj),
        dig(obj, "provisioner"),
        dig(obj, "reclaimPolicy") or "Delete",
        dig(obj, "volumeBindingMode") or "Immediate",
        bool(dig(obj, "allowVolumeExpansion")),
        age(obj, now),
    ]


def _driver(obj: Object, now: float) -> Cells:
    tokens = [str(request.get("audience", "")) for request in items(obj, "spec", "tokenRequests")]
    return [
        name(obj),
        dig(obj, "spec", "attachRequired") is not False,
        bool(dig(obj, "spec", "podInfoOnMount")),
        bool(dig(obj, "spec", "storageCapacity")),
        ",".join(tokens) or UNSET,
        bool(dig(obj, "spec", "requiresRepublish")),
        ",".join(items(obj, "spec", "volumeLifecycleModes")) or NONE,
        age(obj, now),
    ]


def _csi_node(obj: Object, now: float) -> Cells:
    return [name(obj), len(items(obj, "spec", "drivers")), age(obj, now)]


def _attachment(obj: Object, now: float) -> Cells:
    return [
        name(obj),
        dig(obj, "spec", "attacher"),
        dig(obj, "spec", "source", "persistentVolumeName") or "",
        dig(obj, "spec", "nodeName"),
        truth(bool(dig(obj, "status", "attached"))).lower(),
        age(obj, now),
    ]


def _attributes_class(obj: Object, now: float) -> Cells:
    return [name(obj), dig(obj, "driverName"), age(obj, now)]


_GROUP = "storage.k8s.io"

PRINTERS = {
    ("", "persistentvolumeclaims"): Printer(
        columns(
            "Name | Status | Volume | Capacity | Access Modes | StorageClass | VolumeAttributesClass | Age"
            " | VolumeMode*"
        ),
        _claim,
    ),
    ("", "persistentvolumes"): Printer(
        columns(
            "Name | Capacity | Access Modes | Reclaim Policy | Status | Claim | StorageClass"
            " | VolumeAttributesClass | Reason | Age | VolumeMode*"
        ),
        _volume,
    ),
    (_GROUP, "storageclasses"): Printer(
        columns("Name | Provisioner | ReclaimPolicy | VolumeBindingMode | AllowVolumeExpansion:bool | Age"),
        _storage_class,
    ),
    (_GROUP, "csidrivers"): Printer(
        columns(
            "Name | AttachRequired:bool | PodInfoOnMount:bool | StorageCapacity:bool | TokenRequests"
            " | RequiresRepublish:bool | Modes | Age"
        ),
        _driver,
    ),
    (_GROUP, "csinodes"): Printer(columns("Name | Drivers:int | Age"), _csi_node),
    (_GROUP, "volumeattachments"): Printer(
        columns("Name | Attacher | PV | Node | Attached | Age"), _attachment
    ),
    (_GROUP, "volumeattributesclasses"): Printer(columns("Name | DriverName | Age"), _attributes_class),
}
