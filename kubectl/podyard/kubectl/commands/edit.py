"""kubectl edit. Source: k8s.io/kubectl pkg/cmd/util/editor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import SAVE_CONFIG_FLAG
from podyard.kubectl.editing import Round, edit
from podyard.kubectl.errors import ApiError, CommandError, report
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.jsontext import compact
from podyard.kubectl.printers import OUTPUT_FLAGS, printer_for
from podyard.kubectl.printers.documents import without_managed_fields
from podyard.kubectl.session import Session
from podyard.kubectl.threeway import merge_patch, strategic_patch
from podyard.kubectl.wanted import FILE_FLAGS, wanted
from podyard.kubectl.writing import SUBRESOURCE_FLAG, VALIDATE_FLAG, Writer, annotated, manager_flag


def run(session: Session) -> int:
    """Let the user edit objects, until the server takes them or the user gives up."""
    infos = find(session, wanted(session, everything=True), latest=True).all()
    if not infos:
        raise CommandError("edit cancelled, no objects found")
    return edit(session, infos, lambda items: _save(session, infos, items))


def _save(session: Session, infos: Sequence[Info], items: list[dict[str, Any]]) -> Round:
    """Send what was changed. What the server refuses is told in the result, and on standard error."""
    result = Round()
    by_uid = {info.object["metadata"].get("uid"): info for info in infos}
    for item in items:
        info = by_uid.get(item["metadata"].get("uid"))
        if info is None:
            raise CommandError(f"no original object found for {compact(item)}")
        try:
            _save_one(session, info, item)
        except ApiError as error:
            _refuse(session, result, info, error)
    return result


def _save_one(session: Session, info: Info, edited: dict[str, Any]) -> None:
    original = without_managed_fields(info.object)
    if edited == original:
        session.out(printer_for(session, "skipped")(edited))
        return
    for key in ("apiVersion", "kind"):
        if edited.get(key) != original.get(key):
            raise CommandError("At least one of apiVersion, kind and name was changed")
    if edited["metadata"].get("name") != info.name:
        raise CommandError("At least one of apiVersion, kind and name was changed")
    if session["save-config"]:
        edited = annotated(edited)
    patch = strategic_patch(original["apiVersion"], original["kind"], original, edited, original)
    writer = Writer(session)
    if patch is not None:
        body = _with_patch_shown(session, patch)
        obj = writer.patch(info, "strategic", body, subresource=session["subresource"])
    else:
        body = _with_patch_shown(session, merge_patch(original, edited, original))
        obj = writer.patch(info, "merge", body, subresource=session["subresource"])
    session.out(printer_for(session, "edited")(obj))
    info.object = obj


def _with_patch_shown(session: Session, patch: dict[str, Any]) -> dict[str, Any]:
    if session["output-patch"]:
        session.out(f"Patch: {compact(patch)}\n")
    return patch


def _refuse(session: Session, result: Round, info: Info, error: ApiError) -> None:
    """Note why the server did not take an object."""
    name = f'{info.resource.group_resource} "{info.name}"'
    result.refused.append(info)
    if error.reason == "Invalid":
        causes = (error.status.get("details") or {}).get("causes") or ()
        lines = [f"{name} was not valid:"]
        lines += [f"* {cause.get('field', '')}: {cause.get('message', '')}" for cause in causes]
        result.reasons.append("\n".join(lines))
        session.err(f"error: {name} is invalid\n")
    elif error.not_found:
        result.gone += 1
        result.reasons.append(str(error))
        session.err(f"error: {name} could not be found on the server\n")
    else:
        result.retryable += 1
        result.reasons.append(str(error))
        session.err(f"error: {name} could not be patched: {report(error).strip().removeprefix('error: ')}\n")


COMMAND = Command(
    "edit (RESOURCE/NAME | -f FILENAME)",
    "Edit a resource on the server, with $KUBE_EDITOR, $EDITOR or vi",
    run,
    (
        *FILE_FLAGS,
        *OUTPUT_FLAGS,
        VALIDATE_FLAG,
        SAVE_CONFIG_FLAG,
        manager_flag("kubectl-edit"),
        Flag("output-patch", "Output the patch if the resource is edited.", kind="bool"),
        SUBRESOURCE_FLAG,
    ),
    "kubectl edit svc/registry\nKUBE_EDITOR=nano kubectl edit svc/registry",
)
