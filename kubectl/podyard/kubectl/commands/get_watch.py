"""kubectl get --watch: the objects, then a line for each change."""

from __future__ import annotations

import sys
from typing import Any

from podyard.kubectl import printers
from podyard.kubectl.commands.get import object_printer, table_options
from podyard.kubectl.errors import CommandError
from podyard.kubectl.finder import Info, find, lists
from podyard.kubectl.jsontext import compact
from podyard.kubectl.printers.table import TablePrinter, status_table
from podyard.kubectl.session import Session
from podyard.kubectl.tabwriter import TabWriter
from podyard.kubectl.transport import JSON, TABLE, DeadlineError
from podyard.kubectl.wanted import Request, Wanted, plan, wanted
from podyard.kubectl.watching import WatchError, watch


def run_watch(session: Session) -> int:
    """Show what is there, unless --watch-only, and go on until the watch ends."""
    what = wanted(session, everything=True)
    request = _request(session, what)
    if session["sort-by"]:
        session.err("warning: --watch requested, --sort-by will be ignored for watch events received\n")
    shower = _Shower(session, request)
    query = dict(what.query())
    if request.name:
        query["fieldSelector"] = f"metadata.name={request.name}"
        found = session.transport.json(
            "GET", request.resource.path(request.namespace, request.name), accept=shower.accept
        )
        version = _version(found)
        shown = [found]
    else:
        shown = list(lists(session, request, what, shower.accept))
        version = str(shown[-1].get("metadata", {}).get("resourceVersion", ""))
    if not session["watch-only"]:
        for document in shown:
            shower.show(document, "ADDED")
    return _follow(session, request, {**query, "resourceVersion": version}, shower)


def _request(session: Session, what: Wanted) -> Request:
    """The one thing to watch: a collection, or an object. Raises CommandError for several."""
    if what.filenames:
        infos = find(session, what).all()
        requests = [Request(info.resource, info.namespace, info.name) for info in infos]
    else:
        requests, _ = plan(session, what)
        if len({request.resource for request in requests}) > 1:
            raise CommandError("you may only specify a single resource type")
    if len(requests) != 1:
        raise CommandError(
            "watch is only supported on individual resources and resource collections - more than 1 resource "
            "was found"
        )
    return requests[0]


def _version(document: dict[str, Any]) -> str:
    """The resourceVersion of an object, or of the one row of its table."""
    rows = document.get("rows") or [{}]
    metadata = document.get("metadata") or {}
    found = (rows[0].get("object") or {}).get("metadata", {}).get("resourceVersion")
    return str(found or metadata.get("resourceVersion", ""))


def _follow(session: Session, request: Request, query: dict[str, str], shower: _Shower) -> int:
    """Show changes until the watch ends. It is not taken up again, and however it ends, that is no error."""
    try:
        for event, obj in watch(session, request.resource, request.namespace, query, accept=shower.accept):
            shower.show(obj, event)
    except WatchError as error:
        shower.show(error.status, "ERROR")
    except DeadlineError:
        pass
    return 0


class _Shower:
    """Writes objects, or tables, the moment they come."""

    def __init__(self, session: Session, request: Request) -> None:
        self._session = session
        self._events = bool(session["output-watch-events"])
        self._printer: printers.Printer | None = None
        self.accept = JSON
        if printers.output_format(session)[0] in ("", "wide"):
            self.accept = TABLE
            self._writer = TabWriter(6, 3, remember=True)
            info = Info(request.resource, request.namespace, request.name)
            self._table = TablePrinter(table_options(session, info), self._writer)
        else:
            self._printer = object_printer(session)

    def show(self, document: dict[str, Any], event: str) -> None:
        """Write one object or table."""
        if self._printer is None:
            table = status_table(document) if document.get("kind") == "Status" else document
            self._table.print(table, event if self._events else "")
            self._session.out(self._writer.flush())
        else:
            items = document.get("items") if str(document.get("kind", "")).endswith("List") else None
            for item in items if isinstance(items, list) else [document]:
                self._object(self._printer, item, event)
        sys.stdout.flush()

    def _object(self, printer: printers.Printer, item: dict[str, Any], event: str) -> None:
        if not self._events:
            self._session.out(printer(item))
        elif printers.output_format(self._session)[0] == "json":
            self._session.out(f'{{"type":"{event}","object":{compact(item)}}}\n')
        else:
            self._session.out(printer({"type": event, "object": item}))
