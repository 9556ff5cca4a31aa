"""Changing one entry of a kubeconfig file, and leaving the others as they are."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from podyard.kubectl import kubeconfig
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.output import system_text
from podyard.kubectl.session import Session


def file_of(session: Session, section: str = "", name: str = "") -> Path:
    """The file that an entry is in, or the one that a new entry goes to."""
    found = session.config.origins.get((section, name))
    candidates = kubeconfig.paths(session["kubeconfig"])
    return found or next((path for path in candidates if path.exists()), candidates[-1])


def read(path: Path) -> dict[str, Any]:
    """The file's content; an empty kubeconfig when there is none."""
    return kubeconfig.read(path) or kubeconfig.Config().document()


def set_current(session: Session, name: str) -> None:
    """Make a context the current one, in the file that says which is."""
    for path in kubeconfig.paths(session["kubeconfig"]):
        document = kubeconfig.read(path)
        if document is not None and document.get("current-context"):
            kubeconfig.write(path, {**document, "current-context": name})
            return
    path = file_of(session)
    kubeconfig.write(path, {**read(path), "current-context": name})


def change(
    session: Session, section: str, name: str, changed: Callable[[dict[str, Any]], dict[str, Any]]
) -> bool:
    """Change an entry of "clusters", "contexts" or "users", or make it; gives whether it was there."""
    path, key = file_of(session, section, name), kubeconfig.SECTIONS[section]
    document = read(path)
    entries = list(document.get(section) or ())
    at = next((i for i, entry in enumerate(entries) if entry.get("name") == name), len(entries))
    there = at < len(entries)
    content = changed(dict(entries[at].get(key) or {}) if there else {})
    entries[at : at + 1] = [{key: content, "name": name}]
    kubeconfig.write(path, {**document, section: entries})
    return there


def file_field(session: Session, content: dict[str, Any], field: str) -> None:
    """Write the file that a flag names into an entry, or with --embed-certs what is in it."""
    if not session[field]:
        return
    path = os.path.abspath(session[field])
    if not session["embed-certs"]:
        content[field] = path
        content.pop(f"{field}-data", None)
        return
    try:
        content[f"{field}-data"] = base64.b64encode(Path(path).read_bytes()).decode()
    except OSError as error:
        raise CommandError(f"could not read {field} data from {path}: {system_text(error)}") from None
    content.pop(field, None)


def to_delete(session: Session, section: str, known: Collection[str]) -> str:
    """The one argument, which names an entry of `section`. Raises UsageError and CommandError."""
    what = section.removesuffix("s")
    if len(session.args) != 1:
        raise UsageError(session.command, f"you must specify the {what} to delete")
    name = session.args[0]
    if name not in known:
        raise CommandError(f"cannot delete {what} {name}, not in {file_of(session)}")
    return name


def delete(session: Session, section: str, name: str) -> None:
    """Take an entry out, and say so."""
    path = remove(session, section, name)
    session.out(f"deleted {section.removesuffix('s')} {name} from {path}\n")


def remove(session: Session, section: str, name: str) -> Path:
    """Take an entry out; gives the file it was in."""
    path = file_of(session, section, name)
    document = read(path)
    document[section] = [entry for entry in document.get(section) or () if entry.get("name") != name]
    kubeconfig.write(path, document)
    return path
