"""Volumes that gather several sources in one directory (pkg/volume/projected). Pure."""

from __future__ import annotations

from typing import Any

from podyard.kubelet.volumes import (
    ContentError,
    File,
    Files,
    Inputs,
    Needs,
    TokenSpec,
    config_map,
    downward_api,
    secret,
)
from podyard.kubelet.volumes.items import mode_of

Object = dict[str, Any]

GROUP_TOKEN_MODE = 0o600
"""A token's mode in a pod with an fsGroup, which gets its own permission besides."""


def needs(source: Object) -> Needs:
    """What all the sources need."""
    parts = source.get("sources") or ()
    return Needs(
        secrets=frozenset(part["secret"].get("name", "") for part in parts if part.get("secret")),
        config_maps=frozenset(part["configMap"].get("name", "") for part in parts if part.get("configMap")),
        tokens=frozenset(
            _token_spec(part["serviceAccountToken"]) for part in parts if part.get("serviceAccountToken")
        ),
    )


def files(source: Object, inputs: Inputs) -> Files:
    """The files of all sources; of two at one path the later one stands. Raises ContentError."""
    found: Files = {}
    errors: list[str] = []
    for part in source.get("sources") or ():
        try:
            found |= _files_of(part, mode_of(source), inputs)
        except ContentError as error:
            errors.append(str(error))
    if errors:
        raise ContentError(errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]")
    return found


def _files_of(part: Object, mode: int, inputs: Inputs) -> Files:
    kind = next((key for key, value in part.items() if value is not None), "")
    match kind:
        case "secret":
            return secret.files_of(part["secret"], mode, inputs)
        case "configMap":
            return config_map.files_of(part["configMap"], mode, inputs)
        case "downwardAPI":
            return downward_api.files_of(part["downwardAPI"], mode, inputs)
        case "serviceAccountToken":
            token = inputs.tokens[_token_spec(part["serviceAccountToken"])]
            if (inputs.pod["spec"].get("securityContext") or {}).get("fsGroup") is not None:
                mode = GROUP_TOKEN_MODE
            return {part["serviceAccountToken"]["path"]: File(token.encode(), mode)}
    raise ContentError(f"this node cannot project {kind}")


def _token_spec(token: Object) -> TokenSpec:
    return TokenSpec(token.get("audience") or "", int(token.get("expirationSeconds") or 3600))
