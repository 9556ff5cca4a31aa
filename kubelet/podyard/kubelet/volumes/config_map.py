"""Volumes of a ConfigMap's keys, text and binary (pkg/volume/configmap). Pure."""

from __future__ import annotations

import base64
from typing import Any

from podyard.kubelet.volumes import ContentError, Files, Inputs, Needs
from podyard.kubelet.volumes.items import mode_of, select

Object = dict[str, Any]


def needs(source: Object) -> Needs:
    """The ConfigMap."""
    return Needs(config_maps=frozenset({source.get("name", "")}))


def files(source: Object, inputs: Inputs) -> Files:
    """A file for each key. Raises ContentError."""
    return files_of(source, mode_of(source), inputs)


def files_of(source: Object, mode: int, inputs: Inputs) -> Files:
    """The same for a projected volume's source, which leaves the mode to its volume."""
    name = source.get("name", "")
    found = inputs.config_maps.get(name)
    if found is None and not source.get("optional"):
        raise ContentError(f'configmap "{name}" not found')
    text, binary = ((found or {}).get(field) or {} for field in ("data", "binaryData"))
    data = {key: value.encode(errors="surrogateescape") for key, value in text.items()}
    data |= {key: base64.b64decode(value or "") for key, value in binary.items()}
    return select(data, source, mode, "configmap references non-existent config key")
