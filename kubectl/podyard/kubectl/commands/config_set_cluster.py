"""kubectl config set-cluster."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.configfiles import change, file_field
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Make a cluster entry, or change it."""
    if len(session.args) != 1 or not session.args[0]:
        raise UsageError(session.command, f"Unexpected args: {session.args}" if session.args else _NO_NAME)
    if session["certificate-authority"] and session["insecure-skip-tls-verify"]:
        raise CommandError("you cannot specify a certificate authority and insecure mode at the same time")
    change(session, "clusters", session.args[0], lambda content: _changed(session, content))
    session.out(f'Cluster "{session.args[0]}" set.\n')
    return 0


_NO_NAME = "you must specify a non-empty cluster name"


def _changed(session: Session, content: dict[str, Any]) -> dict[str, Any]:
    for field in ("server", "tls-server-name", "proxy-url"):
        if session.given(field):
            content[field] = session[field]
    if session.given("insecure-skip-tls-verify"):
        content["insecure-skip-tls-verify"] = session["insecure-skip-tls-verify"]
        if session["insecure-skip-tls-verify"]:
            content.pop("certificate-authority", None)
            content.pop("certificate-authority-data", None)
    if session["certificate-authority"]:
        content.pop("insecure-skip-tls-verify", None)
    file_field(session, content, "certificate-authority")
    return {key: value for key, value in content.items() if value or key == "server"}


COMMAND = Command(
    "config set-cluster NAME [--server=server] [--certificate-authority=path/to/certificate/authority]",
    "Set a cluster entry in kubeconfig",
    run,
    (
        Flag("embed-certs", "Embed the certificate in the kubeconfig", kind="bool"),
        Flag("proxy-url", "proxy-url for the cluster entry in kubeconfig"),
    ),
    "kubectl config set-cluster e2e --server=https://1.2.3.4",
)
