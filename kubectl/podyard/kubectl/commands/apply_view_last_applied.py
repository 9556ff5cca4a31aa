"""kubectl apply view-last-applied."""

from __future__ import annotations

import json
from typing import Any

from podyard.kubectl import yamltext
from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.jsontext import indented
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import FILE_FLAGS, SELECTOR_FLAG, wanted
from podyard.kubectl.writing import LAST_APPLIED


def run(session: Session) -> int:
    """Show what was applied last."""
    if session["output"] not in ("json", "yaml"):
        raise UsageError(
            session.command,
            f"Unexpected -o output mode: {session['output']}, the flag 'output' must be one of yaml|json",
        )
    documents = [_document(info) for info in find(session, wanted(session), latest=True).all()]
    for document in documents:
        as_yaml = session["output"] == "yaml"
        session.out(yamltext.dump(document) if as_yaml else indented(document, 2) + "\n")
    return 0


def _document(info: Info) -> Any:
    text = (info.object["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    if not text:
        raise CommandError(f"no last-applied-configuration annotation found on resource: {info.name}")
    try:
        return json.loads(text)
    except ValueError:
        raise CommandError(f"the last-applied-configuration annotation of {info} is no JSON") from None


COMMAND = Command(
    "apply view-last-applied (TYPE [NAME | -l label] | TYPE/NAME | -f FILENAME)",
    "View the latest last-applied-configuration annotations of a resource/object",
    run,
    (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        Flag("all", "Select all resources in the namespace of the specified resource types", kind="bool"),
        Flag("output", "Output format. Must be one of (yaml, json)", short="o", default="yaml"),
    ),
    "kubectl apply view-last-applied deployment/nginx",
)
