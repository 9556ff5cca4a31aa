"""Printers: what -o chooses.

A printer takes one object (or a List) and gives the text for standard output. `printer_for` finds
the one that a command's flags ask for; without -o that is one line, "deployment.apps/x created".
Tables, the form of `get` without -o, are in `table`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from podyard.kubectl.errors import CommandError
from podyard.kubectl.flags import Flag
from podyard.kubectl.output import system_text
from podyard.kubectl.session import Session

Printer = Callable[[dict[str, Any]], str]

_TEMPLATES = (
    "go-template",
    "go-template-file",
    "jsonpath",
    "jsonpath-as-json",
    "jsonpath-file",
    "template",
    "templatefile",
)
FORMATS = ("json", "name", "yaml", *_TEMPLATES)
"""What every command that prints objects takes; `get` takes more."""

PRINT_FLAGS = (
    Flag("template", "Template string or path to template file to use when -o=go-template is given."),
    Flag(
        "allow-missing-template-keys",
        "If true, ignore any errors in templates when a field or map key is missing in the template.",
        kind="bool",
        default=True,
    ),
    Flag(
        "show-managed-fields",
        "If true, keep the managedFields when printing objects in JSON or YAML format.",
        kind="bool",
    ),
)
OUTPUT_FLAGS = (
    Flag("output", f"Output format. One of: ({', '.join(sorted(FORMATS))}).", short="o"),
    *PRINT_FLAGS,
)

DRY_RUN_FLAG = Flag(
    "dry-run",
    'Must be "none", "server", or "client". If client strategy, only print the object that would be sent, '
    "without sending it. If server strategy, submit server-side request without persisting the resource.",
    default="none",
    bare="unchanged",
)


@cache
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
    kind, _ = output_format(session)
    if kind in ("", "name"):
        from podyard.kubectl.printers.name import name_line

        shown = "" if kind == "name" else said.get(strategy, operation)
        return lambda obj: name_line(obj, shown)
    return document_printer(session)


def output_format(session: Session) -> tuple[str, str]:
    """The format that -o chooses, and the template behind its `=` or in --template."""
    output, template = str(session["output"]), str(session["template"])
    if "=" in output:
        kind, _, argument = output.partition("=")
        return kind, argument
    return output.lower() or ("go-template" if template else ""), template


def document_printer(session: Session, more: tuple[str, ...] = ()) -> Printer:
    """The printer of a format that shows the object itself. `more`: other formats to speak of."""
    from podyard.kubectl.printers import documents

    keep = bool(session["show-managed-fields"])
    allow_missing = bool(session["allow-missing-template-keys"])
    kind, argument = output_format(session)
    if kind == "json":
        return lambda obj: documents.json_text(obj, keep)
    if kind == "yaml":
        return documents.YamlPrinter(keep)
    if kind not in _TEMPLATES:
        allowed = ",".join(sorted((*FORMATS, *more)))
        raise CommandError(
            f'unable to match a printer suitable for the output format "{session["output"]}", '
            f"allowed formats are: {allowed}"
        )
    if not argument:
        raise CommandError("template format specified but no template given")
    template = _template(kind, argument)
    if kind.startswith("jsonpath"):
        as_json = kind == "jsonpath-as-json"
        return documents.JsonPathPrinter(template, as_json=as_json, allow_missing=allow_missing)
    return documents.GoTemplatePrinter(template, allow_missing=allow_missing)


def _template(kind: str, argument: str) -> str:
    """A template: what stands there, or the content of the file that is named."""
    if not kind.endswith("file"):
        return argument
    try:
        with open(argument) as file:
            return file.read()
    except OSError as error:
        raise CommandError(
            f"error reading --template {argument}, open {argument}: {system_text(error)}"
        ) from None
