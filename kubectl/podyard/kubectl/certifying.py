"""Deciding about requests for certificates (k8s.io/kubectl pkg/cmd/certificates)."""

from __future__ import annotations

from podyard.kubectl.errors import ApiError, CommandError
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import OUTPUT_FLAGS, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import FILE_FLAGS, Wanted

FLAGS = (
    *FILE_FLAGS,
    *OUTPUT_FLAGS,
    Flag("force", "Update the CSR even if it is already approved or denied.", kind="bool"),
)

ATTEMPTS = 10

_OPPOSITE = {"Approved": "Denied", "Denied": "Approved"}


def decide(session: Session, kind: str, reason: str) -> None:
    """Give every request that is named a condition of `kind`, "Approved" or "Denied"; say so."""
    if not session.args and not session["filename"]:
        raise CommandError("one or more CSRs must be specified as <name> or -f <filename>")
    args = ["certificatesigningrequests", *session.args] if session.args else []
    found = find(session, Wanted(args, session["filename"], session["recursive"]), latest=True)
    printer = printer_for(session, kind.lower())
    for info in found.all():
        session.out(printer(_decide(session, info, kind, reason)))


def _decide(session: Session, info: Info, kind: str, reason: str) -> dict[str, object]:
    message = f"This CSR was {kind.lower()} by kubectl certificate {session.command.rpartition(' ')[2]}."
    for attempt in range(ATTEMPTS):
        request = session.transport.json("GET", info.path)
        status = request.get("status") or {}
        conditions = status.get("conditions") or []
        if any(c.get("type") == kind for c in conditions) and not session["force"]:
            return request
        if any(c.get("type") == _OPPOSITE[kind] for c in conditions):
            raise CommandError(f'certificate signing request "{info.name}" is already {_OPPOSITE[kind]}')
        others = [c for c in conditions if c.get("type") != kind]
        decided = {"type": kind, "status": "True", "reason": reason, "message": message}
        request["status"] = {**status, "conditions": [*others, decided]}
        path = info.resource.path("", info.name, "approval")
        try:
            return session.transport.json("PUT", path, body=request)
        except ApiError as error:
            if not error.conflict or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")
