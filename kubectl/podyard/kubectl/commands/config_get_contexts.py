"""kubectl config get-contexts."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError, raise_all
from podyard.kubectl.flags import Flag
from podyard.kubectl.session import Session
from podyard.kubectl.tabwriter import TabWriter


def run(session: Session) -> int:
    """List contexts; a star marks the current one."""
    output = session["output"]
    if output not in ("", "name"):
        raise CommandError("output must be one of '' or 'name'")
    contexts = session.config.contexts
    names = sorted(session.args or contexts)
    errors = [CommandError(f"context {name} not found") for name in names if name not in contexts]
    names = [name for name in names if name in contexts]
    if output == "name":
        session.out("".join(f"{name}\n" for name in names))
        raise_all(errors)
        return 0
    writer = TabWriter(6, 3, remember=True)
    if not session["no-headers"]:
        writer.write("CURRENT\tNAME\tCLUSTER\tAUTHINFO\tNAMESPACE\n")
    for name in names:
        mark = "*" if name == session.config.current_context else ""
        cells = (str(contexts[name].get(key) or "") for key in ("cluster", "user", "namespace"))
        writer.write("\t".join((mark, name, *cells)) + "\n")
    session.out(writer.flush())
    raise_all(errors)
    return 0


COMMAND = Command(
    "config get-contexts [(-o|--output=)name)]",
    "Describe one or many contexts",
    run,
    (
        Flag("no-headers", "When using the default output format, don't print headers.", kind="bool"),
        Flag("output", "Output format. One of: (name).", short="o"),
    ),
    "kubectl config get-contexts my-context",
)
