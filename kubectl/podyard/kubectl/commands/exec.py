"""kubectl exec. Source: k8s.io/kubectl pkg/cmd/exec."""

from __future__ import annotations

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.finder import Info, find
from podyard.kubectl.flags import Flag
from podyard.kubectl.podfinder import (
    CONTAINER_FLAG,
    choose_container,
    named,
    pod_of,
    running_timeout,
    timeout_flag,
)
from podyard.kubectl.session import Session
from podyard.kubectl.streaming import Streams, run_stream, with_terminal
from podyard.kubectl.wanted import FILE_FLAGS, Wanted

STREAM_FLAGS = (
    Flag("stdin", "Pass stdin to the container", "i", "bool"),
    Flag("tty", "Stdin is a TTY", "t", "bool"),
    Flag("quiet", "Only print output from the remote session", "q", "bool"),
)


def run(session: Session) -> int:
    """Run a command in a container."""
    dash, args = session.flags.dash, session.args
    name = args[0] if args and dash != 0 else ""
    if dash < 0 and len(args) > 1:
        raise UsageError(
            session.command,
            "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead",
        )
    command = args[dash:] if dash >= 0 else []
    if not name and not session["filename"]:
        raise CommandError("pod, type/name or --filename must be specified")
    if not command:
        raise CommandError("you must specify at least one command for the container")
    info = named(session, name) if name else _in_file(session)
    pod = pod_of(session, info, running_timeout(session))
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise CommandError(f"cannot exec into a container in a completed pod; current phase is {phase}")
    container = choose_container(session, pod, session["container"], session["quiet"])
    streams = with_terminal(session, Streams(session["stdin"], session["tty"], session["quiet"]))
    metadata = pod["metadata"]
    code = run_stream(session, metadata["namespace"], metadata["name"], "exec", container, command, streams)
    if code:
        session.err(f"command terminated with exit code {code}\n")
    return code


def _in_file(session: Session) -> Info:
    infos = find(session, Wanted([], session["filename"]), latest=True).all()
    if len(infos) != 1:
        raise CommandError(f"--filename must name one object, not {len(infos)}")
    return infos[0]


COMMAND = Command(
    "exec (POD | TYPE/NAME) [-c CONTAINER] [flags] -- COMMAND [args...]",
    "Execute a command in a container",
    run,
    (FILE_FLAGS[0], CONTAINER_FLAG, *STREAM_FLAGS, timeout_flag(60)),
    "kubectl exec mypod -- date\nkubectl exec mypod -i -t -- sh\nkubectl exec deploy/mydeployment -- date",
)
