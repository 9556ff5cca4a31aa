"""kubectl replace. Source: k8s.io/kubectl pkg/cmd/replace."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import SAVE_CONFIG_FLAG, saved
from podyard.kubectl.deletion import delete_and_wait
from podyard.kubectl.errors import CommandError, raise_all, with_source
from podyard.kubectl.finder import FILE_FLAGS, Info, find, wanted
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import DRY_RUN_FLAG, OUTPUT_FLAGS, dry_run, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.writing import LAST_APPLIED, VALIDATE_FLAG, Writer, manager_flag


def run(session: Session) -> int:
    """Replace each object by what its file says."""
    if not session["filename"] and not session["kustomize"]:
        raise CommandError("must specify one of -f and -k")
    found = find(session, wanted(session))
    if not found.infos and not found.errors:
        raise CommandError("no objects passed to replace")
    errors = found.errors
    for info in found.infos:
        try:
            obj = _replace(session, info)
        except CommandError as error:
            errors.append(with_source(error, "replacing", info.source))
            continue
        session.out(printer_for(session, "replaced")(obj))
    raise_all(errors)
    return 0


def _replace(session: Session, info: Info) -> dict[str, Any]:
    obj, strategy = info.object, dry_run(session)
    annotations = obj["metadata"].get("annotations") or {}
    if session["save-config"] or LAST_APPLIED in annotations:
        obj = saved(session, obj)
    if strategy == "client":
        return obj
    writer = Writer(session, strategy)
    if not session["force"]:
        return writer.replace(info, _versioned(session, info, obj))
    if not strategy:
        options: dict[str, Any] = {"propagationPolicy": "Background"}
        if session["grace-period"] >= 0:
            options["gracePeriodSeconds"] = session["grace-period"]
        delete_and_wait(session, info, options)
    obj["metadata"].pop("resourceVersion", None)
    return writer.create(info.resource, info.namespace, obj)


def _versioned(session: Session, info: Info, obj: dict[str, Any]) -> dict[str, Any]:
    """The object with the version that is stored, where it names none: then the newest is replaced."""
    if obj["metadata"].get("resourceVersion"):
        return obj
    stored = session.transport.json("GET", info.path)
    version = stored["metadata"]["resourceVersion"]
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}


COMMAND = Command(
    "replace -f FILENAME",
    "Replace a resource by file name or stdin",
    run,
    (
        *FILE_FLAGS,
        *OUTPUT_FLAGS,
        DRY_RUN_FLAG,
        VALIDATE_FLAG,
        SAVE_CONFIG_FLAG,
        manager_flag("kubectl-replace"),
        Flag("force", "Delete and re-create the resource.", kind="bool"),
        Flag("grace-period", "With --force: seconds given to the resource to end.", kind="int", default=-1),
    ),
    "kubectl replace -f ./pod.json\nkubectl replace --force -f ./pod.json",
)
