"""What a template is made of once it is parsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class TemplateError(Exception):
    """A template that cannot be parsed, or that does not fit the object."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: Any


@dataclass(frozen=True, slots=True)
class Operand:
    """`.`, `$x`, a function's name or a pipeline in parentheses, and the fields that are taken of it."""

    base: str | Pipeline
    fields: tuple[str, ...] = ()


Argument = Literal | Operand


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each of which gets the result of the one before; `names` are the variables that are set."""

    commands: tuple[tuple[Argument, ...], ...]
    names: tuple[str, ...] = ()
    declares: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """Text that stands as it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """`if`, `with` or `range`: what is done with a value, and what is done without."""

    kind: str
    pipeline: Pipeline
    body: Sequence[Node]
    otherwise: Sequence[Node]


@dataclass(frozen=True, slots=True)
class Leave:
    """`break` or `continue`."""

    kind: str


Node = Text | Pipeline | Block | Leave
