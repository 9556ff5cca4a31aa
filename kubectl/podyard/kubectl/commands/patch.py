"""kubectl patch. Source: k8s.io/kubectl pkg/cmd/patch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from podyard.kubectl import yamltext
from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError, raise_all
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import DRY_RUN_FLAG, OUTPUT_FLAGS, dry_run, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import FILE_FLAGS, wanted
from podyard.kubectl.writing import Writer, manager_flag

_TYPES: dict[str, Literal["json", "merge", "strategic"]] = {
    "json": "json",
    "merge": "merge",
    "strategic": "strategic",
}


def run(session: Session) -> int:
    """Change objects by a patch."""
    if bool(session["patch"]) == bool(session["patch-file"]):
        raise CommandError("must specify --patch or --patch-file containing the contents of the patch")
    kind = session["type"].lower()
    if kind not in _TYPES:
        raise CommandError(f'--type must be one of [json merge strategic], not "{session["type"]}"')
    patch = _read(session)
    found = find(session, wanted(session))
    if not found.infos and not found.errors:
        raise CommandError("no objects passed to patch")
    errors = found.errors
    for info in found.infos:
        try:
            obj = _patched(session, info, _TYPES[kind], patch)
        except CommandError as error:
            errors.append(error)
            continue
        operation = "patched" if obj != info.object else "patched (no change)"
        session.out(printer_for(session, operation)(obj))
    raise_all(errors)
    return 0


def _read(session: Session) -> Any:
    text = session["patch"]
    if session["patch-file"]:
        try:
            text = Path(session["patch-file"]).read_text()
        except OSError as error:
            problem = (error.strerror or "").lower()
            raise CommandError(
                f"unable to read patch file: open {session['patch-file']}: {problem}"
            ) from None
    if text.lstrip().startswith(("{", "[")) and dry_run(session) != "client":
        return text.encode()  # the server says what is wrong with it
    try:
        return yamltext.load(text)
    except yamltext.YAMLError as error:
        raise CommandError(f'unable to parse "{text}": {yamltext.problem(error)}') from None


def _patched(
    session: Session, info: Info, kind: Literal["json", "merge", "strategic"], patch: Any
) -> dict[str, Any]:
    if dry_run(session) != "client":
        writer = Writer(session, dry_run(session))
        return writer.patch(info, kind, patch, subresource=session["subresource"])
    from podyard.api.patch import json_patch, merge_patch, strategic_merge_patch

    try:
        if kind == "json":
            return json_patch(info.object, patch)
        if kind == "merge":
            return merge_patch(info.object, patch)
        return strategic_merge_patch(info.object["apiVersion"], info.object["kind"], info.object, patch)
    except ValueError as error:
        raise CommandError(str(error)) from None


COMMAND = Command(
    "patch (-f FILENAME | TYPE NAME) [-p PATCH|--patch-file FILE]",
    "Update fields of a resource",
    run,
    (
        *FILE_FLAGS,
        *OUTPUT_FLAGS,
        DRY_RUN_FLAG,
        manager_flag("kubectl-patch"),
        Flag("patch", "The patch to be applied to the resource JSON file.", short="p"),
        Flag("patch-file", "A file containing a patch to be applied to the resource."),
        Flag("type", "The type of patch: one of [json merge strategic]", default="strategic"),
        Flag("subresource", "If specified, patch will operate on the subresource of the object."),
    ),
    'kubectl patch node k8s-node-1 -p \'{"spec":{"unschedulable":true}}\'',
)
