"""Parses a template."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Any

from podyard.kubectl.gotemplate.functions import FUNCTIONS
from podyard.kubectl.gotemplate.nodes import (
    Argument,
    Block,
    Leave,
    Literal,
    Node,
    Operand,
    Pipeline,
    TemplateError,
    Text,
)

_ACTION = re.compile(r"\{\{(-\s)?(.*?)(\s-)?\}\}", re.DOTALL)
_COMMENT = re.compile(r"/\*.*\*/", re.DOTALL)
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<char>'(?:[^'\\\n]|\\.)*')
    |(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+))
    |(?P<name>\$?\w*(?:\.\w+)+|\$\w*|\w+|\.)
    |(?P<close>\)(?:\.\w+)*)
    |(?P<sign>:=|[=|(,])""",
    re.VERBOSE,
)
_WORDS = {"true": True, "false": False, "nil": None}
_BLOCKS = ("if", "with", "range")


def parse(text: str) -> list[Node]:
    """The nodes of a template. Raises TemplateError."""
    parser = _Parser(text)
    nodes, ended = parser.body()
    if ended:
        raise TemplateError(f"unexpected {{{{{ended}}}}}")
    return nodes


def _pieces(text: str) -> list[tuple[bool, str]]:
    """Text (False) and the insides of actions (True), one after the other."""
    found: list[tuple[bool, str]] = []
    at, trim = 0, False
    for action in _ACTION.finditer(text):
        before = text[at : action.start()]
        before = before.lstrip() if trim else before
        found.append((False, before.rstrip() if action[1] else before))
        found.append((True, action[2].strip()))
        at, trim = action.end(), bool(action[3])
    rest = text[at:]
    found.append((False, rest.lstrip() if trim else rest))
    if any("{{" in piece for is_action, piece in found if not is_action):
        raise TemplateError("unclosed action")
    return [(is_action, piece) for is_action, piece in found if _counts(is_action, piece)]


def _counts(is_action: bool, piece: str) -> bool:
    return not _COMMENT.fullmatch(piece) if is_action else bool(piece)


class _Parser:
    def __init__(self, text: str) -> None:
        self._pieces = _pieces(text)
        self._depth = 0

    def body(self) -> tuple[list[Node], str]:
        """Nodes up to the `end` or `else` of the block, and that action ("" at the end of the text)."""
        nodes: list[Node] = []
        while self._pieces:
            is_action, piece = self._pieces.pop(0)
            word, _, rest = piece.partition(" ")
            if not is_action:
                nodes.append(Text(piece))
            elif piece == "end" or word == "else":
                return nodes, piece
            elif word in _BLOCKS:
                nodes.append(self._block(word, rest))
            elif piece in ("break", "continue"):
                if not self._depth:
                    raise TemplateError(f"{{{{{piece}}}}} outside {{{{range}}}}")
                nodes.append(Leave(piece))
            else:
                nodes.append(_Action(piece).pipeline())
        return nodes, ""

    def _block(self, kind: str, text: str) -> Block:
        pipeline = _Action(text).pipeline()
        self._depth += kind == "range"
        body, ended = self.body()
        self._depth -= kind == "range"
        otherwise: list[Node] = []
        if ended.startswith("else "):
            word, _, rest = ended[5:].strip().partition(" ")
            if word not in ("if", "with"):
                raise TemplateError(f"unexpected <{word}> in else")
            return Block(kind, pipeline, body, [self._block(word, rest)])
        if ended == "else":
            otherwise, ended = self.body()
        if ended != "end":
            raise TemplateError("unexpected EOF" if not ended else f"unexpected {{{{{ended}}}}}")
        return Block(kind, pipeline, body, otherwise)


class _Action:
    """Parses what stands in one action: a pipeline, or `$a, $b := PIPELINE`."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))

    def pipeline(self) -> Pipeline:
        """The whole action."""
        names, declares = self._variables()
        found = Pipeline(self._commands(), names, declares)
        if self._tokens:
            raise TemplateError(f"unexpected {self._tokens[0][1]!r} in command")
        return found

    def _variables(self) -> tuple[tuple[str, ...], bool]:
        texts = [text for _, text in self._tokens[:4]]
        for count, end in ((1, 1), (2, 3)):
            names = texts[0:end:2]
            signs = texts[end : end + 1]
            if len(names) == count and all(n.startswith("$") for n in names) and signs in ([":="], ["="]):
                if count == 2 and texts[1] != ",":
                    continue
                del self._tokens[: end + 1]
                return tuple(names), signs == [":="]
        return (), False

    def _commands(self) -> tuple[tuple[Argument, ...], ...]:
        commands = [self._command()]
        while self._tokens and self._tokens[0][1] == "|":
            self._tokens.pop(0)
            commands.append(self._command())
        return tuple(commands)

    def _command(self) -> tuple[Argument, ...]:
        arguments: list[Argument] = []
        while self._tokens and self._tokens[0][1] != "|" and self._tokens[0][0] != "close":
            arguments.append(self._argument(*self._tokens.pop(0)))
        if not arguments:
            raise TemplateError("missing value for command")
        return tuple(arguments)

    def _argument(self, kind: str, text: str) -> Argument:
        if kind in ("string", "char", "number"):
            return Literal(_constant(kind, text))
        if text == "(":
            inner = Pipeline(self._commands())
            if not self._tokens:
                raise TemplateError("unclosed left paren")
            return Operand(inner, _fields(self._tokens.pop(0)[1][1:]))
        if kind != "name":
            raise TemplateError(f"unexpected {text!r} in operand")
        if text in _WORDS:
            return Literal(_WORDS[text])
        base, _, fields = text.partition(".")
        if base and not base.startswith("$") and base not in FUNCTIONS:
            raise TemplateError(f'function "{base}" not defined')
        return Operand(base or ".", _fields(fields))


def _fields(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(".") if part)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        matched = _TOKEN.match(text, at)
        if matched is None:
            raise TemplateError(f"unexpected {text[at]!r} in operand")
        at = matched.end()
        if matched.lastgroup and matched.lastgroup != "space":
            yield matched.lastgroup, matched.group()


def _constant(kind: str, text: str) -> Any:
    if text.startswith("`"):
        return text[1:-1]
    try:
        value: Any = int(text, 16) if text[:2].lower() == "0x" else ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise TemplateError(f"malformed constant {text}") from None
    if kind != "char":
        return value
    if len(value) != 1:
        raise TemplateError(f"malformed character constant: {text}")
    return ord(value)
