"""kubectl attach. Source: k8s.io/kubectl pkg/cmd/attach."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.commands.exec import STREAM_FLAGS
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.podfinder import (
    CONTAINER_FLAG,
    Pod,
    choose_container,
    named,
    pod_of,
    running_timeout,
    timeout_flag,
)
from podyard.kubectl.session import Session
from podyard.kubectl.streaming import Streams, run_stream, with_terminal


def run(session: Session) -> int:
    """Connect our streams to a running container's."""
    if not session.args:
        raise CommandError("at least 1 argument is required for attach")
    if len(session.args) > 2:
        saw = len(session.args)
        raise UsageError(
            session.command, f"expected POD, TYPE/NAME, or TYPE NAME, (at most 2 arguments) saw {saw}"
        )
    pod = pod_of(session, named(session, "/".join(session.args)), running_timeout(session))
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise CommandError(f"cannot attach a container in a completed pod; current phase is {phase}")
    container = choose_container(session, pod, session["container"], session["quiet"])
    return attach(session, pod, container, Streams(session["stdin"], session["tty"], session["quiet"]))


def attach(session: Session, pod: Pod, container: str, streams: Streams) -> int:
    """Attach until the container ends or the user detaches; gives its exit status."""
    metadata = pod["metadata"]
    spec = _container(pod, container)
    if spec is None:
        raise CommandError(
            f"cannot attach to the container: container {container} not found in pod {metadata['name']}"
        )
    if streams.tty and not spec.get("tty") and not streams.quiet:
        session.err(f"error: Unable to use a TTY - container {container} did not allocate one\n")
    streams = with_terminal(session, replace(streams, tty=bool(spec.get("tty"))))
    if not streams.quiet:
        session.err("If you don't see a command prompt, try pressing enter.\n")
    code = run_stream(session, metadata["namespace"], metadata["name"], "attach", container, [], streams)
    if code:
        session.err(f"command terminated with exit code {code}\n")
    elif streams.tty and not streams.quiet and pod["spec"].get("restartPolicy") == "Always":
        session.out(
            f"Session ended, resume using 'kubectl attach {metadata['name']} -c {container} -i -t' command "
            "when the pod is running\n"
        )
    return code


def _container(pod: Pod, name: str) -> dict[str, Any] | None:
    lists = ("containers", "initContainers", "ephemeralContainers")
    found = (one for field in lists for one in pod["spec"].get(field) or () if one["name"] == name)
    return next(found, None)


COMMAND = Command(
    "attach (POD | TYPE/NAME)",
    "Attach to a running container",
    run,
    (CONTAINER_FLAG, *STREAM_FLAGS, timeout_flag(60)),
    "kubectl attach mypod -c ruby-container -i -t",
)
