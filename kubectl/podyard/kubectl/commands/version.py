"""kubectl version."""

from __future__ import annotations

import platform
import sys
from typing import Any

from podyard.api.version import GIT_VERSION, KUBERNETES_MAJOR, KUBERNETES_MINOR
from podyard.kubectl import yamltext
from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.jsontext import indented
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Show our version and the server's."""
    output = session["output"]
    if session.args:
        raise CommandError(f"extra arguments: [{' '.join(session.args)}]")
    if output not in ("", "json", "yaml"):
        raise CommandError("--output must be 'yaml' or 'json'")
    versions: dict[str, Any] = {"clientVersion": client_version()}
    problem: CommandError | None = None
    if not session["client"]:
        try:
            versions["serverVersion"] = session.transport.json("GET", "/version")
        except CommandError as error:
            problem = error
    if output:
        session.out(yamltext.dump(versions) if output == "yaml" else indented(versions, 2) + "\n")
    else:
        session.out(f"Client Version: {versions['clientVersion']['gitVersion']}\n")
        if "serverVersion" in versions:
            session.out(f"Server Version: {versions['serverVersion']['gitVersion']}\n")
    if problem:
        raise problem
    return 0


def client_version() -> dict[str, str]:
    """The version of this client, in the form of the server's."""
    return {
        "compiler": sys.implementation.name,
        "gitVersion": GIT_VERSION,
        "goVersion": f"python{platform.python_version()}",
        "major": KUBERNETES_MAJOR,
        "minor": KUBERNETES_MINOR,
        "platform": f"{sys.platform}/{_architecture()}",
    }


def _architecture() -> str:
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    return names.get(platform.machine(), platform.machine())


COMMAND = Command(
    "version",
    "Print the client and server version information for the current context",
    run,
    (
        Flag("client", "If true, shows client version only (no server required).", kind="bool"),
        Flag("output", "One of 'yaml' or 'json'.", short="o"),
    ),
    "kubectl version",
)
