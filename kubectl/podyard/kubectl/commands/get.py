"""kubectl get. Source: k8s.io/kubectl pkg/cmd/get."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from podyard.kubectl import printers
from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError, UsageError, raise_all
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.printers.table import TableOptions, TablePrinter, plain_table
from podyard.kubectl.session import Session
from podyard.kubectl.tabwriter import TabWriter
from podyard.kubectl.transport import JSON, TABLE
from podyard.kubectl.wanted import (
    ALL_NAMESPACES_FLAG,
    CHUNK_SIZE_FLAG,
    FIELD_SELECTOR_FLAG,
    FILE_FLAGS,
    SELECTOR_FLAG,
    wanted,
)

_MORE_FORMATS = ("custom-columns", "custom-columns-file", "wide")


def run(session: Session) -> int:
    """Show objects as a table, or in the format of -o."""
    if session["raw"]:
        _check_raw(session)
        session.out(_raw(session))
        return 0
    if not session.args and not session["filename"]:
        session.err(
            'You must specify the type of resource to get. Use "kubectl api-resources" for a complete list '
            "of supported resources.\n\n"
        )
        raise UsageError(
            session.command,
            'Required resource not specified.\nUse "kubectl explain <resource>" for a detailed description '
            "of that resource (e.g. kubectl explain pods).",
        )
    output, _ = printers.output_format(session)
    if session["show-labels"] and output not in ("", "wide"):
        raise CommandError(f"--show-labels option cannot be used with {session['output']} printer")
    if session["watch"] or session["watch-only"]:
        from podyard.kubectl.commands.get_watch import run_watch

        return run_watch(session)
    return _tables(session) if output in ("", "wide") else _documents(session)


def _check_raw(session: Session) -> None:
    if session.args or session["filename"]:
        raise CommandError("arguments may not be passed when --raw is specified")
    if session["output"]:
        raise CommandError("--raw and --output are mutually exclusive")
    for flag in ("watch", "watch-only", "selector", "label-columns"):
        if session[flag]:
            raise CommandError(f"--raw may not be specified with --{flag}")
    if not session["raw"].startswith("/"):
        raise CommandError(
            f'--raw must be a valid URL path: parse "{session["raw"]}": invalid URI for request'
        )


def _raw(session: Session) -> str:
    path = session["raw"]
    if not path.startswith("/") or any(letter.isspace() for letter in path):
        raise CommandError(f'--raw must be a valid URL path: parse "{path}": invalid URI for request')
    reply = session.transport.request("GET", path)
    if reply.status >= 400:
        reply.json()
    return reply.body.decode(errors="replace")


def _tables(session: Session) -> int:
    what = wanted(session, everything=True)
    what.whole_objects = bool(session["sort-by"])
    found = find(session, what, latest=True, accept=TABLE if session["server-print"] else JSON)
    errors = [e for e in found.errors if not (session["ignore-not-found"] and _missing(e))]
    for info in found.infos:
        if info.object.get("kind") != "Table":
            info.object = plain_table([info.object], time.time())
    if session["sort-by"]:
        from podyard.kubectl.sorting import sort_tables

        sort_tables([info.object for info in found.infos], session["sort-by"])
    rows = print_tables(session, found.infos)
    if not rows and not session["ignore-not-found"] and not errors:
        everywhere = session["all-namespaces"] or not all(i.resource.namespaced for i in found.infos)
        where = "" if everywhere else f" in {session.namespace} namespace."
        session.err(f"No resources found{where}\n")
    raise_all(errors)
    return 0


def _missing(error: CommandError) -> bool:
    return bool(getattr(error, "not_found", False))


def print_tables(session: Session, infos: Sequence[Info]) -> int:
    """Write one table a resource, with an empty line between two; gives the number of rows."""
    with_kind = len({(info.resource.group_version, info.resource.kind) for info in infos}) > 1
    writer = TabWriter(6, 3, remember=True)
    written = 0
    last, printer = None, None
    blocks: list[str] = []
    for info in infos:
        if printer is None or info.resource != last:
            blocks.append(writer.flush())
            writer.forget()
            printer = TablePrinter(table_options(session, info, with_kind), writer)
            last = info.resource
        written += printer.print(info.object)
    blocks.append(writer.flush())
    session.out(("" if session["no-headers"] else "\n").join(block for block in blocks if block))
    return written


def table_options(session: Session, info: Info, with_kind: bool = False) -> TableOptions:
    """How a table of one resource is shown."""
    return TableOptions(
        wide=printers.output_format(session)[0] == "wide",
        headers=not session["no-headers"],
        namespace=session["all-namespaces"] and info.resource.namespaced,
        kind=info.resource.name if with_kind or session["show-kind"] else "",
        labels=tuple(session["label-columns"]),
        show_labels=session["show-labels"],
    )


def object_printer(session: Session) -> printers.Printer:
    """The printer of -o, for formats that show objects."""
    kind, argument = printers.output_format(session)
    if kind in ("custom-columns", "custom-columns-file"):
        from podyard.kubectl.printers.columns import CustomColumns, parse_columns, read_columns

        columns = parse_columns(argument) if kind == "custom-columns" else read_columns(argument)
        return CustomColumns(columns, headers=not session["no-headers"])
    if kind == "name":
        from podyard.kubectl.printers.name import name_line

        return name_line
    return printers.document_printer(session, _MORE_FORMATS)


def _documents(session: Session) -> int:
    printer = object_printer(session)
    what = wanted(session, everything=True)
    found = find(session, what, latest=True)
    errors = found.errors
    if session["ignore-not-found"]:
        errors = [error for error in errors if not _missing(error)]
        if not found.infos:
            raise_all(errors)
            return 0
    if found.single and errors:
        raise_all(errors)
    objects = [info.object for info in found.infos]
    if session["sort-by"]:
        from podyard.kubectl.sorting import sort_objects

        objects = sort_objects(objects, session["sort-by"])
    if found.single and len(objects) == 1:
        session.out(printer(objects[0]))
    else:
        session.out(printer(as_list(objects)))
    sys.stdout.flush()
    raise_all(errors)
    return 0


def as_list(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Several objects as one."""
    return {"apiVersion": "v1", "items": objects, "kind": "List", "metadata": {"resourceVersion": ""}}


COMMAND = Command(
    "get (TYPE[.VERSION][.GROUP] [NAME | -l label] | TYPE[.VERSION][.GROUP]/NAME ...)",
    "Display one or many resources",
    run,
    (
        *FILE_FLAGS,
        SELECTOR_FLAG,
        FIELD_SELECTOR_FLAG,
        ALL_NAMESPACES_FLAG,
        Flag(
            "output",
            f"Output format. One of: ({', '.join(sorted((*printers.FORMATS, *_MORE_FORMATS)))}).",
            short="o",
        ),
        *printers.PRINT_FLAGS,
        Flag("watch", "After listing/getting the requested object, watch for changes.", "w", "bool"),
        Flag("watch-only", "Watch for changes, without listing/getting first.", kind="bool"),
        Flag("output-watch-events", "Output watch event objects when --watch is used.", kind="bool"),
        Flag("no-headers", "When using the default output format, don't print headers.", kind="bool"),
        Flag("show-labels", "When printing, show all labels as the last column.", kind="bool"),
        Flag("show-kind", "If present, list the resource type for the requested object(s).", kind="bool"),
        Flag("label-columns", "Labels that are going to be presented as columns.", "L", "strings"),
        Flag("sort-by", "If non-empty, sort list types using this field specification."),
        Flag("subresource", "If specified, gets the subresource of the requested object."),
        Flag("ignore-not-found", "If the object does not exist the exit code is 0.", kind="bool"),
        Flag("raw", "Raw URI to request from the server."),
        Flag("server-print", "If true, have the server make the table.", kind="bool", default=True),
        CHUNK_SIZE_FLAG,
    ),
    "kubectl get pods\n"
    "kubectl get pods -l run=my-nginx -o wide\n"
    "kubectl get deployment/web service/web\n"
    "kubectl get pod web -o jsonpath='{.status.podIP}'",
)
