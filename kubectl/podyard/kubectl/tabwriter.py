"""Columns of text, aligned as Go's text/tabwriter does.

A cell ends with a tab; what stands behind a line's last tab belongs to no column. A column is a
block of consecutive lines that have the cell, and is as wide as its widest cell.
Source: text/tabwriter, and github.com/liggitt/tabwriter for remembered widths.
"""

from __future__ import annotations


class TabWriter:
    """Collects text; `flush` gives it with its tabs replaced by spaces."""

    def __init__(self, minimum: int, padding: int, *, remember: bool = False) -> None:
        self._minimum = minimum
        self._padding = padding
        self._remembered: list[int] | None = [] if remember else None
        self._text: list[str] = []

    def write(self, text: str) -> None:
        """Add text."""
        self._text.append(text)

    def forget(self) -> None:
        """Let the next flush choose its widths anew."""
        if self._remembered is not None:
            self._remembered = []

    def flush(self) -> str:
        """The text so far, aligned; later text forms columns of its own."""
        text = "".join(self._text)
        self._text = []
        lines = [line.split("\t") for line in text.split("\n")]
        widths: list[list[int]] = [[] for _ in lines]
        self._measure(lines, widths, 0, len(lines), [])
        return "\n".join(_pad(cells, width) for cells, width in zip(lines, widths, strict=True))

    def _measure(
        self, lines: list[list[str]], widths: list[list[int]], first: int, end: int, outer: list[int]
    ) -> None:
        """Set the widths of the lines from `first` to `end`, whose columns `outer` are known."""
        column = len(outer)
        at = first
        while at < end:
            if column >= len(lines[at]) - 1:
                widths[at] = outer
                at += 1
                continue
            block = at
            while at < end and column < len(lines[at]) - 1:
                at += 1
            width = max(self._minimum, *(len(lines[i][column]) + self._padding for i in range(block, at)))
            width = self._remember(column, width)
            self._measure(lines, widths, block, at, [*outer, width])

    def _remember(self, column: int, width: int) -> int:
        known = self._remembered
        if known is None:
            return width
        if len(known) <= column:
            known += [0] * (column + 1 - len(known))
        known[column] = max(known[column], width)
        return known[column]


def _pad(cells: list[str], widths: list[int]) -> str:
    return "".join(
        cell + " " * (widths[i] - len(cell)) if i < len(widths) else cell for i, cell in enumerate(cells)
    )


def tabbed(text: str, minimum: int = 0, padding: int = 2) -> str:
    """Text aligned, without arguments as `kubectl describe` does."""
    writer = TabWriter(minimum, padding)
    writer.write(text)
    return writer.flush()
