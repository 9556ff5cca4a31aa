"""The `podyard` command: finds the sub-command, imports only that, runs it."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from types import FrameType

USER_COMMANDS = {
    "up": "start a cluster on this machine",
    "server": "start a cluster that other hosts join",
    "join": "make this host a node of such a cluster",
    "token": "make, show and delete the tokens by which hosts join",
    "down": "stop it",
    "status": "show its processes",
    "kubeconfig": "print a kubeconfig for it",
    "shell": "be on a node: a shell where its addresses and DNS answer",
    "demo": "play a Kubernetes tutorial from start to end in a throw-away cluster",
    "version": "print the version",
}
"""Modules of podyard.cli.commands: `add_arguments(parser)` and `command(args) -> int`."""

COMPONENTS = {
    "apiserver": ("podyard.apiserver.command", "the Kubernetes API and the storage"),
    "controller-manager": ("podyard.cli.controller_manager", "the controllers and the scheduler"),
    "kubelet": ("podyard.kubelet.command", "runs the pods of one node"),
    "proxy": ("podyard.proxy.command", "forwards Service connections on one node"),
    "dns": ("podyard.dns.command", "the cluster's DNS server"),
    "gate": ("podyard.cli.rootless.gate", "lets the host into a cluster without root"),
}
"""Modules with `add_arguments(parser)` and `async main(args)`."""

BROKEN_PIPE, INTERRUPTED = 128 + signal.SIGPIPE, 128 + signal.SIGINT
"""The exit statuses that a shell shows of a program that SIGPIPE or SIGINT has ended."""

LOG_LEVELS = ("debug", "info", "warning", "error")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one `podyard` command; give its exit status (1 with one line for a user's mistake)."""
    words = list(sys.argv[1:] if argv is None else argv)
    _on_interrupt(signal.SIG_DFL)  # ends it at once, and without a word, while modules are imported
    if words[:1] == ["kubectl"]:  # parses its own flags, and must start fast
        from podyard.kubectl.main import main as kubectl

        return kubectl(words[1:])
    from podyard.process.main import UserError

    try:
        status = _run(words)
        print(end="", flush=True)
        return status
    except BrokenPipeError:  # whoever read it, such as `head`, has seen enough
        _forget_output()
        return BROKEN_PIPE
    except OSError as error:
        print(f"podyard: {_described(error)}", file=sys.stderr)
        return 1
    except UserError as error:
        print(f"podyard: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        _on_interrupt(signal.SIG_DFL)


def _run(words: list[str]) -> int:
    parser, commands = _parser()
    name = next((word for word in words if not word.startswith("-")), "")
    if name in USER_COMMANDS:
        module = importlib.import_module(f"podyard.cli.commands.{name}")
    elif name in COMPONENTS:
        module = importlib.import_module(COMPONENTS[name][0])
    else:
        module = None
    if module is not None:
        module.add_arguments(commands[name])
    try:
        args = parser.parse_args(words)
    except SystemExit as end:  # it has said what is wrong, or helped
        return int(end.code or 0)
    if module is None:
        parser.print_help()
        return 0
    _on_interrupt(signal.default_int_handler)
    if name not in COMPONENTS:
        return int(module.command(args))
    from podyard.process.logs import configure_logging
    from podyard.process.main import run

    configure_logging(args.log_level)
    return run(lambda: module.main(args))


def _on_interrupt(handler: signal.Handlers | Callable[[int, FrameType | None], object]) -> None:
    """What Ctrl-C does from here on, unless whoever has started this program has it ignored."""
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def _described(error: OSError) -> str:
    """What to say of an error; one of standard output, whose buffer is still full then, names no file."""
    from podyard.process.files import described

    try:
        print(end="", flush=True)
    except OSError:
        _forget_output()
        if error.filename is None:
            error.filename = "standard output"
    return described(error)


def _forget_output() -> None:
    """Python would try again at its end to write what could not be written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _parser() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    import argparse  # not on the way to kubectl, which must start fast

    parser = argparse.ArgumentParser(
        prog="podyard", description="Kubernetes' Services, for real, from ordinary processes."
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command_name")
    found = {
        name: commands.add_parser(name, help=text, description=text) for name, text in USER_COMMANDS.items()
    }
    commands.add_parser("kubectl", help="the built-in Kubernetes client")
    for name, (_, text) in COMPONENTS.items():
        found[name] = commands.add_parser(name, help=f"component: {text}", description=text)
        found[name].add_argument("--log-level", choices=LOG_LEVELS, default="info", help="what to log")
    return parser, found
