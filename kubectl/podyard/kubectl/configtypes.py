"""Of which types the fields of a kubeconfig are.

Source: k8s.io/client-go tools/clientcmd/api/v1 types.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from podyard.kubectl.flags import parse_bool
from podyard.kubectl.jsontext import cannot_unmarshal, type_name

_EXEC = {"command": str, "apiVersion": str, "args": [str], "env": [{"name": str, "value": str}]}
_CLUSTER = {
    "server": str,
    "tls-server-name": str,
    "insecure-skip-tls-verify": bool,
    "certificate-authority": str,
    "certificate-authority-data": str,
    "proxy-url": str,
    "disable-compression": bool,
}
_USER = {
    "client-certificate": str,
    "client-certificate-data": str,
    "client-key": str,
    "client-key-data": str,
    "token": str,
    "tokenFile": str,
    "as": str,
    "as-uid": str,
    "as-groups": [str],
    "username": str,
    "password": str,
    "exec": _EXEC,
}
_CONTEXT = {"cluster": str, "user": str, "namespace": str}
_CONFIG: dict[str, Any] = {
    "preferences": {},
    "clusters": [{"name": str, "cluster": _CLUSTER}],
    "users": [{"name": str, "user": _USER}],
    "contexts": [{"name": str, "context": _CONTEXT}],
    "current-context": str,
}
_FIELDS: dict[str, dict[str, Any]] = {"clusters": _CLUSTER, "users": _USER, "contexts": _CONTEXT}
_NAMES: dict[type, str] = {str: "string", bool: "bool", list: "array", dict: "object"}


def parse(section: str, field: str, text: str) -> Any:
    """What `text` sets the field of an entry to. Raises ValueError if a text cannot."""
    wanted = _FIELDS[section].get(field)
    if wanted is bool:
        return parse_bool(text)
    if wanted == [str]:
        return text.split(",")
    if wanted is not str:
        raise ValueError(f"{section} have no field {field} that is set to a value")
    return text


def problems(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a kubeconfig, if anything is."""
    for field, wanted in (("apiVersion", "v1"), ("kind", "Config")):
        if document.get(field) not in (None, "", wanted):
            yield f"it is no kubeconfig: its {field} is {document[field]}, and not {wanted}"
    yield from _problems(document, _CONFIG, "Config")


def _problems(value: Any, wanted: Any, field: str) -> Iterator[str]:
    name = _NAMES[wanted if wanted in (str, bool) else type(wanted)]
    if type_name(value) != name:
        yield cannot_unmarshal(value, field, name)
    elif isinstance(wanted, list):
        for item in value:
            yield from _problems(item, wanted[0], field)
    elif isinstance(wanted, dict):
        for key, inner in wanted.items():
            if value.get(key) is not None:
                yield from _problems(value[key], inner, f"{field}.{key}")
