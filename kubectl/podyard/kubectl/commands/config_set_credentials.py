"""kubectl config set-credentials."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import change, file_field
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a user entry, or change it."""
    if len(session.args) != 1 or not session.args[0]:
        raise UsageError(
            session.command,
            f"Unexpected args: {session.args}" if session.args else "you must specify a non-empty user name",
        )
    if session["token"] and (session["username"] or session["password"]):
        raise CommandError(
            "you cannot specify more than one authentication method at the same time: --token, "
            "--username/--password"
        )
    change(session, "users", session.args[0], lambda content: _changed(session, content))
    session.out(f'User "{session.args[0]}" set.\n')
    return 0


def _changed(session: Session, content: dict[str, Any]) -> dict[str, Any]:
    for field in ("token", "username", "password"):
        if session.given(field):
            content[field] = session[field]
    if session["token"]:
        content |= {"username": "", "password": ""}
    elif session["username"]:
        content["token"] = ""
    for field in ("client-certificate", "client-key"):
        file_field(session, content, field)
    return {key: value for key, value in content.items() if value}


COMMAND = Command(
    "config set-credentials NAME [--client-certificate=path] [--client-key=path] [--token=bearer_token]",
    "Set a user entry in kubeconfig",
    run,
    (Flag("embed-certs", "Embed the certificates in the kubeconfig", kind="bool"),),
    "kubectl config set-credentials cluster-admin --token=bearer_token",
)
