"""Flags as kubectl takes them: anywhere on the line, `--name=value`, `--name value`, `-n value`, `-it`.

Source: github.com/spf13/pflag, whose messages these are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from podyard.kubectl.errors import CommandError

Kind = Literal["string", "bool", "int", "duration", "strings", "array"]
"""`strings` splits at commas and may be repeated; `array` may be repeated."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. `bare` is the value of a flag that is given without one ("" for: it needs one)."""

    name: str
    usage: str
    short: str = ""
    kind: Kind = "string"
    default: Any = None
    bare: str = ""
    required: bool = False

    @property
    def initial(self) -> Any:
        """Its value when it is not given."""
        if self.default is not None:
            return self.default
        return {"bool": False, "int": 0, "duration": 0.0, "strings": [], "array": []}.get(self.kind, "")


@dataclass(slots=True)
class Parsed:
    """A parsed command line. `dash` is how many arguments stand before `--`, or -1 without one."""

    values: dict[str, Any] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    args: list[str] = field(default_factory=list)
    dash: int = -1

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def parse(words: Sequence[str], flags: Iterable[Flag]) -> Parsed:
    """Sort words into flags and arguments. Raises CommandError with pflag's message."""
    by_name = {flag.name: flag for flag in flags}
    by_short = {flag.short: flag for flag in by_name.values() if flag.short}
    parsed = Parsed({flag.name: flag.initial for flag in by_name.values()})
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            parsed.dash = len(parsed.args)
            parsed.args += rest
            break
        if word.startswith("--"):
            _long(word, rest, by_name, parsed)
        elif len(word) > 1 and word.startswith("-"):
            _short(word, rest, by_short, parsed)
        else:
            parsed.args.append(word)
    return parsed


def check_required(flags: Iterable[Flag], parsed: Parsed) -> None:
    """Raise when a required flag is missing."""
    missing = [f'"{flag.name}"' for flag in flags if flag.required and flag.name not in parsed.changed]
    if missing:
        raise CommandError(f"required flag(s) {', '.join(missing)} not set")


def _long(word: str, rest: list[str], flags: dict[str, Flag], parsed: Parsed) -> None:
    name, equals, value = word[2:].partition("=")
    flag = flags.get(name)
    if not name or name[0] in "-=":
        raise CommandError(f"bad flag syntax: {word}")
    if flag is None:
        raise CommandError(f"unknown flag: --{name}")
    if not equals:
        value = _bare(flag)
        if not value:
            if not rest:
                raise CommandError(f"flag needs an argument: --{name}")
            value = rest.pop(0)
    _set(flag, value, parsed)


def _short(word: str, rest: list[str], flags: dict[str, Flag], parsed: Parsed) -> None:
    letters = word[1:]
    while letters:
        word = f"-{letters}"
        letter, letters = letters[0], letters[1:]
        flag = flags.get(letter)
        if flag is None:
            raise CommandError(f"unknown shorthand flag: '{letter}' in {word}")
        if letters.startswith("="):
            value, letters = letters[1:], ""
        elif _bare(flag):
            value = _bare(flag)
        elif letters:
            value, letters = letters, ""
        elif rest:
            value = rest.pop(0)
        else:
            raise CommandError(f"flag needs an argument: '{letter}' in {word}")
        _set(flag, value, parsed)


def _bare(flag: Flag) -> str:
    return "true" if flag.kind == "bool" else flag.bare


def _set(flag: Flag, text: str, parsed: Parsed) -> None:
    try:
        value = _convert(flag, text)
    except ValueError as error:
        named = f"-{flag.short}, --{flag.name}" if flag.short else f"--{flag.name}"
        raise CommandError(f'invalid argument "{text}" for "{named}" flag: {error}') from None
    if flag.kind in ("strings", "array"):
        earlier = parsed.values[flag.name] if flag.name in parsed.changed else []
        value = [*earlier, *value]
    parsed.values[flag.name] = value
    parsed.changed.add(flag.name)


def _convert(flag: Flag, text: str) -> Any:
    if flag.kind == "bool":
        return parse_bool(text)
    if flag.kind == "int":
        if not re.fullmatch(r"[-+]?\d+", text):
            raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        return int(text)
    if flag.kind == "duration":
        return parse_duration(text)
    if flag.kind == "strings":
        return text.split(",") if text else []
    return [text] if flag.kind == "array" else text


def parse_bool(text: str) -> bool:
    """A boolean as Go's strconv.ParseBool takes it. Raises ValueError."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')


_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds of a Go duration such as "1m30s". Raises ValueError with Go's message."""
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0.0
    parts = re.findall(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)", rest)
    if rest and "".join(number + unit for number, unit in parts) == rest:
        return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)
    if re.fullmatch(r"\d+\.?\d*|\.\d+", rest):
        raise ValueError(f'time: missing unit in duration "{text}"')
    raise ValueError(f'time: invalid duration "{text}"')
