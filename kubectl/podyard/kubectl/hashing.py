"""The hash that --append-hash puts behind a name, so that other content has another name.

Source: k8s.io/kubectl pkg/util/hash.
"""

from __future__ import annotations

import hashlib
from typing import Any

from podyard.kubectl.flags import Flag
from podyard.kubectl.jsontext import compact

APPEND_HASH_FLAG = Flag("append-hash", "Append a hash of the content to its name.", kind="bool")

_LETTERS = str.maketrans("013ae", "ghkmt")  # so that no word comes about


def content_hash(obj: dict[str, Any]) -> str:
    """Ten letters and digits for the content of a ConfigMap or Secret."""
    content = {"kind": obj["kind"], "name": obj["metadata"]["name"]}
    if obj["kind"] == "Secret":
        content |= {"type": obj.get("type", ""), "data": obj.get("data") or ""}
    else:
        content |= {"data": obj.get("data") or ""}
        if obj.get("binaryData"):
            content["binaryData"] = obj["binaryData"]
    return hashlib.sha256(compact(content).encode()).hexdigest()[:10].translate(_LETTERS)


def with_hash(obj: dict[str, Any]) -> dict[str, Any]:
    """The object under its name with the hash."""
    name = f"{obj['metadata']['name']}-{content_hash(obj)}"
    return {**obj, "metadata": {**obj["metadata"], "name": name}}
