"""Make `fields.json` from a kubectl binary: python -m podyard.apiserver.protobuf.generate KUBECTL

The binary carries the compressed descriptors of the messages that it can send. A field becomes
[JSON name, type, flags]. The type is string, int, bool, bytes, double or a message; of the flags,
"repeated" and "map" speak for themselves, "pointer" is a field whose zero value differs from its
absence, and "inline" a message whose fields stand in its parent in JSON.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import orjson
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from podyard.api.resources import RESOURCES
from podyard.api.schema import definitions
from podyard.apiserver.protobuf.wire import fields

_MAX_DESCRIPTOR_BYTES = 1 << 20
_NULLABLE = 65001  # the option gogoproto.nullable; false: the Go field is no pointer
_SCALARS = {
    FieldDescriptorProto.TYPE_STRING: "string",
    FieldDescriptorProto.TYPE_INT32: "int",
    FieldDescriptorProto.TYPE_INT64: "int",
    FieldDescriptorProto.TYPE_BOOL: "bool",
    FieldDescriptorProto.TYPE_BYTES: "bytes",
    FieldDescriptorProto.TYPE_DOUBLE: "double",
}
_SUBRESOURCE_KINDS = (
    ("autoscaling", "v1", "Scale"),
    ("policy", "v1", "Eviction"),
    ("authentication", "v1", "TokenRequest"),
)
_META = "k8s.io.apimachinery.pkg.apis.meta.v1"
Fields = dict[str, list[str]]


def descriptors(binary: bytes) -> Iterator[FileDescriptorProto]:
    """The gzip-compressed file descriptors in a Go binary."""
    for match in re.finditer(b"\x1f\x8b\x08", binary):
        start = match.start()
        try:
            data = zlib.decompressobj(31).decompress(binary[start : start + _MAX_DESCRIPTOR_BYTES])
            found = FileDescriptorProto.FromString(data)
        except Exception:  # not a descriptor; the magic number occurs elsewhere too
            continue
        if found.name.endswith("/generated.proto"):
            yield found


def describe(package: str, message: DescriptorProto) -> Fields:
    """One message: field number to [JSON name, type, flags]."""
    maps = {nested.name: nested for nested in message.nested_type if nested.options.map_entry}
    properties = definitions().get(_definition(package, message.name), {}).get("properties", {})
    found: Fields = {}
    for field in message.field:
        flags = []
        kind = _kind(field)
        entry = maps.get(field.type_name.rpartition(".")[2])
        if entry is not None:
            flags.append("map")
            kind = _kind(entry.field[1])
        elif field.label == FieldDescriptorProto.LABEL_REPEATED:
            flags.append("repeated")
        elif properties and field.name not in properties and kind not in _SCALARS.values():
            flags.append("inline")
        elif dict(fields(field.options.SerializeToString())).get(_NULLABLE, 1) != 0:
            flags.append("pointer")
        found[str(field.number)] = [_json_name(field.name, properties), kind, " ".join(flags)]
    return found


def _json_name(name: str, properties: Collection[str]) -> str:
    """The name in JSON: it may differ in case ("Webhooks")."""
    return next((p for p in properties if p.lower() == name.lower()), name)


def _kind(field: FieldDescriptorProto) -> str:
    return _SCALARS.get(field.type) or field.type_name.lstrip(".")


def _definition(package: str, name: str) -> str:
    """k8s.io.api.core.v1 and Pod: io.k8s.api.core.v1.Pod."""
    return f"io.k8s.{package.removeprefix('k8s.io.')}.{name}"


def main(path: str) -> None:
    """Print the table."""
    everything = {
        f"{file.package}.{message.name}": describe(file.package, message)
        for file in descriptors(Path(path).read_bytes())
        for message in file.message_type
    }
    served = {(r.group.split(".")[0] or "core", r.version, r.kind) for r in RESOURCES}
    roots = [f"k8s.io.api.{g}.{v}.{k}" for g, v, k in sorted(served | set(_SUBRESOURCE_KINDS))]
    waiting = [*roots, f"{_META}.DeleteOptions", f"{_META}.Status"]
    needed: dict[str, Fields] = {}
    while waiting:
        name = waiting.pop()
        if name in everything and name not in needed:
            needed[name] = everything[name]
            waiting.extend(kind for _, kind, _ in everything[name].values())
    lines = [f"{orjson.dumps(n).decode()}: {orjson.dumps(needed[n]).decode()}" for n in sorted(needed)]
    print("{\n" + ",\n".join(lines) + "\n}")


if __name__ == "__main__":
    main(sys.argv[1])
