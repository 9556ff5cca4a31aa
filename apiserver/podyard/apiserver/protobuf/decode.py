"""From Kubernetes' protobuf to the same object as JSON has it."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from podyard.api.times import to_rfc3339, to_rfc3339_micro
from podyard.apiserver.protobuf.wire import Value, fields, signed

Object = dict[str, Any]

MAGIC = b"k8s\x00"
"""What every encoded object begins with; a runtime.Unknown follows."""

_PACKAGES = {"": "core", "rbac.authorization.k8s.io": "rbac", "flowcontrol.apiserver.k8s.io": "flowcontrol"}
_META = "k8s.io.apimachinery.pkg.apis.meta.v1."


class Undecodable(ValueError):
    """The bytes are no object in Kubernetes' protobuf, or of a kind that is not known in it."""


def decode(body: bytes) -> Object:
    """Decode an object with its `apiVersion` and `kind`. Raises Undecodable."""
    if not body.startswith(MAGIC):
        raise Undecodable("provided data does not appear to be a protobuf message, expected prefix 'k8s\\0'")
    try:
        unknown = dict(fields(body[len(MAGIC) :]))
        type_meta = dict(fields(_bytes(unknown.get(1, b""))))
        api_version = _bytes(type_meta.get(1, b"")).decode()
        kind = _bytes(type_meta.get(2, b"")).decode()
        message = message_of(api_version, kind)
        return {"apiVersion": api_version, "kind": kind, **_message(message, _bytes(unknown.get(2, b"")))}
    except Undecodable:
        raise
    except ValueError as error:
        raise Undecodable(str(error)) from None


def message_of(api_version: str, kind: str) -> str:
    """The message of a kind. Raises Undecodable when there is none."""
    group, _, version = api_version.rpartition("/")
    package = _PACKAGES.get(group) or group.split(".")[0]
    for name in (f"k8s.io.api.{package}.{version}.{kind}", _META + kind):
        if name in _messages():
            return name
    raise Undecodable(f'no kind "{kind}" is registered for version "{api_version}" in protobuf')


@cache
def _messages() -> dict[str, dict[int, tuple[str, str, str]]]:
    """Message to field number to (JSON name, type, flags); see `generate` for what they mean."""
    raw = orjson.loads(files("podyard.apiserver.protobuf").joinpath("fields.json").read_bytes())
    return {
        message: {int(number): tuple(field) for number, field in numbered.items()}
        for message, numbered in raw.items()
    }


def _message(message: str, data: bytes) -> Object:
    described = _messages()[message]
    obj: Object = {}
    for number, value in fields(data):
        if number not in described:
            continue  # from a later client than the table; Kubernetes ignores such a field too
        name, kind, flags = described[number]
        if "map" in flags:
            key, item = _entry(kind, value)
            obj.setdefault(name, {})[key] = item
            continue
        decoded = _value(kind, value)
        if "repeated" in flags:
            obj.setdefault(name, []).append(decoded)
        elif "inline" in flags:
            obj.update(decoded)
        elif "pointer" in flags or not _is_zero(decoded):
            obj[name] = decoded
    return obj


def _is_zero(value: Any) -> bool:
    """Go's zero values are sent for fields that are no pointers, and mean that they are not set."""
    return value is None or value in ("", 0, {}, [])


def _entry(kind: str, value: Value) -> tuple[str, Any]:
    entry = dict(fields(_bytes(value)))
    missing: Value = 0 if kind in ("int", "bool") else b""
    return _bytes(entry.get(1, b"")).decode(), _value(kind, entry.get(2, missing))


def _value(kind: str, value: Value) -> Any:
    if kind == "string":
        return _bytes(value).decode()
    if kind == "int":
        return signed(_int(value))
    if kind == "bool":
        return bool(value)
    if kind == "bytes":
        return base64.b64encode(_bytes(value)).decode()
    if kind == "double":
        return struct.unpack("<d", struct.pack("<Q", _int(value)))[0]
    if (special := _SPECIAL.get(kind)) is not None:
        return special(_bytes(value))
    return _message(kind, _bytes(value))


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("proto: wrong wireType")
    return value


def _int(value: Value) -> int:
    if not isinstance(value, int):
        raise ValueError("proto: wrong wireType")
    return value


def _time(data: bytes) -> str | None:
    return to_rfc3339(signed(_int(dict(fields(data)).get(1, 0)))) if data else None


def _micro_time(data: bytes) -> str | None:
    if not data:
        return None
    found = dict(fields(data))
    return to_rfc3339_micro(signed(_int(found.get(1, 0))) + _int(found.get(2, 0)) / 1e9)


def _quantity(data: bytes) -> str:
    return _bytes(dict(fields(data)).get(1, b"")).decode()


def _int_or_string(data: bytes) -> int | str:
    found = dict(fields(data))
    if found.get(1, 0) == 1:
        return _bytes(found.get(3, b"")).decode()
    return signed(_int(found.get(2, 0)))


def _raw_json(data: bytes) -> Any:
    raw = _bytes(dict(fields(data)).get(1, b""))
    return orjson.loads(raw) if raw else None


def _strings(data: bytes) -> list[str]:
    return [_bytes(value).decode() for number, value in fields(data) if number == 1]


def _duration(data: bytes) -> str:
    nanoseconds = signed(_int(dict(fields(data)).get(1, 0)))
    return f"{nanoseconds / 1e9:g}s"


_SPECIAL: dict[str, Callable[[bytes], Any]] = {
    _META + "Time": _time,
    _META + "MicroTime": _micro_time,
    _META + "Duration": _duration,
    _META + "FieldsV1": _raw_json,
    "k8s.io.apimachinery.pkg.api.resource.Quantity": _quantity,
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "k8s.io.apimachinery.pkg.runtime.RawExtension": _raw_json,
    "k8s.io.api.authentication.v1.ExtraValue": _strings,
    "k8s.io.api.authorization.v1.ExtraValue": _strings,
    "k8s.io.api.certificates.v1.ExtraValue": _strings,
}
