"""kubectl describe. Source: k8s.io/kubectl pkg/cmd/describe."""

from __future__ import annotations

from dataclasses import replace

from podyard.kubectl.commands import Command
from podyard.kubectl.describe import describe
from podyard.kubectl.errors import ApiError, CommandError, raise_all
from podyard.kubectl.finder import find
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import (
    ALL_NAMESPACES_FLAG,
    CHUNK_SIZE_FLAG,
    FILE_FLAGS,
    SELECTOR_FLAG,
    Wanted,
    wanted,
)


def run(session: Session) -> int:
    """Describe each object."""
    if not session.args and not session["filename"]:
        raise CommandError(
            'You must specify the type of resource to describe. Use "kubectl api-resources" for a complete '
            "list of supported resources.\n"
        )
    what = wanted(session, everything=True)
    found = find(session, what)
    if len(session.args) == 2 and found.errors and _missing(found.errors[0]):
        return _by_prefix(session, what, found.errors[0])
    errors = list(found.errors)
    first = True
    for info in found.infos:
        try:
            text = describe(session, info, session["show-events"])
        except CommandError as error:
            errors.append(error)
            continue
        session.out(text if first else f"\n\n{text}")
        first = False
    if not found.infos and not errors:
        where = "" if session["all-namespaces"] else f" in {session.namespace} namespace."
        session.err(f"No resources found{where}\n")
    raise_all(errors)
    return 0


def _missing(error: CommandError) -> bool:
    return isinstance(error, ApiError) and error.not_found


def _by_prefix(session: Session, what: Wanted, missing: CommandError) -> int:
    """Describe the objects whose names begin with what was given as a name."""
    kind, prefix = session.args
    infos = [info for info in find(session, replace(what, args=[kind])).all() if info.name.startswith(prefix)]
    if not infos:
        raise missing
    for info in infos:
        session.out(describe(session, info, session["show-events"]) + "\n")
    return 0


COMMAND = Command(
    "describe (-f FILENAME | TYPE [NAME_PREFIX | -l label] | TYPE/NAME)",
    "Show details of a specific resource or group of resources",
    run,
    (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        ALL_NAMESPACES_FLAG,
        CHUNK_SIZE_FLAG,
        Flag("show-events", "If true, display events related to the object.", kind="bool", default=True),
    ),
    "kubectl describe pods/nginx\nkubectl describe svc my-nginx\nkubectl describe pods -l name=label-name",
)
