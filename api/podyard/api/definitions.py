"""The published OpenAPI definitions of every Kubernetes kind.

They come with the package kubernetes-validate, in JSON Schema form: `$ref` is
"#/$defs/NAME", and a `type` that may be absent is a list such as ["string", "null"].
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

REF_PREFIX = "#/$defs/"
_FILE = "kubernetes-json-schema/v1.37.0-local/_definitions.json"


@cache
def definitions() -> dict[str, dict[str, Any]]:
    """All definitions by name ("io.k8s.api.core.v1.Pod"), as published. Not to be changed."""
    # Found without importing it: the package's own code takes ten times as long to load as the file.
    spec = find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("the package kubernetes-validate is not installed")
    content = (Path(spec.origin).parent / _FILE).read_bytes()
    found: dict[str, dict[str, Any]] = orjson.loads(content)["$defs"]
    return found


@cache
def _names_by_kind() -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], str] = {}
    for name, definition in definitions().items():
        for entry in definition.get("x-kubernetes-group-version-kind", ()):
            group, version = entry["group"], entry["version"]
            found.setdefault((f"{group}/{version}" if group else version, entry["kind"]), name)
    return found


def definition_name(api_version: str, kind: str) -> str | None:
    """The name of a kind's definition, or None when nobody published one."""
    return _names_by_kind().get((api_version, kind))
