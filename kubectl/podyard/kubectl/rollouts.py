"""What the `kubectl rollout` commands have in common. Source: k8s.io/kubectl pkg/polymorphichelpers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podyard.kubectl.errors import CommandError, PlainError, raise_all
from podyard.kubectl.finder import Found, Info, find
from podyard.kubectl.printers import printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import wanted
from podyard.kubectl.writing import Writer

TEMPLATES = ("Deployment", "DaemonSet", "StatefulSet")

Change = Callable[[dict[str, Any]], dict[str, Any]]
"""A strategic merge patch for an object; {} when nothing is to do. Raises CommandError."""


def targets(session: Session) -> Found:
    """The objects to work on. Raises CommandError when none is named."""
    if not session.args and not session["filename"]:
        raise CommandError("required resource not specified")
    return find(session, wanted(session, everything=True), latest=True)


def change_each(session: Session, change: Change, operation: str, unchanged: str = "") -> int:
    """Patch each object; `unchanged` is said of one that there is nothing to do for."""
    found = targets(session)
    if not found.infos and not found.errors:
        session.err(f"No resources found in {session.namespace} namespace.\n")
        return 0
    errors = found.errors
    for info in found.infos:
        try:
            _change(session, info, change, operation, unchanged)
        except CommandError as error:
            errors.append(error)
    raise_all(errors)
    return 0


def _change(session: Session, info: Info, change: Change, operation: str, unchanged: str) -> None:
    try:
        patch = change(info.object)
    except CommandError as error:
        raise PlainError(f'error: {info.resource.group_resource} "{info.name}" {error}') from None
    if not patch:
        session.out(printer_for(session, unchanged)(info.object))
        return
    try:
        obj = Writer(session).patch(info, "strategic", patch)
    except CommandError as error:
        raise CommandError(f"failed to patch: {error}") from None
    session.out(printer_for(session, operation)(obj))
