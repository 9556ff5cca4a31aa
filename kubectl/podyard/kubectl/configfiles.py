"""Changing one entry of a kubeconfig file, and leaving the others as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from podyard.kubectl import kubeconfig
from podyard.kubectl.session import Session


def file_of(session: Session, section: str = "", name: str = "") -> Path:
    """The file that an entry is in, or the one that a new entry goes to."""
    found = session.config.origins.get((section, name))
    candidates = kubeconfig.paths(session["kubeconfig"])
    return found or next((path for path in candidates if path.exists()), candidates[0])


def read(path: Path) -> dict[str, Any]:
    """The file's content; an empty kubeconfig when there is none."""
    return kubeconfig.read(path) or {"apiVersion": "v1", "kind": "Config"}


def set_current(session: Session, name: str) -> None:
    """Make a context the current one, in the file that says which is."""
    for path in kubeconfig.paths(session["kubeconfig"]):
        document = kubeconfig.read(path)
        if document is not None and document.get("current-context"):
            kubeconfig.write(path, {**document, "current-context": name})
            return
    path = file_of(session)
    kubeconfig.write(path, {**read(path), "current-context": name})


def put_context(session: Session, name: str, content: dict[str, Any]) -> None:
    """Write a context, a new one or one that is there."""
    path = file_of(session, "contexts", name)
    document = read(path)
    entries = [entry for entry in document.get("contexts") or () if entry.get("name") != name]
    document["contexts"] = [*entries, {"context": content, "name": name}]
    kubeconfig.write(path, document)


def remove_context(session: Session, name: str) -> Path:
    """Take a context out; gives the file it was in."""
    path = file_of(session, "contexts", name)
    document = read(path)
    document["contexts"] = [entry for entry in document.get("contexts") or () if entry.get("name") != name]
    kubeconfig.write(path, document)
    return path
