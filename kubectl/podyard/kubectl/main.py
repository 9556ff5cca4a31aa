"""`podyard kubectl`: finds the command, parses its flags, runs it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterable, Sequence

from podyard.kubectl.commands import COMMANDS, Command, load
from podyard.kubectl.errors import CommandError, UsageError, report
from podyard.kubectl.flags import Flag, check_required, parse
from podyard.kubectl.output import failed as output_failed
from podyard.kubectl.output import reader_gone
from podyard.kubectl.session import GLOBAL_FLAGS, Session

PROGRAM = "kubectl"
HELP = Flag("help", "help for the command", short="h", kind="bool")


def main(words: Sequence[str]) -> int:
    """Run one command line, without the program's name; give the exit status."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return _flushed(lambda: _run(list(words)))
    except BrokenPipeError:
        reader_gone()
    except OSError as error:
        sys.stderr.write(report(output_failed(error)))
        return 1


def _flushed(action: Callable[[], int]) -> int:
    """The exit status of what is done; what it wrote has reached its reader. Raises OSError if it cannot."""
    try:
        status = action()
        sys.stdout.flush()
        return status
    except CommandError as error:
        sys.stdout.flush()
        sys.stderr.write(report(error))
        return error.code


def _run(words: list[str]) -> int:
    name, words = _take_command(words)
    if not name:
        from podyard.kubectl.usage import overview

        sys.stdout.write(overview())
        return 0
    if name not in COMMANDS:
        raise CommandError(_unknown(name, PROGRAM, COMMANDS))
    path, command = f"{PROGRAM} {name}", load(COMMANDS[name][0])
    while command.children:
        child, rest = _take_command(words)
        if child in command.children:
            module = command.children[child]
            full = next(name for name, its in command.children.items() if its == module)
            path, words, command = f"{path} {full}", rest, load(module)
            continue
        if command.run is None:
            return _no_child(path, command, child, words)
        break
    flags = (*command.flags, *(f for f in GLOBAL_FLAGS if f.name not in _names(command.flags)), HELP)
    try:
        parsed = parse(words, flags)
        if not parsed["help"]:
            check_required(command.flags, parsed)
    except CommandError as error:
        if str(error).startswith("required flag"):
            raise
        raise CommandError(f"{error}\nSee '{path} --help' for usage.") from None
    if parsed["help"]:
        from podyard.kubectl.usage import help_text

        sys.stdout.write(help_text(command))
        return 0
    assert command.run is not None
    session = Session(parsed, path, _names(command.flags))
    status = command.run(session) or 0
    if session["warnings-as-errors"] and (count := session.transport.warnings):
        raise CommandError(f"{count} warning{'s' if count > 1 else ''} received")
    return status


def _names(flags: Sequence[Flag]) -> frozenset[str]:
    return frozenset(flag.name for flag in flags)


def _take_command(words: list[str]) -> tuple[str, list[str]]:
    """The first word that is neither a global flag nor a flag's value, and the others."""
    takes_value = {
        spelled
        for flag in GLOBAL_FLAGS
        if flag.kind != "bool"
        for spelled in (f"--{flag.name}", f"-{flag.short}" if flag.short else "")
    }
    at = 0
    while at < len(words):
        word = words[at]
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            return word, [*words[:at], *words[at + 1 :]]
        at += 2 if word in takes_value else 1
    return "", words


def _no_child(path: str, command: Command, child: str, words: list[str]) -> int:
    from podyard.kubectl.usage import help_text

    if "-h" in words or "--help" in words:
        sys.stdout.write(help_text(command))
        return 0
    if child:
        raise UsageError(path, f'unknown command "{child}"')
    sys.stderr.write(help_text(command))
    return 1


def _unknown(word: str, path: str, known: Iterable[str]) -> str:
    close = [name for name in sorted(known) if _distance(word, name) <= 2 or name.startswith(word)]
    hint = "\n\nDid you mean this?\n" + "".join(f"\t{one}\n" for one in close) if close else ""
    return f'unknown command {json.dumps(word)} for "{path}"{hint}'


def _distance(one: str, other: str) -> int:
    """How many letters must be changed, added or removed (Levenshtein)."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]
