"""kubectl logs. Source: k8s.io/kubectl pkg/cmd/logs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import ApiError, CommandError, UsageError
from podyard.kubectl.finder import find
from podyard.kubectl.flags import Flag
from podyard.kubectl.output import reader_gone
from podyard.kubectl.podfinder import (
    CONTAINER_FLAG,
    DEFAULT_CONTAINER,
    Pod,
    all_names,
    containers,
    logging_order,
    named,
    pods_of,
    timeout_flag,
)
from podyard.kubectl.session import Session
from podyard.kubectl.transport import Transport
from podyard.kubectl.wanted import SELECTOR_FLAG, Wanted

_USAGE = (
    "expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.\n"
    "POD or TYPE/NAME is a required argument for the logs command"
)
_SELECTOR_TAIL = 10


@dataclass(frozen=True, slots=True)
class _Log:
    """The log of one container."""

    pod: Pod
    container: str

    @property
    def path(self) -> str:
        metadata = self.pod["metadata"]
        return f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/log"

    @property
    def prefix(self) -> bytes:
        return f"[pod/{self.pod['metadata']['name']}/{self.container}] ".encode()


def run(session: Session) -> int:
    """Print the logs of a pod, of a workload's pod, or of all pods with a label."""
    container = _check(session)
    logs = [log for pod in _pods(session) for log in _logs_of(session, pod, container)]
    query = _query(session)
    prefix = session["prefix"] or session["all-pods"]
    if session["follow"] and len(logs) > 1:
        most = session["max-log-requests"]
        if len(logs) > most:
            raise CommandError(
                f"you are attempting to follow {len(logs)} log streams, but maximum allowed concurrency is "
                f"{most}, use --max-log-requests to increase the limit"
            )
        return _follow_all(session, logs, query, prefix)
    for log in logs:
        _copy(session, session.transport, log, query, prefix)
    return 0


def _check(session: Session) -> str:
    """The container that is asked for. Raises UsageError."""
    args, container = session.args, session["container"]
    if len(args) > 2 or (not args and not session["selector"]):
        raise UsageError(session.command, _USAGE)
    if args and session["selector"]:
        raise UsageError(session.command, "only a selector (-l) or a POD name is allowed")
    if len(args) == 2:
        if container:
            raise CommandError("only one of -c or an inline [CONTAINER] arg is allowed")
        container = args[1]
    if session["all-containers"] and container:
        raise CommandError(f"--all-containers=true should not be specified with container name {container}")
    if session["since-time"] and session["since"]:
        raise CommandError("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if session["since"] < 0:
        raise CommandError("--since must be greater than 0")
    if session["pod-running-timeout"] <= 0:
        raise CommandError("--pod-running-timeout must be higher than zero")
    if session["tail"] < -1:
        raise CommandError("--tail must be greater than or equal to -1")
    return str(container)


def _pods(session: Session) -> list[Pod]:
    if session["selector"]:
        what = Wanted(["pods"], selector=session["selector"], everything=True)
        pods = [info.object for info in find(session, what).all()]
        if not pods:
            session.err(f"No resources found in {session.namespace} namespace.\n")
        return pods
    try:
        info = named(session, session.args[0])
    except ApiError as error:
        if not error.not_found:
            raise
        raise CommandError(
            f'error from server (NotFound): {error} in namespace "{session.namespace}"'
        ) from None
    if info.resource.kind == "Pod":
        return [info.object]
    pods = pods_of(session, info, session["pod-running-timeout"], logging_order, "get the logs from")
    if session["all-pods"]:
        return pods
    if len(pods) > 1:
        session.err(f"Found {len(pods)} pods, using pod/{pods[0]['metadata']['name']}\n")
    return pods[:1]


def _logs_of(session: Session, pod: Pod, container: str) -> list[_Log]:
    known, name = containers(pod), pod["metadata"]["name"]
    if session["all-containers"]:
        order = ("initContainers", "containers", "ephemeralContainers")
        return [_Log(pod, one) for field in order for one, where in known.items() if where == field]
    if not container:
        annotated = (pod["metadata"].get("annotations") or {}).get(DEFAULT_CONTAINER, "")
        if annotated in known:
            container = annotated
        elif annotated:
            session.err(f'Default container name "{annotated}" not found in pod {name}\n')
    if not container:
        container = pod["spec"]["containers"][0]["name"]
        if len(known) > 1 and not session["all-pods"]:
            session.err(f'Defaulted container "{container}" out of: {all_names(pod)}\n')
    if container not in known:
        raise CommandError(f"container {container} is not valid for pod {name}")
    return [_Log(pod, container)]


def _query(session: Session) -> dict[str, str]:
    query: dict[str, Any] = {
        "follow": "true" if session["follow"] else "",
        "previous": "true" if session["previous"] else "",
        "timestamps": "true" if session["timestamps"] else "",
        "sinceTime": session["since-time"],
    }
    if session["since"]:
        query["sinceSeconds"] = str(max(1, round(session["since"])))
    if session["limit-bytes"]:
        query["limitBytes"] = str(session["limit-bytes"])
    if session["tail"] != -1:
        query["tailLines"] = str(session["tail"])
    elif session["selector"] and not session.given("tail"):
        query["tailLines"] = str(_SELECTOR_TAIL)
    return query


def _copy(session: Session, transport: Transport, log: _Log, query: dict[str, str], prefix: bool) -> None:
    try:
        with transport.stream(log.path, {**query, "container": log.container}) as stream:
            _write(stream, log.prefix if prefix else b"")
    except CommandError as error:
        if not session["ignore-errors"]:
            raise
        session.out(f"error: {error}\n")


def _write(lines: Iterable[bytes], prefix: bytes) -> None:
    """Write line by line, so that the lines of several logs do not mix."""
    for line in lines:
        try:
            sys.stdout.buffer.write(prefix + line)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            reader_gone()


def _follow_all(session: Session, logs: list[_Log], query: dict[str, str], prefix: bool) -> int:
    """Follow several logs, each in a thread with a connection of its own."""
    errors: list[CommandError] = []

    def follow(log: _Log) -> None:
        try:
            _copy(session, Transport(session.target), log, query, prefix)
        except CommandError as error:
            errors.append(error)

    threads = [threading.Thread(target=follow, args=(log,), daemon=True) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return 0


COMMAND = Command(
    "logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]",
    "Print the logs for a container in a pod",
    run,
    (
        SELECTOR_FLAG,
        CONTAINER_FLAG,
        Flag("follow", "Specify if the logs should be streamed.", "f", "bool"),
        Flag("previous", "If true, print the logs of the previous instance of the container.", "p", "bool"),
        Flag("timestamps", "Include timestamps on each line in the log output", kind="bool"),
        Flag("tail", "Lines of recent log file to display.", kind="int", default=-1),
        Flag("since", "Only return logs newer than a relative duration like 5s, 2m, or 3h.", kind="duration"),
        Flag("since-time", "Only return logs after a specific date (RFC3339)."),
        Flag("limit-bytes", "Maximum bytes of logs to return.", kind="int"),
        Flag("all-containers", "Get all containers' logs in the pod(s).", kind="bool"),
        Flag("all-pods", "Get logs from all pod(s). Sets prefix to true.", kind="bool"),
        Flag("prefix", "Prefix each log line with the log source.", kind="bool"),
        Flag("ignore-errors", "If following logs, allow for errors to be non-fatal", kind="bool"),
        Flag("max-log-requests", "Maximum number of concurrent logs to follow.", kind="int", default=5),
        Flag("insecure-skip-tls-verify-backend", "Without effect.", kind="bool"),
        timeout_flag(20),
    ),
    "kubectl logs nginx\nkubectl logs -f -l app=nginx --all-containers",
)
