"""Fills a template in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from podyard.kubectl.gotemplate.functions import FUNCTIONS, shown, truth
from podyard.kubectl.gotemplate.nodes import (
    Argument,
    Leave,
    Literal,
    Node,
    Operand,
    Pipeline,
    TemplateError,
    Text,
)
from podyard.kubectl.gotemplate.parsing import parse

_NOTHING = object()
_DECIDES = {"and": False, "or": True}
"""The truth of a value behind which a function looks at no other."""


class Template:
    """A parsed template. `allow_missing`: a missing key is `<no value>`, and no error."""

    def __init__(self, text: str, *, allow_missing: bool = True) -> None:
        self._nodes = parse(text)
        self._allow_missing = allow_missing

    def text(self, document: Any) -> str:
        """The template filled in. Raises TemplateError."""
        run = _Run(document, self._allow_missing)
        run.nodes(self._nodes, document)
        return "".join(run.written)


class _Left(Exception):
    """`break` or `continue` was met."""


class _Run:
    def __init__(self, document: Any, allow_missing: bool) -> None:
        self.written: list[str] = []
        self._allow_missing = allow_missing
        self._variables: list[tuple[str, Any]] = [("$", document)]

    def nodes(self, nodes: Sequence[Node], dot: Any) -> None:
        """Write nodes; variables that they declare end with them."""
        known = len(self._variables)
        try:
            for node in nodes:
                self._node(node, dot)
        finally:
            del self._variables[known:]

    def _node(self, node: Node, dot: Any) -> None:
        if isinstance(node, Text):
            self.written.append(node.text)
        elif isinstance(node, Leave):
            raise _Left(node.kind)
        elif isinstance(node, Pipeline):
            value = self._pipeline(node, dot)
            if node.names:
                self._assign(node, (value,))
            else:
                self.written.append(shown(value))
        elif node.kind == "range":
            self._range(node.pipeline, node.body, node.otherwise, dot)
        else:
            known = len(self._variables)
            value = self._pipeline(node.pipeline, dot)
            self._assign(node.pipeline, (value,))
            if truth(value):
                self.nodes(node.body, value if node.kind == "with" else dot)
            else:
                self.nodes(node.otherwise, dot)
            del self._variables[known:]

    def _range(self, pipeline: Pipeline, body: Sequence[Node], otherwise: Sequence[Node], dot: Any) -> None:
        items = list(_items(self._pipeline(pipeline, dot)))
        known = len(self._variables)
        for key, value in items:
            self._assign(pipeline, (key, value) if len(pipeline.names) == 2 else (value,))
            try:
                self.nodes(body, value)
            except _Left as left:
                if str(left) == "break":
                    break
            finally:
                if pipeline.declares:
                    del self._variables[known:]
        if not items:
            self.nodes(otherwise, dot)

    def _assign(self, pipeline: Pipeline, values: Sequence[Any]) -> None:
        for name, value in zip(pipeline.names, values, strict=False):  # the names may be none
            if pipeline.declares:
                self._variables.append((name, value))
                continue
            at = self._find(name)
            self._variables[at] = (name, value)

    def _find(self, name: str) -> int:
        for at in range(len(self._variables) - 1, -1, -1):
            if self._variables[at][0] == name:
                return at
        raise TemplateError(f'undefined variable "{name}"')

    def _pipeline(self, pipeline: Pipeline, dot: Any) -> Any:
        value: Any = _NOTHING
        for command in pipeline.commands:
            value = self._command(command, dot, value)
        return value

    def _command(self, command: tuple[Argument, ...], dot: Any, piped: Any) -> Any:
        first = command[0]
        name = first.base if isinstance(first, Operand) and isinstance(first.base, str) else ""
        arguments = []
        for one in command[1:]:
            arguments.append(self._value(one, dot))
            if truth(arguments[-1]) == _DECIDES.get(name):
                break
        else:
            arguments += [] if piped is _NOTHING else [piped]
        if isinstance(first, Operand) and name in FUNCTIONS:
            return self._taken(_called(name, arguments), first.fields)
        if arguments:
            raise TemplateError(f"can't give argument to non-function {_named(first)}")
        if isinstance(first, Literal) and first.value is None:
            raise TemplateError("nil is not a command")
        return self._value(first, dot)

    def _value(self, argument: Argument, dot: Any) -> Any:
        if isinstance(argument, Literal):
            return argument.value
        if isinstance(argument.base, Pipeline):
            return self._taken(self._pipeline(argument.base, dot), argument.fields)
        if argument.base in FUNCTIONS:
            return self._taken(_called(argument.base, []), argument.fields)
        base = dot if argument.base == "." else self._variables[self._find(argument.base)][1]
        return self._taken(base, argument.fields)

    def _taken(self, value: Any, fields: tuple[str, ...]) -> Any:
        """The field of the field … of a value."""
        absent = True
        for at, name in enumerate(fields):
            if value is None and absent and self._allow_missing:
                return None
            if value is None:
                where = "." + ".".join(fields)
                raise TemplateError(f"<{where}>: nil pointer evaluating interface {{}}.{name}")
            if not isinstance(value, dict):
                where = "." + ".".join(fields[: at + 1])
                raise TemplateError(f"<{where}>: can't evaluate field {name} in type interface {{}}")
            if name not in value and not self._allow_missing:
                raise TemplateError(f'<.{".".join(fields)}>: map has no entry for key "{name}"')
            absent, value = name not in value, value.get(name)
        return value


def _named(argument: Argument) -> str:
    if isinstance(argument, Literal):
        return shown(argument.value)
    base = argument.base if isinstance(argument.base, str) else "(…)"
    return ".".join((base.rstrip("."), *argument.fields))


def _called(name: str, arguments: list[Any]) -> Any:
    try:
        return FUNCTIONS[name](*arguments)
    except (TypeError, IndexError):
        raise TemplateError(f"wrong number or type of arguments for {name}") from None


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    """Keys and values to range over."""
    if isinstance(value, dict):
        yield from ((key, value[key]) for key in sorted(value))
    elif isinstance(value, list):
        yield from enumerate(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from ((number, number) for number in range(value))
    elif value is not None:
        raise TemplateError(f"range can't iterate over {shown(value)}")
