"""ConfigMaps and Secrets (core/validation)."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from podyard.api import names
from podyard.api.validation.fields import (
    Errors,
    Object,
    forbidden,
    immutable,
    invalid,
    invalid_all,
    required,
    too_long,
)

_MAX_BYTES = 1024 * 1024
_ONCE_IMMUTABLE = "field is immutable when `immutable` is set"
_REQUIRED_KEYS = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_JSON_TYPES = ("kubernetes.io/dockercfg", "kubernetes.io/dockerconfigjson")
_SERVICE_ACCOUNT = "kubernetes.io/service-account.name"


def config_map_create(obj: Object) -> Errors:
    """A ConfigMap."""
    data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
    for key in data:
        yield from invalid_all(f"data[{key}]", key, names.is_config_map_key(key))
        if key in binary:
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in binary:
        yield from invalid_all(f"binaryData[{key}]", key, names.is_config_map_key(key))
    size = sum(len(value.encode()) for value in data.values()) + sum(map(_decoded_size, binary.values()))
    if size > _MAX_BYTES:
        # The whole object is meant: Kubernetes prints a path without a name.
        yield too_long("[]", _MAX_BYTES)


def config_map_update(new: Object, old: Object) -> Errors:
    """A ConfigMap that replaces `old`."""
    yield from _kept(new, old, ("data", "binaryData"))
    yield from config_map_create(new)


def secret_create(obj: Object) -> Errors:
    """A Secret, whose `stringData` has been put into `data`."""
    data, kind = obj.get("data") or {}, obj.get("type")
    for key in data:
        yield from invalid_all(f"data[{key}]", key, names.is_config_map_key(key))
    if sum(map(_decoded_size, data.values())) > _MAX_BYTES:
        yield too_long("data", _MAX_BYTES)
    annotations = (obj.get("metadata") or {}).get("annotations") or {}
    if kind == "kubernetes.io/service-account-token" and not annotations.get(_SERVICE_ACCOUNT):
        yield required(f"metadata.annotations[{_SERVICE_ACCOUNT}]")
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        yield required("data[username]")
        yield required("data[password]")
    for key in _REQUIRED_KEYS.get(kind or "", ()):
        if key not in data or (kind == "kubernetes.io/ssh-auth" and not data[key]):
            yield required(f"data[{key}]")
        elif kind in _JSON_TYPES and (error := _json_object_error(data[key])):
            yield invalid(f"data[{key}]", "<secret contents redacted>", error)


def secret_update(new: Object, old: Object) -> Errors:
    """A Secret that replaces `old`: its type stays."""
    yield from immutable("type", new.get("type"), old.get("type"))
    yield from _kept(new, old, ("data",))
    yield from secret_create(new)


def _kept(new: Object, old: Object, keys: tuple[str, ...]) -> Errors:
    if not old.get("immutable"):
        return
    if not new.get("immutable"):
        yield forbidden("immutable", _ONCE_IMMUTABLE)
    for key in keys:
        if (new.get(key) or {}) != (old.get(key) or {}):
            yield forbidden(key, _ONCE_IMMUTABLE)


def _decoded_size(text: str | None) -> int:
    """The number of bytes that a base64 text stands for."""
    stripped = (text or "").rstrip("=")
    return len(stripped) * 3 // 4


def _json_object_error(encoded: str) -> str:
    try:
        value: Any = json.loads(base64.b64decode(encoded))
    except (binascii.Error, ValueError):
        return "invalid character looking for beginning of value"
    return (
        ""
        if isinstance(value, dict)
        else "json: cannot unmarshal into Go value of type map[string]interface {}"
    )
