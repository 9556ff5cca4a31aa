"""kubectl scale. Source: k8s.io/kubectl pkg/cmd/scale, pkg/scale."""

from __future__ import annotations

import time

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import ApiError, CommandError, raise_all
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import DRY_RUN_FLAG, OUTPUT_FLAGS, dry_run, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import FILE_FLAGS, SELECTOR_FLAG, wanted
from podyard.kubectl.watching import TimedOut, follow_object
from podyard.kubectl.writing import Writer


def run(session: Session) -> int:
    """Set the number of replicas."""
    if session["replicas"] < 0:
        raise CommandError(
            "The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0"
        )
    if session["current-replicas"] < -1:
        raise CommandError("The --current-replicas must specify an integer of -1 or greater")
    found = find(session, wanted(session))
    if session["resource-version"] and len(found.infos) > 1:
        raise CommandError("cannot use --resource-version with multiple resources")
    if not found.infos:
        detail = f" {found.errors[0]}" if found.errors else ""
        raise CommandError(f"no objects passed to scale{detail}")
    printer = printer_for(session, "scaled")
    for info in found.infos:
        if dry_run(session) != "client":
            _scale(session, info)
        session.out(printer(info.object))
    raise_all(found.errors)
    return 0


def _scale(session: Session, info: Info) -> None:
    writer = Writer(session, dry_run(session))
    patch = {"spec": {"replicas": session["replicas"]}}
    if session["current-replicas"] != -1 or session["resource-version"]:
        patch["metadata"] = {"resourceVersion": _precondition(session, info)}
    try:
        writer.patch(info, "merge", patch, subresource="scale")
    except ApiError as error:
        if error.reason in ("Invalid", "Forbidden"):
            raise
        raise CommandError(f"scaling the resource failed with: {error}") from None
    if session["timeout"] > 0 and not dry_run(session):
        _wait(session, info)


def _precondition(session: Session, info: Info) -> str:
    """The version of an object that has the size which is expected. Raises CommandError."""
    path = f"{info.path}/scale"
    scale = session.transport.json("GET", path)
    size, version = scale["spec"].get("replicas", 0), str(scale["metadata"].get("resourceVersion", ""))
    expected = session["current-replicas"]
    if expected != -1 and size != expected:
        raise CommandError(f"Expected replicas to be {expected}, was {size}")
    wanted_version = session["resource-version"]
    if wanted_version and version != wanted_version:
        raise CommandError(f'Expected resource version to be "{wanted_version}", was "{version}"')
    return version


def _wait(session: Session, info: Info) -> None:
    """Wait until the status has caught up with the spec."""
    end = time.monotonic() + session["timeout"]
    try:
        for event, obj in follow_object(
            session, info.resource, info.namespace, info.name, end - time.monotonic()
        ):
            status = obj.get("status", {})
            observed = status.get("observedGeneration", 0) >= obj.get("metadata", {}).get("generation", 0)
            if event != "ABSENT" and observed and status.get("replicas", 0) == session["replicas"]:
                return
    except TimedOut:
        raise CommandError(f'timed out waiting for {info.resource.kind} "{info.name}" to be scaled') from None


COMMAND = Command(
    "scale [--resource-version=version] [--current-replicas=count] --replicas=COUNT "
    "(-f FILENAME | TYPE NAME)",
    "Set a new size for a deployment, replica set, or replication controller",
    run,
    (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        *OUTPUT_FLAGS,
        DRY_RUN_FLAG,
        Flag("replicas", "The new desired number of replicas. Required.", kind="int", required=True),
        Flag("current-replicas", "Precondition for current size.", kind="int", default=-1),
        Flag("resource-version", "Precondition for resource version."),
        Flag("all", "Select all resources in the namespace of the specified types.", kind="bool"),
        Flag("timeout", "How long to wait for the scale, zero means don't wait.", kind="duration"),
    ),
    "kubectl scale --replicas=3 deployment/web\nkubectl scale --replicas=3 -f web.yaml",
)
