"""Volumes of a Secret's keys (pkg/volume/secret). Pure."""

from __future__ import annotations

import base64
from typing import Any

from podyard.kubelet.volumes import ContentError, Files, Inputs, Needs
from podyard.kubelet.volumes.items import mode_of, select

Object = dict[str, Any]


def needs(source: Object) -> Needs:
    """The Secret."""
    return Needs(secrets=frozenset({source.get("secretName", "")}))


def files(source: Object, inputs: Inputs) -> Files:
    """A file for each key. Raises ContentError."""
    return files_of({**source, "name": source.get("secretName", "")}, mode_of(source), inputs)


def files_of(source: Object, mode: int, inputs: Inputs) -> Files:
    """The same for a projected volume's source, which says `name` and leaves the mode to its volume."""
    secret = inputs.secrets.get(source["name"])
    if secret is None and not source.get("optional"):
        raise ContentError(f'secret "{source["name"]}" not found')
    encoded = (secret or {}).get("data") or {}
    data = {key: base64.b64decode(value or "") for key, value in encoded.items()}
    return select(data, source, mode, "references non-existent secret key")
