"""What --help shows."""

from __future__ import annotations

from podyard.kubectl.commands import COMMANDS, Command, load
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import GLOBAL_FLAGS


def overview() -> str:
    """The list of commands."""
    width = max(map(len, COMMANDS)) + 2
    lines = [f"  {name:{width}}{text}" for name, (_, text) in COMMANDS.items()]
    return (
        "kubectl controls the Kubernetes cluster manager.\n\n"
        "Commands:\n" + "\n".join(lines) + "\n\n"
        "Usage:\n  kubectl [flags] [options]\n\n"
        'Use "kubectl <command> --help" for more information about a given command.\n'
    )


def help_text(command: Command) -> str:
    """What one command does, its flags and examples."""
    parts = [f"{command.short}.\n"]
    if command.example:
        parts.append("Examples:\n" + "".join(f"  {line}\n" for line in command.example.splitlines()))
    if command.children:
        parts.append("Available Commands:\n" + _children(command))
    if command.flags:
        parts.append("Options:\n" + "\n\n".join(map(_flag, command.flags)) + "\n")
    parts.append(f"Usage:\n  kubectl {command.usage} [options]\n")
    parts.append('Use "kubectl options" for the flags that every command takes.\n')
    return "\n".join(parts)


def options() -> str:
    """The flags that every command takes."""
    flags = "\n\n".join(map(_flag, GLOBAL_FLAGS))
    return f"The following options can be passed to any command:\n\n{flags}\n"


def _children(command: Command) -> str:
    """The sub-commands, each under its first name."""
    names: dict[str, str] = {}
    for name, module in command.children.items():
        names.setdefault(module, name)
    width = max(map(len, names.values())) + 2
    return "".join(f"  {name:{width}}{load(module).short}\n" for module, name in names.items())


def _flag(flag: Flag) -> str:
    short = f"-{flag.short}, " if flag.short else ""
    initial = flag.initial
    shown = {bool: str(initial).lower(), int: str(initial), float: "0s"}.get(type(initial))
    if shown is None:
        shown = "[]" if isinstance(initial, list) else f"'{initial}'"
    return f"    {short}--{flag.name}={shown}:\n\t{flag.usage}"
