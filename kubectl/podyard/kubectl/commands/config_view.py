"""kubectl config view."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.kubeconfig import Config, check_exists
from podyard.kubectl.output import system_text
from podyard.kubectl.printers import FORMATS, PRINT_FLAGS, document_printer
from podyard.kubectl.session import Session

_SECRETS = {
    "certificate-authority-data": "DATA+OMITTED",
    "client-certificate-data": "DATA+OMITTED",
    "client-key-data": "DATA+OMITTED",
    "token": "REDACTED",
    "password": "REDACTED",
}
_FILES = ("certificate-authority", "client-certificate", "client-key")


def run(session: Session) -> int:
    """Show the merged kubeconfig, without its secrets unless --raw or --flatten."""
    if not session["merge"]:
        if not session["kubeconfig"]:
            raise CommandError("if merge==false a precise file must be specified")
        check_exists(session["kubeconfig"])
    config = _minified(session.config, session["context"]) if session["minify"] else session.config
    document = config.document()
    for section in ("clusters", "users"):
        for entry in document[section] or ():
            content = entry[section.removesuffix("s")]
            if session["flatten"]:
                _flatten(content)
            if not session["raw"] and not session["flatten"]:
                content |= {key: text for key, text in _SECRETS.items() if content.get(key)}
    session.out(document_printer(session)(document))
    return 0


def _minified(config: Config, context: str) -> Config:
    """Only what the current context needs. Raises CommandError when it is not whole."""
    name = context or config.current_context
    if not name:
        raise CommandError("current-context must exist in order to minify")
    if name not in config.contexts:
        raise CommandError(f"cannot locate context {name}")
    chosen = config.contexts[name]
    cluster, user = chosen.get("cluster", ""), chosen.get("user", "")
    if cluster and cluster not in config.clusters:
        raise CommandError(f"cannot locate cluster {cluster}")
    if user and user not in config.users:
        raise CommandError(f"cannot locate user {user}")
    return Config(
        {key: value for key, value in config.clusters.items() if key == cluster},
        {key: value for key, value in config.contexts.items() if key == name},
        {key: value for key, value in config.users.items() if key == user},
        name,
    )


def _flatten(content: dict[str, Any]) -> None:
    """Put the files' content in the place of their names."""
    for key in _FILES:
        if content.get(key):
            path = Path(content.pop(key))
            try:
                data = path.read_bytes()
            except OSError as error:
                raise CommandError(f"open {path}: {system_text(error)}") from None
            content[f"{key}-data"] = base64.b64encode(data).decode()


COMMAND = Command(
    "config view [flags]",
    "Display merged kubeconfig settings or a specified kubeconfig file",
    run,
    (
        Flag("output", f"Output format. One of: ({', '.join(sorted(FORMATS))}).", "o", default="yaml"),
        *PRINT_FLAGS,
        Flag("raw", "Display raw byte data and sensitive data", kind="bool"),
        Flag("merge", "Merge the full hierarchy of kubeconfig files", kind="bool", default=True),
        Flag("minify", "Remove all information not used by current-context from the output", kind="bool"),
        Flag("flatten", "Flatten the resulting kubeconfig file into self-contained output", kind="bool"),
    ),
    "kubectl config view --minify",
)
