"""kubectl create configmap."""

from __future__ import annotations

import base64
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.hashing import APPEND_HASH_FLAG, with_hash
from podyard.kubectl.session import Session
from podyard.kubectl.sources import SOURCE_FLAGS, read_sources


def run(session: Session) -> int:
    """Make a ConfigMap of files and literals."""
    name = only_name(session)
    values = read_sources(
        session,
        '"{key}" is not a valid key name for a ConfigMap: {rule}',
        'cannot add key "{key}", another key by that name already exists in Data for ConfigMap "'
        + name
        + '"',
    )
    obj: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(session, name)}
    for key, value in values.items():
        try:
            obj.setdefault("data", {})[key] = value.decode()
        except UnicodeDecodeError:
            obj.setdefault("binaryData", {})[key] = base64.b64encode(value).decode()
    if session["append-hash"]:
        obj = with_hash(obj)
    create(session, obj, "failed to create configmap:")
    return 0


COMMAND = Command(
    "create configmap NAME [--from-file=[key=]source] [--from-literal=key1=value1]",
    "Create a config map from a local file, directory or literal value",
    run,
    (*SOURCE_FLAGS, APPEND_HASH_FLAG, *CREATE_FLAGS),
    "kubectl create configmap my-config --from-file=path/to/bar\n"
    "kubectl create configmap my-config --from-literal=key1=config1",
)
