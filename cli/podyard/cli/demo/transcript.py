"""What a transcript is made of: commands, and what must appear. Pure.

In commands and patterns `<POD-IP>` stands for a value that an earlier step has shown: a named group
of one of its patterns, `(?P<POD_IP>…)`. Patterns are regular expressions, `^` and `$` at lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PLACEHOLDER = re.compile(r"(?<!\?P)<([A-Z][A-Z0-9-]*)>")

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Typed:
    """A line that is typed at a prompt, and what must appear before the next prompt."""

    line: str
    shows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One command.

    `title` is for the reader. `shows` must all appear, `hides` must not. A `look` has no effect, so that
    it is repeated until it shows what it should. `on_node`: typed on a node, not on the host. `talk`: the
    command gives a prompt, and this is typed there. `needs`: a program without which the step is left out.
    """

    command: str
    shows: tuple[str, ...] = ()
    hides: tuple[str, ...] = ()
    title: str = ""
    look: bool = False
    on_node: bool = False
    talk: tuple[Typed, ...] = ()
    needs: str = ""


def fill(text: str, values: Values) -> str:
    """A command with its values. Raises KeyError for one that no step has shown."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def find(pattern: str, text: str, values: Values) -> re.Match[str] | None:
    """Where a pattern appears."""
    filled = _PLACEHOLDER.sub(lambda found: re.escape(values[found[1]]), pattern)
    return re.search(filled, text, re.MULTILINE)


def missing(step: Step, output: str, values: Values) -> str:
    """What is wrong with a step's output, "" when nothing is."""
    for pattern in step.shows:
        if not find(pattern, output, values):
            return f"this did not appear: {pattern}"
    for pattern in step.hides:
        if find(pattern, output, values):
            return f"this must not appear: {pattern}"
    return ""


def shown(patterns: tuple[str, ...], output: str, values: Values) -> dict[str, str]:
    """The values that an output shows."""
    found: dict[str, str] = {}
    for pattern in patterns:
        match = find(pattern, output, {**values, **found})
        named = match.groupdict() if match else {}
        found |= {name.replace("_", "-"): value for name, value in named.items() if value is not None}
    return found
