"""kubectl replace. Source: k8s.io/kubectl pkg/cmd/replace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import SAVE_CONFIG_FLAG, saved
from podyard.kubectl.deletion import DELETE_FLAGS, delete, end_of, options, wait_until_gone
from podyard.kubectl.errors import CommandError, raise_all, with_source
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import DRY_RUN_FLAG, OUTPUT_FLAGS, dry_run, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import FILE_FLAGS, wanted
from podyard.kubectl.writing import LAST_APPLIED, SUBRESOURCE_FLAG, VALIDATE_FLAG, Writer, manager_flag

_PATIENCE = 300.0
"""The seconds after which --force waits no longer for the end of an object."""


def run(session: Session) -> int:
    """Replace each object by what its file says."""
    if not session["filename"] and not session["kustomize"]:
        raise CommandError("must specify one of -f and -k")
    _check(session)
    found = find(session, wanted(session))
    if not found.infos and not found.errors:
        raise CommandError("no objects passed to replace")
    if session["force"]:
        _make_way(session, found.all())
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


def _check(session: Session) -> None:
    if session["force"]:
        if dry_run(session):
            raise CommandError("--dry-run can not be used when --force is set")
        return
    if session["grace-period"] >= 0:
        raise CommandError("--grace-period must have --force specified")
    if session["timeout"]:
        raise CommandError("--timeout must have --force specified")


def _make_way(session: Session, infos: Sequence[Info]) -> None:
    """Delete what is to be made anew, and wait until all of it is gone."""
    asked = options(session)
    if asked.get("gracePeriodSeconds") == 0:
        asked["gracePeriodSeconds"] = 1  # as kubectl does, for none would be no clean end
    for info in infos:
        if delete(session, info, asked):
            name = session["output"] == "name"
            session.out(f"{info}\n" if name else f'{info.resource.name} "{info.name}" deleted\n')
    end = end_of(session, _PATIENCE)
    for info in infos:
        wait_until_gone(session, info, "", end)


def _replace(session: Session, info: Info) -> dict[str, Any]:
    obj, strategy = info.object, dry_run(session)
    annotations = obj["metadata"].get("annotations") or {}
    if session["save-config"] or LAST_APPLIED in annotations:
        obj = saved(session, obj)
    if strategy == "client":
        return obj
    writer = Writer(session, strategy)
    if not session["force"]:
        return writer.replace(info, _versioned(session, info, obj), session["subresource"])
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
        *DELETE_FLAGS,
        Flag("wait", "Without effect: an object that --force re-creates is always waited for.", kind="bool"),
        SUBRESOURCE_FLAG,
    ),
    "kubectl replace -f ./pod.json\nkubectl replace --force -f ./pod.json",
)
