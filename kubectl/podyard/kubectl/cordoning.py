"""Making nodes schedulable or not: what cordon, uncordon and drain share.

Source: k8s.io/kubectl pkg/cmd/drain, pkg/drain/cordon.go.
"""

from __future__ import annotations

from podyard.kubectl.errors import CommandError, UsageError, raise_all
from podyard.kubectl.finder import Info, find
from podyard.kubectl.printers import dry_run
from podyard.kubectl.printers.name import name_line
from podyard.kubectl.session import Session
from podyard.kubectl.wanted import Wanted
from podyard.kubectl.writing import Writer


def nodes(session: Session) -> list[Info]:
    """The nodes that arguments or --selector name. Raises CommandError."""
    if not session.args and not session["selector"]:
        word = session.command.partition(" ")[2]
        raise UsageError(session.command, f"error: USAGE: {word} NODE [flags]")
    if session.args and session["selector"]:
        raise UsageError(session.command, "error: cannot specify both a node name and a --selector option")
    args = session.args
    if not args:
        args = ["nodes"]
    elif not any("/" in arg for arg in args):
        args = ["nodes", *args]
    return find(session, Wanted(args, selector=session["selector"])).all()


def set_schedulable(session: Session, infos: list[Info], schedulable: bool) -> None:
    """Cordon or uncordon nodes and say so. Raises the errors that were met, after all have had their turn."""
    strategy, writer = dry_run(session), Writer(session, dry_run(session))
    word = "uncordon" if schedulable else "cordon"
    errors: list[CommandError] = []
    for info in infos:
        done = bool((info.object.get("spec") or {}).get("unschedulable")) is not schedulable
        if not done and strategy != "client":
            # A merge patch takes `unschedulable: null` away, as kubectl's does.
            patch = {"spec": {"unschedulable": None if schedulable else True}}
            try:
                writer.patch(info, "merge", patch)
            except CommandError as error:
                session.err(f'error: unable to {word} node "{info.name}": {error}\n')
                errors.append(error)
                continue
        say(session, info.object, f"already {word}ed" if done else f"{word}ed")
    raise_all(errors)


def say(session: Session, obj: dict[str, object], operation: str) -> None:
    """ "node/x cordoned"."""
    strategy = dry_run(session)
    suffix = {"client": " (dry run)", "server": " (server dry run)"}.get(strategy, "")
    session.out(name_line(obj, operation + suffix))
