"""Objects in the user's editor: what `kubectl edit` and `kubectl create --edit` share.

Source: k8s.io/kubectl pkg/cmd/util/editor.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from podyard.kubectl import yamltext
from podyard.kubectl.errors import CommandError, Exit
from podyard.kubectl.finder import Info
from podyard.kubectl.printers.documents import without_managed_fields
from podyard.kubectl.session import Session

_HEADER = (
    "# Please edit the object below. Lines beginning with a '#' will be ignored,\n"
    "# and an empty file will abort the edit. If an error occurs while saving this file will be\n"
    "# reopened with the relevant failures.\n#\n"
)


@dataclass(slots=True)
class Round:
    """What came of one visit to the editor."""

    reasons: list[str] = field(default_factory=list)
    refused: list[Info] = field(default_factory=list)
    retryable: int = 0
    gone: int = 0


Save = Callable[[list[dict[str, Any]]], Round]
"""Sends what was edited. Raises CommandError for what another visit to the editor does not mend."""


def edit(session: Session, infos: Sequence[Info], save: Save) -> int:
    """Let the user edit objects, until `save` takes them or the user gives up."""
    original = to_text(infos)
    text, failed_text = original, None
    reasons: list[str] = []
    while True:
        path = _write(_header(reasons) + text)
        _launch(path)
        with open(path) as file:
            edited = strip_comments(file.read())
        if failed_text is not None and edited == failed_text:
            return _cancel(session, path, CommandError("Edit cancelled, no valid changes were saved."))
        if edited == strip_comments(original):
            os.unlink(path)
            session.err("Edit cancelled, no changes made.\n")
            return 0
        if not edited.strip():
            os.unlink(path)
            session.err("Edit cancelled, saved file was empty.\n")
            return 0
        try:
            result = _save(session, infos, edited, save)
        except CommandError as error:
            return _cancel(session, path, error)
        if not result.reasons:
            os.unlink(path)
            return 0
        if result.retryable:
            session.err(f"You can run `kubectl replace -f {path}` to try this update again.\n")
            raise Exit(1)
        if result.gone:
            session.err(f'The edits you made on deleted resources have been saved to "{path}"\n')
            raise Exit(1)
        os.unlink(path)
        text, failed_text, reasons = edited, edited, result.reasons


def to_text(infos: Sequence[Info]) -> str:
    """The objects as the editor shows them."""
    objects = [without_managed_fields(info.object) for info in infos]
    if len(objects) == 1:
        return yamltext.dump(objects[0])
    return yamltext.dump({"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {}})


def _header(reasons: Sequence[str]) -> str:
    """The comment at the top; it tells what was wrong the last time."""
    return (
        _HEADER
        + "".join(f"# {line}\n" for reason in reasons for line in reason.splitlines())
        + ("#\n" if reasons else "")
    )


def strip_comments(text: str) -> str:
    """The text without lines that begin with a `#`."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def _write(text: str) -> str:
    descriptor, path = tempfile.mkstemp(".yaml", "kubectl-edit-")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return path


def _launch(path: str) -> None:
    """Run the user's editor. Raises CommandError when it fails."""
    editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    words = shlex.split(editor)
    if any(character in editor for character in "\"'\\"):
        words = [os.environ.get("SHELL") or "/bin/sh", "-c", f"{editor} {shlex.quote(path)}"]
    else:
        words.append(path)
    sys.stdout.flush()
    try:
        subprocess.run(words, check=True)
    except FileNotFoundError:
        raise CommandError(f'unable to launch the editor "{editor}"') from None
    except (OSError, subprocess.CalledProcessError):
        raise CommandError(f'there was a problem with the editor "{editor}"') from None


def _cancel(session: Session, path: str, error: CommandError) -> NoReturn:
    session.err(f'A copy of your changes has been stored to "{path}"\n')
    raise error


def _save(session: Session, infos: Sequence[Info], edited: str, save: Save) -> Round:
    try:
        document = yamltext.load(edited)
    except yamltext.YAMLError as error:
        return _invalid(session, infos[0], yamltext.problem(error))
    items = document.get("items") if _is_object(document) and document["kind"] == "List" else [document]
    if not isinstance(items, list) or not all(map(_is_object, items)):
        return _invalid(session, infos[0], "every object has an apiVersion, a kind and metadata")
    return save(items)


def _is_object(value: Any) -> bool:
    """Whether it has what every object has; the metadata of a List may be empty."""
    if not isinstance(value, dict) or not isinstance(value.get("metadata"), dict):
        return False
    return all(isinstance(value.get(field), str) for field in ("apiVersion", "kind"))


def _invalid(session: Session, info: Info, problem: str) -> Round:
    """What a file that cannot be read comes to."""
    name = f'{info.resource.group_resource} "{info.name}"'
    session.err(f"error: {name} is invalid\n")
    return Round(
        [f'{name} was not valid:\n* <nil>: Invalid value: "The edited file failed validation": {problem}']
    )
