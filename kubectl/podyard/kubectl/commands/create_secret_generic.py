"""kubectl create secret generic; and what the other kinds of Secrets share with it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import CREATE_FLAGS, create, metadata, only_name
from podyard.kubectl.flags import Flag
from podyard.kubectl.hashing import APPEND_HASH_FLAG, with_hash
from podyard.kubectl.session import Session
from podyard.kubectl.sources import SOURCE_FLAGS, read_sources

INVALID_KEY = '"{key}" is not valid key name for a Secret {rule}'
DOUBLE_KEY = "cannot add key {key}, another key by that name already exists"


def run(session: Session) -> int:
    """Make a Secret of files and literals."""
    name = only_name(session)
    values = read_sources(session, INVALID_KEY, DOUBLE_KEY)
    create_secret(session, name, session["type"], values)
    return 0


def create_secret(session: Session, name: str, secret_type: str, values: Mapping[str, bytes]) -> None:
    """Create a Secret with these values."""
    obj: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata(session, name)}
    if values:
        obj["data"] = {key: base64.b64encode(value).decode() for key, value in values.items()}
    if secret_type:
        obj["type"] = secret_type
    if session["append-hash"]:
        obj = with_hash(obj)
    create(session, obj, "failed to create secret")


COMMAND = Command(
    "create secret generic NAME [--type=string] [--from-file=[key=]source] [--from-literal=key1=value1]",
    "Create a secret from a local file, directory, or literal value",
    run,
    (Flag("type", "The type of secret to create"), *SOURCE_FLAGS, APPEND_HASH_FLAG, *CREATE_FLAGS),
    "kubectl create secret generic my-secret --from-literal=key1=supersecret",
)
