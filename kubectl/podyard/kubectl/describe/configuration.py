"""Secrets, ConfigMaps and ServiceAccounts."""

from __future__ import annotations

import base64
from typing import Any

from podyard.kubectl.describe.events import describe_events
from podyard.kubectl.describe.lines import NONE, Lines, heading, labels_and_annotations
from podyard.kubectl.errors import CommandError
from podyard.kubectl.session import Session

Object = dict[str, Any]

_TOKEN_TYPE = "kubernetes.io/service-account-token"


def secret(session: Session, obj: Object, events: list[Object] | None) -> str:
    """A Secret: how long its values are; only service account tokens are shown."""
    lines = Lines()
    heading(lines, obj)
    labels_and_annotations(lines, obj)
    lines.add(f"\nType:\t{obj.get('type', '')}")
    lines.add("\nData\n====")
    for key, value in sorted((obj.get("data") or {}).items()):
        data = base64.b64decode(value or "")
        if key == "token" and obj.get("type") == _TOKEN_TYPE:
            lines.named(key, data.decode(errors="replace"))
        else:
            lines.named(key, f"{len(data)} bytes")
    return lines.text()


def config_map(session: Session, obj: Object, events: list[Object] | None) -> str:
    """A ConfigMap and its values."""
    lines = Lines()
    heading(lines, obj)
    labels_and_annotations(lines, obj)
    lines.add("\nData\n====")
    for key, value in sorted((obj.get("data") or {}).items()):
        lines.add(f"{key}:\n----\n{value}\n")
    lines.add("\nBinaryData\n====")
    for key, value in sorted((obj.get("binaryData") or {}).items()):
        lines.add(f"{key}: {len(base64.b64decode(value or ''))} bytes")
    lines.add("")
    describe_events(lines, events)
    return lines.text()


def service_account(session: Session, obj: Object, events: list[Object] | None) -> str:
    """A ServiceAccount and the Secrets that belong to it."""
    lines = Lines()
    heading(lines, obj)
    labels_and_annotations(lines, obj)
    tokens, existing = _secrets(session, obj)
    columns = (
        ("Image pull secrets:", [one.get("name", "") for one in obj.get("imagePullSecrets") or ()]),
        ("Mountable secrets: ", [one.get("name", "") for one in obj.get("secrets") or ()]),
        ("Tokens:            ", tokens),
    )
    for header, names in columns:
        if not names:
            lines.add(f"{header}\t{NONE}")
        for number, name in enumerate(names):
            missing = " (not found)" if existing is not None and name not in existing else ""
            lines.add(f"{' ' * len(header) if number else header}\t{name}{missing}")
    describe_events(lines, events)
    return lines.text()


def _secrets(session: Session, account: Object) -> tuple[list[str], set[str] | None]:
    """The account's token Secrets, and the names of all Secrets (None when they cannot be had)."""
    metadata = account["metadata"]
    path = f"/api/v1/namespaces/{metadata['namespace']}/secrets"
    try:
        items = session.transport.json("GET", path).get("items") or ()
    except CommandError:
        return [], None
    tokens = []
    for item in items:
        annotations = item["metadata"].get("annotations") or {}
        mine = annotations.get("kubernetes.io/service-account.name") == metadata["name"] and annotations.get(
            "kubernetes.io/service-account.uid"
        ) == metadata.get("uid")
        if item.get("type") == _TOKEN_TYPE and mine:
            tokens.append(item["metadata"]["name"])
    return tokens, {item["metadata"]["name"] for item in items}
