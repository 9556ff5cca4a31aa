"""kubectl run. Source: k8s.io/kubectl pkg/cmd/run, pkg/generate/versioned/run.go."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from podyard.api.objects import is_ready
from podyard.kubectl import imagenames
from podyard.kubectl.commands import Command
from podyard.kubectl.commands.attach import attach
from podyard.kubectl.creating import OVERRIDE_FLAGS, SAVE_CONFIG_FLAG, check_overrides, overridden, saved
from podyard.kubectl.deletion import DELETE_FLAGS, FOREVER, delete, end_of, options, wait_until_gone
from podyard.kubectl.errors import ApiError, CommandError, PlainError, UsageError
from podyard.kubectl.finder import Info
from podyard.kubectl.flags import Flag
from podyard.kubectl.podfinder import Pod, choose_container, running_timeout, timeout_flag
from podyard.kubectl.printers import DRY_RUN_FLAG, OUTPUT_FLAGS, dry_run, printer_for
from podyard.kubectl.session import Session
from podyard.kubectl.streaming import Streams
from podyard.kubectl.watching import follow_object
from podyard.kubectl.writing import Writer, manager_flag


def run(session: Session) -> int:
    """Make a pod of an image, and attach to it if that is asked for."""
    _check(session)
    strategy, attached = dry_run(session), _attaches(session)
    if attached and strategy:
        raise UsageError(
            session.command,
            "--dry-run=[server|client] can't be used with attached containers options (--attach, --stdin, or "
            "--tty)",
        )
    obj = saved(session, overridden(session, make_pod(session)))
    if strategy == "client":
        if session.enforce_namespace:
            obj["metadata"]["namespace"] = session.namespace
    else:
        pods = session.discovery.find("pods")
        obj = Writer(session, strategy).create(pods, session.namespace, obj)
    if session["expose"]:
        _expose(session, strategy)
    if not attached:
        session.out(printer_for(session, "created")(obj))
        return 0
    info = Info(session.discovery.find("pods"), obj["metadata"]["namespace"], obj["metadata"]["name"], obj)
    try:
        return _attach(session, info)
    finally:
        if session["rm"]:
            _remove(session, info)


def _check(session: Session) -> None:
    if not session.args or session.flags.dash == 0:
        raise UsageError(session.command, "NAME is required for run")
    running_timeout(session)
    if not session["image"]:
        raise CommandError("--image is required")
    imagenames.check(session["image"])
    if session["tty"] and not session["stdin"]:
        raise UsageError(session.command, "-i/--stdin is required for containers with -t/--tty=true")
    if session["expose"] and not session["port"]:
        raise UsageError(session.command, "--port must be set when exposing a service")
    if session["restart"] not in ("Always", "OnFailure", "Never"):
        raise UsageError(session.command, f"invalid restart policy: {session['restart']}")
    if session["rm"] and not _attaches(session):
        raise UsageError(session.command, "--rm should only be used for attached containers")
    check_overrides(session)
    if session["image-pull-policy"] not in ("", "Always", "IfNotPresent", "Never"):
        raise UsageError(session.command, f"invalid image pull policy: {session['image-pull-policy']}")


def _attaches(session: Session) -> bool:
    if session.given("attach"):
        return bool(session["attach"])
    return bool(session["stdin"])


def make_pod(session: Session) -> dict[str, Any]:
    """The pod that the flags describe. Raises CommandError."""
    name, *words = session.args
    container: dict[str, Any] = {"image": session["image"], "name": name, "resources": {}}
    if words:
        container["command" if session["command"] else "args"] = words
    if session["env"]:
        container["env"] = [_variable(text) for text in session["env"]]
    if session["port"]:
        container["ports"] = [{"containerPort": _port(session["port"])}]
    if session["image-pull-policy"]:
        container["imagePullPolicy"] = session["image-pull-policy"]
    if session["stdin"]:
        container["stdin"] = True
        if not session["leave-stdin-open"]:
            container["stdinOnce"] = True
    if session["tty"]:
        container["tty"] = True
    if session["privileged"]:
        container["securityContext"] = {"privileged": True}
    metadata: dict[str, Any] = {"creationTimestamp": None, "labels": _labels(session), "name": name}
    annotations = dict(_pair(text, "annotation") for text in session["annotations"])
    if annotations:
        metadata["annotations"] = annotations
    spec = {"containers": [container], "dnsPolicy": "ClusterFirst", "restartPolicy": session["restart"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {}}


def _labels(session: Session) -> dict[str, str]:
    if not session["labels"]:
        return {"run": session.args[0]}
    return dict(_pair(text, "label") for text in session["labels"].split(","))


def _pair(text: str, what: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise CommandError(f"unexpected {what} spec: {text}")
    return key, value


def _variable(text: str) -> dict[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise CommandError(f"invalid env: {text}")
    return {"name": name, "value": value} if value else {"name": name}


def _port(text: str) -> int:
    if not text.isdigit():
        raise CommandError(f'strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text)


def _expose(session: Session, strategy: str) -> None:
    """Make a Service of the same name."""
    name, port = session.args[0], _port(session["port"])
    obj: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"creationTimestamp": None, "name": name},
        "spec": {
            "ports": [{"port": port, "protocol": "TCP", "targetPort": port}],
            "selector": _labels(session),
        },
        "status": {"loadBalancer": {}},
    }
    if strategy == "client":
        if session.enforce_namespace:
            obj["metadata"]["namespace"] = session.namespace
    else:
        obj = Writer(session, strategy).create(session.discovery.find("services"), session.namespace, obj)
    session.out(printer_for(session, "created")(obj))
    if session["output"] == "yaml":
        session.out("---\n")


def _attach(session: Session, info: Info) -> int:
    """Attach as soon as the pod runs; gives the exit status of its container where it ends."""
    timeout = session["pod-running-timeout"]
    pod = _wait(session, info, timeout, _running_or_done)
    container = choose_container(session, pod, "", session["quiet"])
    if _phase(pod) in ("Succeeded", "Failed"):
        _logs(session, info, container)
    else:
        try:
            attach(session, pod, container, Streams(session["stdin"], session["tty"], session["quiet"]))
        except CommandError as error:
            session.err(
                f"warning: couldn't attach to pod/{info.name}, falling back to streaming logs: {error}\n"
            )
            _logs(session, info, container)
    policy = pod["spec"].get("restartPolicy")
    if session["leave-stdin-open"] or policy not in ("Never", "OnFailure"):
        return 0
    ended = ("Succeeded",) if policy == "OnFailure" else ("Succeeded", "Failed")
    return _exit_code(_wait(session, info, timeout, lambda pod: _phase(pod) in ended))


def _phase(pod: Pod) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _running_or_done(pod: Pod) -> bool:
    if _phase(pod) in ("Succeeded", "Failed"):
        return True
    return _phase(pod) == "Running" and is_ready(pod)


def _wait(session: Session, info: Info, timeout: float, met: Callable[[Pod], bool]) -> Pod:
    for event, pod in follow_object(session, info.resource, info.namespace, info.name, timeout):
        if event in ("DELETED", "ABSENT"):
            raise ApiError({"reason": "NotFound", "code": 404, "message": 'pods "" not found'})
        if met(pod):
            return pod
    raise AssertionError("unreachable")


def _logs(session: Session, info: Info, container: str) -> None:
    path = info.resource.path(info.namespace, info.name, "log")
    with session.transport.stream(path, {"container": container}) as stream:
        for line in stream:
            sys.stdout.buffer.write(line)
    sys.stdout.flush()


def _exit_code(pod: Pod) -> int:
    if _phase(pod) == "Succeeded":
        return 0
    name = f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
    statuses = (pod.get("status") or {}).get("containerStatuses") or [{}]
    ended = (statuses[0].get("state") or {}).get("terminated") or {}
    code = int(ended.get("exitCode") or 0)
    if not code:
        raise CommandError(f"{name} failed with unknown exit code")
    raise PlainError(f"{name} terminated ({ended.get('reason', '')})\n{ended.get('message', '')}", code)


def _remove(session: Session, info: Info) -> None:
    """Delete the pod at the end (--rm)."""
    if not delete(session, info, options(session)):
        return
    if not session["quiet"]:
        session.out(f'pod "{info.name}" deleted\n')
    if session["wait"]:
        wait_until_gone(session, info, "", end_of(session, FOREVER))


COMMAND = Command(
    'run NAME --image=image [--env="key=value"] [--port=port] [--dry-run=server|client] '
    "[--overrides=inline-json] [--command] -- [COMMAND] [args...]",
    "Create and run a particular image in a pod",
    run,
    (
        Flag("image", "The image for the container to run.", required=True),
        Flag("stdin", "Keep stdin open on the container in the pod.", "i", "bool"),
        Flag("tty", "Allocate a TTY for the container in the pod.", "t", "bool"),
        Flag("attach", "If true, wait for the pod to start running, and then attach to it.", kind="bool"),
        Flag("rm", "If true, delete the pod after it exits. Only valid when attaching.", kind="bool"),
        Flag(
            "restart",
            "The restart policy for this Pod.  Legal values [Always, OnFailure, Never].",
            default="Always",
        ),
        Flag("command", "If true, use the arguments as the command and not as its args.", kind="bool"),
        Flag("env", "Environment variables to set in the container.", kind="array"),
        Flag("labels", "Comma separated labels to apply to the pod.", short="l"),
        Flag("annotations", "Annotations to apply to the pod.", kind="array"),
        Flag("port", "The port that this container exposes."),
        Flag("expose", "If true, create a ClusterIP service associated with the pod.", kind="bool"),
        Flag("image-pull-policy", "The image pull policy for the container."),
        Flag(
            "leave-stdin-open", "If true, stdin is left open after the first attach completes.", kind="bool"
        ),
        Flag("privileged", "If true, run the container in privileged mode.", kind="bool"),
        *OVERRIDE_FLAGS,
        Flag("quiet", "If true, suppress prompt messages.", "q", "bool"),
        timeout_flag(60),
        *DELETE_FLAGS,
        Flag("force", "Without effect: --grace-period=0 is enough.", kind="bool"),
        Flag("wait", "With --rm: if true, wait for the pod to be gone.", kind="bool"),
        *OUTPUT_FLAGS,
        DRY_RUN_FLAG,
        SAVE_CONFIG_FLAG,
        manager_flag("kubectl-run"),
    ),
    "kubectl run nginx --image=nginx\nkubectl run -i -t busybox --image=busybox --restart=Never",
)
