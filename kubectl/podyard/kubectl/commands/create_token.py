"""kubectl create token."""

from __future__ import annotations

import sys
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.creating import only_name
from podyard.kubectl.errors import ApiError, CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers import OUTPUT_FLAGS, printer_for
from podyard.kubectl.session import Session

_BOUND = {"Pod": "v1", "Secret": "v1", "Node": "v1"}


def run(session: Session) -> int:
    """Ask for a token of a service account and print it."""
    name = only_name(session)
    spec: dict[str, Any] = {"audiences": session["audience"] or None}
    seconds = session["duration"]
    if seconds < 0:
        raise CommandError("--duration must be greater than or equal to 0")
    if seconds != int(seconds):
        raise CommandError("--duration cannot be expressed in units less than seconds")
    if seconds:
        spec["expirationSeconds"] = int(seconds)
    _bind(session, spec)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = f"/api/v1/namespaces/{session.namespace}/serviceaccounts/{name}/token"
    try:
        answer = session.transport.json("POST", path, body=request)
    except ApiError as error:
        raise CommandError(f"failed to create token: {error}") from None
    token = (answer.get("status") or {}).get("token")
    if not token:
        raise CommandError("failed to create token: no token in server response")
    if session["output"]:
        session.out(printer_for(session)(answer))
    else:
        session.out(token + ("\n" if sys.stdout.isatty() else ""))
    return 0


def _bind(session: Session, spec: dict[str, Any]) -> None:
    """Bind the token to an object, with whose end it ends."""
    kind, name, uid = (session[f"bound-object-{part}"] for part in ("kind", "name", "uid"))
    if not kind:
        for part, value in (("name", name), ("uid", uid)):
            if value:
                raise CommandError(
                    f"--bound-object-{part} can only be set if --bound-object-kind is provided"
                )
        return
    if kind not in _BOUND:
        raise CommandError(f"supported --bound-object-kind values are {', '.join(sorted(_BOUND))}")
    if not name:
        raise CommandError("--bound-object-name is required if --bound-object-kind is provided")
    spec["boundObjectRef"] = {"kind": kind, "apiVersion": _BOUND[kind], "name": name, "uid": uid}


COMMAND = Command(
    "create token SERVICE_ACCOUNT_NAME",
    "Request a service account token",
    run,
    (
        Flag("audience", "Audience of the requested token.", kind="array"),
        Flag("duration", "Requested lifetime of the issued token.", kind="duration"),
        Flag("bound-object-kind", "Kind of an object to bind the token to."),
        Flag("bound-object-name", "Name of an object to bind the token to."),
        Flag("bound-object-uid", "UID of an object to bind the token to."),
        *OUTPUT_FLAGS,
    ),
    "kubectl create token myapp --duration 10m",
)
