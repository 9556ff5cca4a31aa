"""kubectl delete. Source: k8s.io/kubectl pkg/cmd/delete."""

from __future__ import annotations

import sys
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.deletion import DELETE_FLAGS, FOREVER, end_of, propagation, wait_until_gone
from podyard.kubectl.errors import ApiError, CommandError, raise_all, with_source
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.jsontext import compact
from podyard.kubectl.printers import DRY_RUN_FLAG, dry_run
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import ALL_NAMESPACES_FLAG, FIELD_SELECTOR_FLAG, FILE_FLAGS, SELECTOR_FLAG, wanted
from podyard.kubectl.writing import Writer


def run(session: Session) -> int:
    """Delete objects, and wait until they are gone."""
    if session["raw"]:
        session.out(compact(session.transport.json("DELETE", session["raw"])))
        return 0
    grace = _grace(session)
    _check(session, grace)
    what = wanted(session)
    ignore = session["ignore-not-found"]
    if (session["all"] or what.selector or what.field_selector) and not session.given("ignore-not-found"):
        ignore = True
    found = find(session, what, fetch=False)
    if session["interactive"] and found.infos and not _confirmed(session, found.infos):
        session.out("deletion is cancelled\n")
        return 0
    deleted, errors = _delete_all(session, found.infos, grace)
    errors = [e for e in (*found.errors, *errors) if not (ignore and _missing(e))]
    raise_all(errors)
    if not found.infos:
        session.out("No resources found\n")
    if session["wait"] and not dry_run(session):
        sys.stdout.flush()
        end = end_of(session, FOREVER)
        for info, uid in deleted:
            wait_until_gone(session, info, uid, end)
    return 0


def _missing(error: CommandError) -> bool:
    return isinstance(error, ApiError) and error.not_found


def _grace(session: Session) -> int:
    """The grace period in seconds; -1 for the object's own."""
    grace = int(session["grace-period"])
    if session["now"]:
        if grace != -1:
            raise CommandError("--now and --grace-period cannot be specified together")
        return 1
    if grace == 0 and not session["force"]:
        return 1
    return 0 if session["force"] and grace < 0 else grace


def _check(session: Session, grace: int) -> None:
    output = session["output"]
    if output not in ("", "name"):
        raise CommandError(f"unexpected -o output mode: {output}. We only support '-o name'")
    if session["all"] and session["selector"]:
        raise CommandError("setting 'all' parameter but found a non empty selector. ")
    if session["all"] and session["field-selector"]:
        raise CommandError("cannot set --all and --field-selector at the same time")
    if not session.args and not session["filename"] and (session["all"] or session["selector"]):
        raise CommandError("at least one resource must be specified to use a selector")
    if session["force"] and grace > 0:
        raise CommandError("--force and --grace-period greater than 0 cannot be specified together")
    if session["force"]:
        session.err(
            "Warning: Immediate deletion does not wait for confirmation that the running resource has been "
            "terminated. The resource may continue to run on the cluster indefinitely.\n"
        )


def _delete_all(
    session: Session, infos: list[Info], grace: int
) -> tuple[list[tuple[Info, str]], list[CommandError]]:
    """Delete one after the other; gives what was deleted, with its uid, and the errors."""
    strategy = dry_run(session)
    writer = Writer(session, strategy)
    options: dict[str, Any] = {"propagationPolicy": propagation(session)}
    if grace >= 0:
        options["gracePeriodSeconds"] = grace
    if session.enforce_namespace and any(not info.resource.namespaced for info in infos):
        session.err("Warning: deleting cluster-scoped resources, not scoped to the provided namespace\n")
    said = {"client": " (dry run)", "server": " (server dry run)"}.get(strategy, "")
    operation = ("force deleted" if grace == 0 else "deleted") + said
    deleted: list[tuple[Info, str]] = []
    errors: list[CommandError] = []
    for info in infos:
        uid = ""
        try:
            if strategy != "client":
                uid = _uid(writer.delete(info, options))
        except CommandError as error:
            errors.append(with_source(error, "deleting", info.source))
            continue
        deleted.append((info, uid))
        session.out(
            f"{info}\n"
            if session["output"] == "name"
            else f'{info.resource.name} "{info.name}" {operation}\n'
        )
    return deleted, errors


def _uid(answer: dict[str, Any]) -> str:
    """The uid of what was deleted: the server answers with the object, or with a Status."""
    if answer.get("kind") == "Status":
        return str((answer.get("details") or {}).get("uid") or "")
    return str(answer.get("metadata", {}).get("uid") or "")


def _confirmed(session: Session, infos: list[Info]) -> bool:
    session.out(f"You are about to delete the following {len(infos)} resource(s):\n")
    session.out("".join(f"{info}\n" for info in infos) + "Do you want to continue? (y/n): ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() == "y"


COMMAND = Command(
    "delete ([-f FILENAME] | TYPE [(NAME | -l label | --all)])",
    "Delete resources by file names, stdin, resources and names, or by resources and label selector",
    run,
    (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        FIELD_SELECTOR_FLAG,
        ALL_NAMESPACES_FLAG,
        DRY_RUN_FLAG,
        Flag("all", "Delete all resources, in the namespace of the specified resource types.", kind="bool"),
        *DELETE_FLAGS,
        Flag("force", "If true, immediately remove resources and bypass graceful deletion.", kind="bool"),
        Flag("ignore-not-found", 'Treat "resource not found" as a successful delete.', kind="bool"),
        Flag("interactive", "If true, delete resource only when user confirms.", "i", "bool"),
        Flag("now", "If true, resources are signaled for immediate shutdown.", kind="bool"),
        Flag("output", 'Output mode. Use "-o name" for shorter output (resource/name).', "o"),
        Flag("raw", "Raw URI to DELETE from the server."),
        Flag("wait", "If true, wait for resources to be gone.", kind="bool", default=True),
    ),
    "kubectl delete -f ./pod.json\nkubectl delete pod,service baz foo\nkubectl delete pods --all",
)
