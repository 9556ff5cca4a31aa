"""Printers: what -o chooses.

A printer takes one object (or a List) and gives the text for standard output. `printer_for` finds
the one that a command's flags ask for; without -o that is one line, "deployment.apps/x created".
Tables, the form of `get` without -o, are in `table`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session

Printer = Callable[[dict[str, Any]], str]

FORMATS = ("json", "jsonpath", "jsonpath-as-json", "jsonpath-file", "name", "yaml")
"""What every command that prints objects takes; `get` takes more."""

OUTPUT_FLAGS = (
    Flag("output", f"Output format. One of: ({', '.join(FORMATS)}).", short="o"),
    Flag(
        "show-managed-fields",
        "If true, keep the managedFields when printing objects in JSON or YAML format.",
        kind="bool",
    ),
)

DRY_RUN_FLAG = Flag(
    "dry-run",
    'Must be "none", "server", or "client". If client strategy, only print the object that would be sent, '
    "without sending it. If server strategy, submit server-side request without persisting the resource.",
    default="none",
    bare="unchanged",
)


def dry_run(session: Session) -> str:
    """The strategy of --dry-run: "", "client" or "server"."""
    text = str(session["dry-run"])
    if text in ("client", "server"):
        return text
    if text == "none":
        return ""
    if text == "unchanged":
        session.err("W --dry-run is deprecated and can be replaced with --dry-run=client.\n")
        return "client"
    raise CommandError(f'Invalid dry-run value ({text}). Must be "none", "server", or "client".')


def printer_for(session: Session, operation: str = "") -> Printer:
    """The printer of a command that did `operation` ("created") to the objects it prints."""
    strategy = dry_run(session) if "dry-run" in session.flags.values else ""
    said = {"client": f"{operation} (dry run)", "server": f"{operation} (server dry run)"}
    output = str(session["output"])
    if output in ("", "name"):
        from podyard.kubectl.printers.name import name_line

        shown = "" if output == "name" else said.get(strategy, operation)
        return lambda obj: name_line(obj, shown)
    return document_printer(session, output)


def document_printer(session: Session, output: str, more: tuple[str, ...] = ()) -> Printer:
    """The printer of a format that shows the object itself. `more`: other formats to speak of."""
    from podyard.kubectl.printers.documents import JsonPathPrinter, YamlPrinter, json_text

    keep = bool(session["show-managed-fields"])
    kind, _, argument = output.partition("=")
    if output == "json":
        return lambda obj: json_text(obj, keep)
    if output == "yaml":
        return YamlPrinter(keep)
    if kind in ("jsonpath", "jsonpath-as-json", "jsonpath-file"):
        if not argument:
            raise CommandError("template format specified but no template given")
        return JsonPathPrinter(_template(kind, argument), as_json=kind == "jsonpath-as-json")
    allowed = ",".join(sorted((*FORMATS, *more)))
    raise CommandError(
        f'unable to match a printer suitable for the output format "{output}", allowed formats are: {allowed}'
    )


def _template(kind: str, argument: str) -> str:
    if kind != "jsonpath-file":
        return argument
    try:
        with open(argument) as file:
            return file.read()
    except OSError as error:
        raise CommandError(f"error reading --template {argument}, {error.strerror}") from None
