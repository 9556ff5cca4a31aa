"""`-o custom-columns=HEADER:PATH,…`: a table of one's own."""

from __future__ import annotations

from typing import Any

from podyard.kubectl.errors import CommandError
from podyard.kubectl.gotext import go_print
from podyard.kubectl.jsonpath import JsonPath, relaxed
from podyard.kubectl.output import system_text
from podyard.kubectl.tabwriter import TabWriter


class CustomColumns:
    """A printer of one line an object; the header comes once."""

    def __init__(self, columns: list[tuple[str, str]], *, headers: bool = True) -> None:
        self._titles = [title for title, _ in columns]
        self._paths = [JsonPath(relaxed(path), allow_missing=True) for _, path in columns]
        self._headers = headers

    def __call__(self, obj: dict[str, Any]) -> str:
        writer = TabWriter(6, 3, remember=True)
        if self._headers:
            writer.write("\t".join(self._titles) + "\n")
            self._headers = False
        items = obj.get("items") if str(obj.get("kind", "")).endswith("List") else None
        for item in items if isinstance(items, list) else [obj]:
            writer.write("\t".join(self._cell(path, item) for path in self._paths) + "\n")
        return writer.flush()

    def _cell(self, path: JsonPath, obj: dict[str, Any]) -> str:
        found = [value for part in path.results(obj) for value in part]
        return ",".join(map(go_print, found)) if found else "<none>"


def parse_columns(spec: str) -> list[tuple[str, str]]:
    """The columns of `HEADER:PATH,…`. Raises CommandError."""
    if not spec:
        raise CommandError("custom-columns format specified but no custom columns given")
    columns = []
    for part in spec.split(","):
        title, colon, path = part.partition(":")
        if not colon:
            raise CommandError(f"unexpected custom-columns spec: {part}, expected <header>:<json-path-expr>")
        columns.append((title, path))
    return columns


def read_columns(path: str) -> list[tuple[str, str]]:
    """The columns of a file: a line of headers, a line of paths. Raises CommandError."""
    try:
        with open(path) as file:
            lines = file.read().splitlines()
    except OSError as error:
        raise CommandError(f"error reading template {path}, open {path}: {system_text(error)}") from None
    if len(lines) < 2:
        raise CommandError(
            "invalid template, missing spec line. Expected format is one line of space separated headers, "
            "one line of space separated column specs."
        )
    titles, paths = lines[0].split(), lines[1].split()
    if len(titles) != len(paths):
        raise CommandError(
            f"number of headers ({len(titles)}) and field specifications ({len(paths)}) don't match"
        )
    return list(zip(titles, paths, strict=True))
